"""All levels on a CUDA device: the small ones in one launch, those below the finest in a graph."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from unified.multigrid import Level

from ...coarse import DirectSolve
from ...transfers import Transfers
from ..plan import Plan
from . import tail
from .graph import Replayed
from .level import CudaLevel
from .memory import Memory


def hierarchy(
    levels: Sequence[Level], ways: Sequence[Transfers | None], plans: Sequence[Plan], device: torch.device
) -> list[CudaLevel]:
    """The first of some composed levels, of which there are plans, fused; where all are, they have a `rest` too."""
    memory = Memory()
    parts = enumerate(zip(levels, ways, plans, strict=False))
    out = [CudaLevel(*part, device, memory, finest=i == 0) for i, part in parts]
    solver = levels[-1].solver
    if len(out) < len(levels) or not isinstance(solver, DirectSolve):
        return out
    sizes = [math.prod(level.plan.shape) for level in out[1:]]
    first = next((i for i, size in enumerate(sizes, 1) if size <= tail.LIMIT), len(sizes))
    out[first].rest = tail.Tail(out[first:], solver.inverse[0], memory)
    if first > 1:
        out[1].rest = Replayed(memory)
    return out
