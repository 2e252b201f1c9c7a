"""Whether levels are fused, and which."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch

from unified.errors import ArgumentError
from unified.multigrid import AbstractLevel, Level

from .plain import has_graph, is_array

if TYPE_CHECKING:
    from ..coarsening import Grid
    from ..problems import Poisson

LEAST = 2**17  # points from which on compiling, or loading what was compiled, pays


def wanted(problem: Poisson, level: str) -> bool:
    """Whether levels are to be fused: where they exist, and it pays or is asked for."""
    return level == "fused" or (level == "auto" and problem.unknowns >= LEAST and _reason(problem) is None)


def fused(problem: Poisson, grids: Sequence[Grid], levels: Sequence[Level], forced: bool) -> list[AbstractLevel]:
    """The levels, fused where they can be: all but the coarsest, down to the first that cannot.

    forced: an error where the finest one cannot, and small ones too.
    """
    reason = _reason(problem)
    if reason is None and (forced or problem.unknowns >= LEAST):
        from . import build

        on = build.on_cuda if cast(torch.device, problem.device).type == "cuda" else build.on_cpu
        out, reason = on(problem, grids, levels)
    elif not forced:
        return list(levels)
    if forced and reason is not None:
        do = 'use level="auto" or "composed"'
        raise ArgumentError("level", got=f'"fused", with {reason}', expected="what kernels exist for", do=do)
    return list(levels) if reason is not None else out


def quick(*tensors: torch.Tensor, least: int | None = None) -> bool:
    """Whether tensors are plain arrays on the CPU that need no derivatives, and one is large enough for kernels.

    least: numbers in it, `LEAST` by default.
    """
    plain = all(is_array(x) and not has_graph(x) for x in tensors)
    return plain and max(x.numel() for x in tensors) >= (LEAST if least is None else least)


def _reason(problem: Poisson) -> str | None:
    """Why a problem has no fused levels, if it has none."""
    if problem.ndim == 1:
        return "one dimension"
    if problem.g is not None:
        return "a nonlinear problem"
    if problem.order != 2:
        return "a discretisation of order 4"
    device = cast(torch.device, problem.device)
    if device.type == "cuda":
        if isinstance(problem.a, torch.Tensor) or isinstance(problem.c, torch.Tensor):
            return f"a field of coefficients on the device {device}"
        return None if importlib.util.find_spec("triton") else "a CUDA device and no triton installed"
    return None if device.type == "cpu" else f"the device {device}"
