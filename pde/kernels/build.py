"""Fused levels of a hierarchy on a CPU. It imports the compiled kernels, so it is imported late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from unified.multigrid import AbstractLevel, Level

from ..coarsening import Grid
from ..problems import Poisson
from .level import SWEEPS, FusedLevel
from .plan import plan


def build(
    problem: Poisson, grids: Sequence[Grid], levels: Sequence[Level]
) -> tuple[list[AbstractLevel], str | None]:
    """The levels with those fused that can be, and why the finest could not if so."""
    if problem.ndim not in SWEEPS:
        return list(levels), f"{problem.ndim} dimensions"
    a = None if isinstance(problem.a, Tensor) else cast(tuple[float, ...], problem.a)
    c = None if isinstance(problem.c, Tensor) else cast(float, problem.c)
    if (a is None or c is None) and problem.ndim != 2:
        return list(levels), f"a field of coefficients in {problem.ndim} dimensions"
    dtype = torch.zeros((), dtype=problem.dtype).numpy().dtype
    out: list[AbstractLevel] = []
    for grid, level in zip(grids, levels, strict=True):
        made = plan(grid, level, a, c, dtype) if level.solver is None else None
        if made is None:
            break
        out.append(FusedLevel(level, made, finest=not out))
    reason = None if out else "a smoother, a scheme, a field that jumps or a single level, that no kernel computes"
    return [*out, *levels[len(out) :]], reason
