"""How kernels are launched: grids of tiles, and the axes of a plan as arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import triton
import triton.language as tl
from torch import Tensor

from .device import DevicePlan
from .points import Axis

POINTS = 512  # of a tile: four a thread
FEW = 128  # where much is computed for each, one a thread: four would not have registers enough
COLUMNS = 128  # of a tile, at most
HOW: dict[str, Any] = {"num_warps": 4, "num_stages": 1, "enable_fp_fusion": True}


def axes_of(plan: DevicePlan) -> tuple[Axis, ...]:
    """Kernels are compiled for which of the axes are periodic and which are coarsened."""
    return tuple(
        Axis(a.table, a.n, a.m, a.first, a.shift, tl.constexpr(int(a.periodic)), tl.constexpr(int(a.coarsened)))
        for a in plan.axes
    )


def tiles(shape: Sequence[int], batch: Tensor, *, few: bool = False) -> tuple[tuple[int], dict[str, int]]:
    """Programs for a batch of grids of three axes, and their tile."""
    high, wide = tile(shape[1], shape[2], few=few)
    planes = batch.shape[0] * shape[0]
    return (planes * math.ceil(shape[1] / high) * math.ceil(shape[2] / wide),), {"high": high, "wide": wide}


def tile(n1: int, n2: int, *, few: bool = False) -> tuple[int, int]:
    """Rows and columns, powers of two."""
    points = FEW if few else POINTS
    wide = min(triton.next_power_of_2(n2), COLUMNS // 4 if few else COLUMNS)
    return min(triton.next_power_of_2(n1), points // wide), wide


def same(x: Tensor, y: Tensor) -> bool:
    """Whether they are the same memory."""
    return x.data_ptr() == y.data_ptr()
