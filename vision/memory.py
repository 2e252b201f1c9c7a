"""Running out of memory, said in the words of the settings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from unified.errors import ArgumentError

_SAID = ("out of memory", "not enough memory", "DefaultCPUAllocator", "CUDNN_STATUS_ALLOC_FAILED")


@contextmanager
def enough_memory(batch: int, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Iterator[None]:
    """Turn an allocation that fails, on a CPU or a GPU, into an ArgumentError: what was tried and what to try."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
        if not (known or any(words in str(error) for words in _SAID)):
            raise
        precision = str(dtype).removeprefix("torch.")
        remedies = [f"batch_size={batch // 2}"] if batch > 1 else []
        remedies += ["precision='bfloat16'"] if dtype is torch.float32 else []
        raise ArgumentError(
            "batch_size",
            got=f"{batch} images {shape} in {precision} on {device}, and the memory ran out",
            expected="a batch that fits beside the model and its optimizer",
            do=f"use {', '.join([*remedies, 'or a smaller model' if remedies else 'a smaller model'])}",
        ) from error
