"""From a grid to the next coarser one: which axes are coarsened, by what transfers, and the operator there.

Points are strongly coupled along an axis of large a/h²; a smoother that works point by point smooths along those
axes only, so only those are coarsened (semi-coarsening; Trottenberg et al. 2001, 5.1). Operators with constant a are
discretised anew. Those of a field are averaged where it is mild, else multiplied (Galerkin), with black-box transfers
that follow the field.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from unified.lines import Layout, LineInterpolation, LineProlongation, LineRestriction

from . import compact
from .averaging import averaged, is_mild
from .axes import Axis
from .boxes import BoxProlongation, BoxRestriction, box_weights
from .discretise import along_axis, constant_edges, volumes
from .galerkin import product
from .operators import Diffusion

# An axis is coarsened if it has this share of the couplings, by the number of axes that can be. Errors that a coarse
# grid does not represent start at half the least share, as a part of λmax: 1/4 for two equal axes, 1/6 for three. The
# bounds keep the factor within 0.05 of that for equal axes (docs/results/shapes.json). For three axes there is room for
# no more than the differences that left-over points make.
STRONG = {1: 1.0, 2: 0.36, 3: 0.32}


class Grid(NamedTuple):
    """The points of a level, and the operator on them."""

    axes: tuple[Axis, ...]
    A: Diffusion

    @property
    def shape(self) -> tuple[int, ...]:
        return self.A.shape

    @property
    def h(self) -> tuple[float, ...]:
        """The nominal spacing of each axis."""
        return tuple(axis.unit for axis in self.axes)

    @property
    def unknowns(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nnz(self) -> int:
        """Entries of the matrix."""
        return self.A.nnz


class Coarsening(NamedTuple):
    """A coarser grid and the way there and back."""

    grid: Grid
    restriction: nn.Module
    prolongation: nn.Module
    interpolation: nn.Module
    injection: nn.Module  # the values at the coarse points
    axes: tuple[int, ...]  # those coarsened


def coarsened_axes(axes: Sequence[Axis], a: Sequence[float], full: bool = False) -> list[int]:
    """The axes along which points are coupled strongly, or all, of those that have points to leave out."""
    coupling = {i: a[i] * axis.coupling for i, axis in enumerate(axes) if axis.n > 1}
    return [i for i, s in coupling.items() if full or s >= STRONG[len(coupling)] * sum(coupling.values())]


def coarsen(
    grid: Grid,
    a: Sequence[float] | None,
    c: float | None,
    *,
    order: int = 2,
    full: bool = False,
    averages: bool = False,
    mild: bool = False,
) -> Coarsening | None:
    """The next grid; None for a single point. a (of each axis), c: where they are constant, None for a field.

    order: of the discretisation, wherever the coarse grid is uniform; irregular ones have order 2. averages: whether
    the operator of a mild field may be averaged. mild: whether it is known to be.
    """
    ndim = len(grid.axes)
    A, axes = grid.A, list(grid.axes)
    like = next(iter(A.edges.values()))
    reaction = A.reaction
    restrictions: list[nn.Module] = []
    prolongations: list[nn.Module] = []
    interpolations: list[nn.Module] = []
    injections: list[nn.Module] = []
    chosen = coarsened_axes(axes, a or (1.0,) * ndim, full)
    averages = averages and a is None and (mild or is_mild(A, axes))
    galerkin = a is None and not averages
    lines: dict[int, LineRestriction] = {}
    if galerkin and chosen:
        P = box_weights(A, [_layout(axis, i - ndim) if i in chosen else None for i, axis in enumerate(axes)])
        A = product(A, P)
        restrictions.append(BoxRestriction(P))
        prolongations.append(BoxProlongation(P))
    for i in chosen:
        axis = axes[i]
        layout = _layout(axis, i - ndim)
        if not galerkin:
            left, right = (torch.tensor(w, device="cpu").to(like) for w in _shares(axis, i, ndim))
            lines[i] = LineRestriction(layout, left, right)
            restrictions.append(lines[i])
            prolongations.insert(0, LineProlongation(layout, left, right))
            if c is None and reaction is not None:
                reaction = restrictions[-1](reaction)  # lumped: its sum over each control volume
        index, weights = lagrange(axis)
        index, weights = torch.tensor(index, device=like.device), torch.tensor(weights, device="cpu").to(like)
        interpolations.insert(0, LineInterpolation(layout, index, weights))
        injections.append(Kept(layout))
        if axis.shift:
            for ways in (restrictions, injections):
                ways.append(Shift(i - ndim, -axis.shift))
            for parts in (prolongations, interpolations):
                parts.insert(0, Shift(i - ndim, axis.shift))
            if galerkin:
                A = shifted(A, i, axis.shift)
            elif c is None and reaction is not None:
                reaction = restrictions[-1](reaction)
        coarser = axis.coarsen()
        assert coarser is not None
        axes[i] = coarser
    if not restrictions:
        return None
    if averages:
        A = averaged(A, lines)
        for i in chosen:
            if shift := grid.axes[i].shift:
                A = shifted(A, i, shift)
    if not galerkin:
        edges = A.edges if a is None else constant_edges(axes, a)
        if c is not None:
            reaction = c * volumes(axes) if c else None
            if a is not None and order == 4 and all(axis.is_uniform for axis in axes):
                edges, reaction = compact.edges(axes, a, c)
        A = Diffusion([axis.n for axis in axes], edges, reaction, periodic=A.periodic, finer=grid.A).to(like)
    transfers = (nn.Sequential(*parts) for parts in (restrictions, prolongations, interpolations, injections))
    return Coarsening(Grid(tuple(axes), A), *transfers, tuple(chosen))


@functools.lru_cache(256)
def _shares(axis: Axis, i: int, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    """`Axis.weights`, along axis i."""
    left, right = axis.weights()
    return along_axis(left, i, ndim), along_axis(right, i, ndim)


def _layout(axis: Axis, at: int) -> Layout:
    return Layout(at, axis.n, axis.first, axis.periodic)


@final
class Kept(nn.Module):
    """The points of an axis that a coarser one keeps: (..., n, ...) -> (..., kept, ...)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        return self.layout.take(x, self.layout.first, self.layout.kept, 2)


@final
class Extrapolation(nn.Module):
    """The solution of a grid at the points of the next coarser one, from those of the two grids below it.

    With errors u_h - u = h^p w + O(h^(p+2)), u_2h + (u_2h - u_4h) / 2^p is u_h to the order p + 2 (extrapolation
    cascadic multigrid: Pan, He & Hu 2017). The difference is known where u_4h is; it is smooth, and interpolated as
    solutions are. Where a solution is not smooth the start is no worse than without, to a factor.
    """

    def __init__(self, injection: nn.Module, interpolation: nn.Module, order: int) -> None:
        super().__init__()
        self.injection, self.interpolation, self.order = injection, interpolation, order

    def difference(self, u: Tensor, below: Tensor) -> Tensor:
        """(u_2h - u_4h) / 2^p at the points of the 4h grid."""
        taken = self.injection(u).contiguous()  # a strided difference would be slow
        return (taken - below).mul_(2.0**-self.order)

    def forward(self, u: Tensor, below: Tensor) -> Tensor:
        """u: (B, 1, *grid of 2h), below: (B, 1, *grid of 4h) -> as u."""
        out: Tensor = u + self.interpolation(self.difference(u, below))
        return out


@final
class Shift(nn.Module):
    """Counts a periodic axis from another point: x moves `by` points on."""

    def __init__(self, axis: int, by: int) -> None:
        super().__init__()
        self.axis, self.by = axis, by

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(self.by, self.axis)


def shifted(A: Diffusion, axis: int, by: int) -> Diffusion:
    """A with point `by` of a periodic axis as its first."""
    n, dim = A.shape[axis], axis - A.ndim

    def moved(x: Tensor) -> Tensor:
        return x.narrow(dim, 0, n).roll(-by, dim) if x.ndim >= -dim and x.shape[dim] > 1 else x

    edges = {}
    for direction, e in A.edges.items():
        edges[direction] = moved(e)
        if direction[axis] and e.ndim >= -dim and e.shape[dim] > 1:  # pairs 0 and n are one
            edges[direction] = torch.cat([edges[direction], edges[direction].narrow(dim, 0, 1)], dim)
    c = None if A.reaction is None else moved(A.reaction)
    return Diffusion(A.shape, edges, c, periodic=A.periodic, finer=A)


@functools.lru_cache(256)
def lagrange(axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Index and weights, (between, 6), of interpolation by the polynomial through the six nearest coarse points.

    Dirichlet sides count as points of value zero. Full multigrid needs an interpolation of higher order than the
    discretisation (Trottenberg et al. 2001, 3.2.2). Where there are fewer points, all are taken.
    """
    gaps = np.where(np.isinf(axis.gaps), 0, axis.gaps / axis.unit)
    position = np.cumsum(gaps)[:-1]
    kept = np.arange(axis.first, axis.n, 2)
    known, number = position[kept], np.arange(len(kept))
    if axis.periodic:
        period = gaps[1:].sum()
        known = np.concatenate([known - period, known, known + period])
        number = np.tile(number, 3)
    for end, (side, at) in enumerate(zip(axis.sides, (0.0, gaps.sum()), strict=True)):
        if side == "dirichlet":
            known = np.insert(known, end * len(known), at)
            number = np.insert(number, end * len(number), -1)
    size = min(6, len(known))
    x = position[1 - axis.first :: 2, None]
    start = np.clip(np.searchsorted(known, x) - size // 2, 0, len(known) - size)
    window = start + np.arange(size)
    nodes = known[window]
    # Lagrange: Π (x - other) / Π (node - other)
    apart = nodes[:, :, None] - nodes[:, None] + np.eye(size)
    away = x - nodes
    weights = away.prod(axis=1, keepdims=True) / away / apart.prod(axis=2)
    return number[window], weights
