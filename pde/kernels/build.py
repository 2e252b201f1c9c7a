"""Fused levels of a hierarchy. What is compiled for a device is imported with its first hierarchy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from unified.multigrid import AbstractLevel, Level

from ..coarse import DirectSolve
from ..coarsening import Grid
from ..problems import Poisson
from .plan import Plan, plan

NO_PLAN = "a smoother or a scheme that no kernel computes, or one level (see `coarsest`), which is solved directly"


def on_cpu(problem: Poisson, grids: Sequence[Grid], levels: Sequence[Level]) -> tuple[list[AbstractLevel], str | None]:
    """The levels with those fused that can be, and why the finest could not if so."""
    from . import tail
    from .level import FusedLevel

    plans = _plans(problem, grids[:-1], levels[:-1])
    parts = enumerate(zip(levels, (grid.transfers for grid in grids), plans, strict=False))
    fused = [FusedLevel(*part, finest=i == 0) for i, part in parts]
    out, solver = [*fused, *levels[len(fused) :]], levels[-1].solver
    if isinstance(solver, DirectSolve):
        for i in tail.small(out):
            out[i].rest = tail.Tail(solver.inverse)
    return out, None if fused else NO_PLAN


def on_cuda(problem: Poisson, grids: Sequence[Grid], levels: Sequence[Level]) -> tuple[list[AbstractLevel], str | None]:
    """The same by Triton's kernels, on the device of the problem; with the coarsest, where all can be."""
    from .gpu.hierarchy import hierarchy

    plans = _plans(problem, grids, levels) if len(levels) > 1 else []
    out = hierarchy(levels, [grid.transfers for grid in grids], plans, cast(torch.device, problem.device))
    return [*out, *levels[len(out) :]], None if out else NO_PLAN


def _plans(problem: Poisson, grids: Sequence[Grid], levels: Sequence[Level]) -> list[Plan]:
    """From the finest level on, to the first that has none."""
    a = None if isinstance(problem.a, Tensor) else cast(tuple[float, ...], problem.a)
    c = None if isinstance(problem.c, Tensor) else cast(float, problem.c)
    dtype, out = torch.zeros((), dtype=problem.dtype).numpy().dtype, []
    for grid, level in zip(grids, levels, strict=True):
        made = plan(grid, level, a, c, dtype)
        if made is None:
            break
        out.append(made)
    return out
