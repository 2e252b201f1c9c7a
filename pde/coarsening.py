"""From a grid to the next coarser one: which axes are coarsened, by what transfers, and the operator there.

Points are strongly coupled along an axis of large a/h²; a smoother that works point by point smooths along those
axes only, so only those are coarsened (semi-coarsening; Trottenberg et al. 2001, 5.1). Operators with constant a are
discretised anew. Those of a field are multiplied (Galerkin), with black-box transfers that follow the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from unified.lines import Layout, LineInterpolation, LineProlongation, LineRestriction

from . import compact
from .axes import Axis
from .boxes import BoxProlongation, BoxRestriction, box_weights
from .discretise import constant_edges, line, volumes
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


def coarsened_axes(axes: Sequence[Axis], a: Sequence[float], full: bool = False) -> list[int]:
    """The axes along which points are coupled strongly, or all, of those that have points to leave out."""
    coupling = {i: a[i] * axis.coupling for i, axis in enumerate(axes) if axis.n > 1}
    return [i for i, s in coupling.items() if full or s >= STRONG[len(coupling)] * sum(coupling.values())]


def coarsen(
    grid: Grid, a: Sequence[float] | None, c: float | None, *, order: int = 2, full: bool = False
) -> Coarsening | None:
    """The next grid; None for a single point. a (of each axis), c: where they are constant, None for a field.

    order: of the discretisation, wherever the coarse grid is uniform; irregular ones have order 2.
    """
    ndim = len(grid.axes)
    A, axes = grid.A, list(grid.axes)
    like = next(iter(A.edges.values()))
    reaction = A.reaction
    restrictions: list[nn.Module] = []
    prolongations: list[nn.Module] = []
    interpolations: list[nn.Module] = []
    chosen = coarsened_axes(axes, a or (1.0,) * ndim, full)
    if a is None and chosen:
        P = box_weights(A, [_layout(axis, i - ndim) if i in chosen else None for i, axis in enumerate(axes)])
        A = product(A, P)
        restrictions.append(BoxRestriction(P))
        prolongations.append(BoxProlongation(P))
    for i in chosen:
        axis = axes[i]
        layout = _layout(axis, i - ndim)
        if a is not None:
            left, right = (line(w, i, ndim).to(like) for w in axis.weights())
            restrictions.append(LineRestriction(layout, left, right))
            prolongations.insert(0, LineProlongation(layout, left, right))
            if c is None and reaction is not None:
                reaction = restrictions[-1](reaction)  # lumped: its sum over each control volume
        interpolations.insert(0, LineInterpolation(layout, *(x.to(like.device) for x in cubic(axis, like.dtype))))
        if axis.shift:
            restrictions.append(Shift(i - ndim, -axis.shift))
            for parts in (prolongations, interpolations):
                parts.insert(0, Shift(i - ndim, axis.shift))
            if a is None:
                A = shifted(A, i, axis.shift)
            elif c is None and reaction is not None:
                reaction = restrictions[-1](reaction)
        coarser = axis.coarsen()
        assert coarser is not None
        axes[i] = coarser
    if not restrictions:
        return None
    if a is not None:
        edges = constant_edges(axes, a)
        if c is not None:
            reaction = c * volumes(axes) if c else None
            if order == 4 and all(axis.is_uniform for axis in axes):
                edges, reaction = compact.edges(axes, a, c)
        A = Diffusion([axis.n for axis in axes], edges, reaction, periodic=A.periodic).to(like)
    transfers = (nn.Sequential(*parts) for parts in (restrictions, prolongations, interpolations))
    return Coarsening(Grid(tuple(axes), A), *transfers)


def _layout(axis: Axis, at: int) -> Layout:
    return Layout(at, axis.n, axis.first, axis.periodic)


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
    return Diffusion(A.shape, edges, None if A.reaction is None else moved(A.reaction), periodic=A.periodic)


def cubic(axis: Axis, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Index and weights, (between, 4), of interpolation by the cubic through the four nearest coarse points.

    Dirichlet sides count as points of value zero. Full multigrid needs an interpolation of higher order than the
    discretisation (Trottenberg et al. 2001, 3.2.2). Where there are fewer points, all are taken.
    """
    gaps = np.where(np.isinf(axis.gaps), 0, axis.gaps)
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
    size = min(4, len(known))
    x = position[1 - axis.first :: 2, None]
    start = np.clip(np.searchsorted(known, x) - 2, 0, len(known) - size)
    window = start + np.arange(size)
    nodes = known[window]
    weights = np.ones_like(nodes)
    for k in range(size):  # Lagrange
        for other in range(size):
            if other != k:
                weights[:, k] *= (x[:, 0] - nodes[:, other]) / (nodes[:, k] - nodes[:, other])
    return torch.as_tensor(number[window]), torch.as_tensor(weights, dtype=dtype)
