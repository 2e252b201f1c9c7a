"""Coarse operators of a mild field, from the edges alone: conductors in series and side by side.

A coarse edge is a path of two fine edges in series, each the mean of those beside it that linear interpolation shares
out to it (what Migdal 1975 and Kadanoff 1976 do to the bonds of a lattice). So a 5-point operator stays one, and a
constant a is discretised anew. Where a field varies little from edge to edge, that and linear transfers converge like
multigrid for constant a: V(1,1) leaves .15 to .22 up to a ratio of 2, .3 at 5, .5 at 10 (black-box transfers and the
Galerkin product, which follow the field, .11 to .3). Every coarsening of a smooth field squares the ratio, so a
hierarchy begins with averages and may end with products.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from unified.lines import Layout, LineRestriction

from .axes import Axis
from .boxes import full
from .coefficients import extremes, known
from .discretise import constant_edges
from .kernels import quick
from .operators import Diffusion, Direction

MILD = 2.0  # ratio of neighbouring edges: up to that, averages serve
CONTRAST = 100.0  # of a field: up to that, cycles alone need no more work than conjugate gradients


def is_mild(A: Diffusion, axes: Sequence[Axis]) -> bool:
    """Whether all edges lie along axes, and differ from their neighbours by `MILD` at most but for the grid's share."""
    ndim = len(axes)
    usual = constant_edges(axes, [1.0] * ndim)
    if any(direction not in usual for direction in A.directions):
        return False
    bound = MILD * (1 + 1e-6)  # rounding
    if ndim > 1 and A.is_large:
        from .kernels import assembly

        return not assembly.is_steep(A, axes, bound)
    for direction, e in A.edges.items():
        e = full(e, A.shape, direction) / usual[direction].to(e)
        for i, axis in enumerate(axes, start=-ndim):
            low, high = (side == "neumann" and direction[i] for side in axis.sides)  # of weight zero
            e = e.narrow(i, int(low), e.shape[i] - int(low) - int(high))
        for i in range(-ndim, 0):
            pairs = max(e.shape[i] - 1, 0)
            one, other = e.narrow(i, 0, pairs), e.narrow(i, e.shape[i] - pairs, pairs)
            if bool((one > bound * other).any()) or bool((other > bound * one).any()):
                return False
    return True


def averages(a: Tensor, ndim: int) -> bool:
    """Whether the field (..., *cells) has averages on the finest levels, and varies so little that all converge fast.

    Of more than `CONTRAST` from least to most the coarse levels are hard, which conjugate gradients bear better.
    """
    least, most = extremes(a)
    if ndim == 1 or most > CONTRAST * least:
        return False
    if most <= MILD * least:
        return True
    return not known(_varies, a, ndim)


def _varies(a: Tensor, ndim: int) -> bool:
    """Whether neighbouring cells differ by more than `MILD`."""
    a, bound = a.detach(), MILD * (1 + 1e-6)
    if quick(a):
        from .kernels import assembly

        return assembly.varies(a, ndim, bound)
    for i in range(-ndim, 0):
        one, other = a.narrow(i, 0, a.shape[i] - 1), a.narrow(i, 1, a.shape[i] - 1)
        if bool((one > bound * other).any()) or bool((other > bound * one).any()):
            return True
    return False


def averaged(A: Diffusion, lines: Mapping[int, LineRestriction]) -> Diffusion:
    """The operator on every second point of some axes, without a reaction. lines: the restriction of each, by its axis.

    Restriction across an edge is half the transpose of interpolation, so it takes the mean of parallel paths; a half
    along it is that of twice the spacing.
    """
    shape = [lines[i].layout.kept if i in lines else n for i, n in enumerate(A.shape)]
    if A.ndim == 2 and A.is_large:
        from .kernels import assembly

        return Diffusion(shape, assembly.averaged(A, lines), periodic=A.periodic, finer=A)
    edges: dict[Direction, Tensor] = {}
    for direction, e in A.edges.items():
        e = full(e, A.shape, direction)
        for i, R in lines.items():
            e = e if direction[i] else R(e)
        for i, R in lines.items():
            e = in_series(R.layout, e) / 2 if direction[i] else e
        edges[direction] = e
    return Diffusion(shape, edges, periodic=A.periodic, finer=A)


def in_series(layout: Layout, e: Tensor) -> Tensor:
    """Two edges that follow each other as one, `e e' / (e + e')`: (..., n + 1, ...) -> (..., kept + 1, ...).

    At an end where a coarse pair is a fine one, that is taken.
    """
    nothing = torch.full_like(e.narrow(layout.axis, 0, 1), math.inf)
    around = layout.periodic and layout.between == layout.kept
    padded = torch.cat([e.narrow(layout.axis, layout.n - 1, 1) if around else nothing, e, nothing], layout.axis)
    one, other = (layout.take(padded, layout.first + k, layout.kept + 1, 2) for k in (0, 1))
    return 1 / (1 / one + 1 / other)
