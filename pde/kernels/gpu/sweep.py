"""What a level does between two transfers, as launches: one a smoothing step, and one or two for the restriction.

Tensors are contiguous, (B, 1, *grid) or (B, *grid). Nothing here waits for the device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from . import relax, residual, restrict
from .device import DevicePlan
from .launch import HOW, axes_of, same, tiles

ZERO, GIVEN, CORRECTED = 0, 1, 2  # where a sweep starts from: u = 0, u, or u + P e
# Up to this dimension P e is computed at every point that is read, and a residual by every coarse point that takes it:
# 2 d + 1 and at most 2^d times, from the cache. Above it, a pass more over memory is cheaper.
FUSED_CORRECTION = 2
FUSED_RESTRICTION = 2


class Swept(NamedTuple):
    """u: the tensor that has the result, None for zero. parts: sums of each program, to be added by `total`."""

    u: Tensor | None
    parts: Tensor | None


def sweep(
    plan: DevicePlan,
    start: int,
    steps: Tensor,
    source: Tensor,
    u: Tensor,
    work: Tensor,
    f: Tensor,
    correction: Tensor | None = None,
    coarse: Tensor | None = None,
    *,
    sums: bool = False,
) -> Swept:
    """u <- S(source + P correction), coarse <- R(f - A u), unless it is None.

    start: `ZERO`, ... steps: (S,), ω of each. source: may be u. u, work: both are written to, and the result is in u,
    but in work after an odd number of steps from u itself, and in source where there is nothing to do. correction,
    coarse: as the coarse grid counts. sums: of what is restricted.
    """
    e = correction if start == CORRECTED else None
    apart = e is not None and (plan.ndim > FUSED_CORRECTION or len(steps) == 0)
    writes = len(steps) + apart
    targets = [u if (writes - k) % 2 else work for k in range(writes)]
    if targets and not apart and start != ZERO and same(targets[0], source):
        targets = [work if target is u else u for target in targets]
    x = None if start == ZERO else source
    with torch.cuda.device_of(f):
        if apart:
            assert e is not None
            x, e, targets = correct(plan, targets[0], source, e), None, targets[1:]
        for k, target in enumerate(targets):
            x, e = step(plan, target, x, e, f, steps[k : k + 1]), None
        if coarse is None:
            return Swept(x, None)
        spare = u if x is not None and same(x, work) else work
        return Swept(x, restricted(plan, coarse, x, f, spare, sums=sums))


def step(plan: DevicePlan, out: Tensor, u: Tensor | None, e: Tensor | None, f: Tensor, omega: Tensor) -> Tensor:
    """out = u + ω D⁻¹ (f - A u), of u + P e where there is an e; u: None is zero. omega: (1,)."""
    grid, block = tiles(plan.shape, f, few=e is not None)
    some = f if u is None else u
    relax.relax[grid](
        out, some, some if e is None else e, f, plan.reaction, omega, axes_of(plan),
        ndim=plan.ndim, start=ZERO if u is None else GIVEN if e is None else CORRECTED, **block, **HOW,
    )  # fmt: skip
    return out


def correct(plan: DevicePlan, out: Tensor, u: Tensor, e: Tensor) -> Tensor:
    """out = u + P e; out may be u."""
    grid, block = tiles(plan.shape, u)
    relax.correct[grid](out, u, e, axes_of(plan), **block, **HOW)
    return out


def restricted(
    plan: DevicePlan, coarse: Tensor, u: Tensor | None, f: Tensor, work: Tensor, *, sums: bool = False
) -> Tensor | None:
    """coarse = R(f - A u); u: None is zero. work: for the residual, of the size of f."""
    grid, r, parts = tiles(plan.coarse_shape, coarse), f, None
    if u is not None and plan.ndim > FUSED_RESTRICTION:
        r, parts, sums = work, defect(plan, work, u, f, sums=sums), False
    elif u is not None:
        grid = tiles(plan.coarse_shape, coarse, few=True)
    parts = _parts(grid[0], f) if sums else parts
    restrict.restrict[grid[0]](
        coarse, f if u is None else u, r, plan.reaction, axes_of(plan), plan.reaction if parts is None else parts,
        ndim=plan.ndim, ready=u is None or r is work, summed=sums, **grid[1], **HOW,
    )  # fmt: skip
    return parts


def defect(plan: DevicePlan, out: Tensor | None, u: Tensor, f: Tensor, *, sums: bool = False) -> Tensor | None:
    """out = f - A u, unless it is None, and its sums; in the dtype of the plan."""
    grid, block = tiles(plan.shape, f)
    parts = _parts(grid, f) if sums else None
    residual.defect[grid](
        f if out is None else out, u, f, plan.reaction, axes_of(plan), plan.reaction if parts is None else parts,
        ndim=plan.ndim, stored=out is not None, summed=sums, **block, **HOW,
    )  # fmt: skip
    return parts


def product(plan: DevicePlan, out: Tensor, u: Tensor) -> Tensor:
    """out = A u."""
    grid, block = tiles(plan.shape, u)
    residual.product[grid](out, u, plan.reaction, axes_of(plan), ndim=plan.ndim, **block, **HOW)
    return out


def total(parts: Tensor, batch: int) -> Tensor:
    """(B, 2): ‖f - A u‖² and ‖u‖², float64, from the sums of programs."""
    return parts.reshape(batch, -1, 2).sum(1)


def _parts(grid: tuple[int], f: Tensor) -> Tensor:
    return f.new_empty(grid[0], 2, dtype=torch.float64)
