"""Fused levels: what a composed level computes, in one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch

from unified.errors import ArgumentError
from unified.multigrid import AbstractLevel, Level

if TYPE_CHECKING:
    from ..coarsening import Grid
    from ..problems import Poisson

LEAST = 2**17  # points from which on compiling, or loading what was compiled, pays


def fused(problem: Poisson, grids: Sequence[Grid], levels: Sequence[Level], forced: bool) -> list[AbstractLevel]:
    """The levels, fused where they can be: all but the coarsest, down to the first that cannot.

    forced: an error where the finest one cannot, and small ones too.
    """
    reason = _reason(problem)
    if reason is None and (forced or problem.unknowns >= LEAST):
        from .build import build

        out, reason = build(problem, grids, levels)
    elif not forced:
        return list(levels)
    if forced and reason is not None:
        do = 'use level="auto" or "composed"'
        raise ArgumentError("level", got=f'"fused", with {reason}', expected="what kernels exist for", do=do)
    return list(levels) if reason is not None else out


def _reason(problem: Poisson) -> str | None:
    """Why a problem has no fused levels, if it has none."""
    if problem.ndim == 1:
        return "one dimension"
    if problem.g is not None:
        return "a nonlinear problem"
    if problem.order != 2:
        return "a discretisation of order 4"
    if any(isinstance(x, torch.Tensor) for x in (problem.a, problem.c)):
        return "a field of coefficients"
    if cast(torch.device, problem.device).type != "cpu":
        return f"the device {problem.device}"
    return None
