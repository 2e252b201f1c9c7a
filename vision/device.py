"""Where and in which precision a model runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from unified.errors import ArgumentError

from .config import Precision


def model_device(model: nn.Module) -> torch.device:
    """Where the model's first tensor is; the CPU for a model without tensors."""
    for tensor in model.state_dict(keep_vars=True).values():
        return tensor.device
    return torch.device("cpu")


def resolve_device(name: str) -> torch.device:
    """'auto' or a torch device name -> a device that exists, or ArgumentError."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # 'meta' makes tensors, too, but none with numbers
    except (RuntimeError, AssertionError) as error:  # AssertionError: torch was built without CUDA
        raise ArgumentError(
            "device", got=repr(name), expected="a device that torch finds here", do="use 'auto'"
        ) from error
    return device


def resolve_precision(name: Precision, device: torch.device) -> torch.dtype:
    """'auto' is bfloat16 where the hardware multiplies it natively, else float32."""
    if name != "auto":
        return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]
    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")  # private, so they may be missing
        native = device.type == "cpu" and any(getattr(torch.cpu, probe, bool)() for probe in probes)
    return torch.bfloat16 if native else torch.float32


def autocast(device: torch.device, dtype: torch.dtype) -> torch.autocast:
    """Autocast to `dtype`; off for float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=dtype is torch.bfloat16)


@contextmanager
def running(model: nn.Module, device: torch.device, precision: Precision) -> Iterator[None]:
    """Inference: evaluation mode, no gradients, autocast; every module's mode is put back afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad(), autocast(device, resolve_precision(precision, device)):
            yield
    finally:
        for module, mode in modes:
            module.training = mode
