"""Fused levels of a hierarchy on a CPU. It imports the compiled kernels, so it is imported late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch

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
    dtype = torch.zeros((), dtype=problem.dtype).numpy().dtype
    a, c = cast(tuple[float, ...], problem.a), cast(float, problem.c)
    out: list[AbstractLevel] = []
    for grid, level in zip(grids, levels, strict=True):
        made = plan(grid, level, a, c, dtype) if level.solver is None else None
        if made is None:
            break
        out.append(FusedLevel(level, made, finest=not out))
    reason = None if out else "a smoother, a scheme or a single level that no kernel computes"
    return [*out, *levels[len(out) :]], reason
