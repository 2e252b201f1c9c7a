"""Running out of memory, said in the words of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from unified.errors import ArgumentError

_SAID = ("out of memory", "not enough memory", "DefaultCPUAllocator", "CUDNN_STATUS_ALLOC_FAILED")


def out_of_memory(error: Exception) -> bool:
    """Is it of an allocation that failed, on a CPU or a GPU?"""
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    return known or any(words in str(error) for words in _SAID)


def check_free(argument: str, what: str, size: int, *, do: str) -> None:
    """ArgumentError where `what` takes more bytes than are free: a system may promise them, and end the process."""
    free = psutil.virtual_memory().available
    if size > free:
        raise ArgumentError(
            argument,
            got=f"{what} of {size / 2**30:.1f} GiB in all",
            expected=f"no more than the {free / 2**30:.1f} GiB of free memory",
            do=do,
        )


@contextmanager
def enough_memory(
    batch: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, *, least: bool = False
) -> Iterator[None]:
    """Turn an allocation that fails, on a CPU or a GPU, into an ArgumentError: what was tried and what to try.

    least: the batch is the smallest there can be.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not out_of_memory(error):
            raise
        precision = str(dtype).removeprefix("torch.")
        remedies = [f"batch_size={batch // 2}"] if batch > 1 and not least else []
        remedies += ["precision='bfloat16'"] if dtype is torch.float32 and not least else []
        raise ArgumentError(
            "batch_size",
            got=f"{batch} images {shape} in {precision} on {device}, and the memory ran out",
            expected="a batch that fits, beside the model",
            do=f"use {', '.join([*remedies, 'a smaller model'])}, or smaller images",
        ) from error
