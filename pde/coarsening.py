"""From a grid to the next coarser one: which axes are coarsened, by what transfers, and the operator there.

Points are strongly coupled along an axis of large a/h²; a smoother that works point by point smooths along those
axes only, so only those are coarsened (semi-coarsening; Trottenberg et al. 2001, 5.1). Operators with constant a are
discretised anew. Those of a field are averaged where it is mild, else multiplied (Galerkin), with black-box transfers
that follow the field.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import compact
from .averaging import averaged, is_mild
from .axes import Axis
from .boxes import box_weights
from .discretise import constant_edges, volumes
from .galerkin import product
from .operators import Diffusion
from .transfers import Transfers, layout

# An axis is coarsened if it has this share of the couplings, by the number of axes that can be. Errors that a coarse
# grid does not represent start at half the least share, as a part of λmax: 1/4 for two equal axes, 1/6 for three. The
# bounds keep the factor within 0.05 of that for equal axes (docs/results/shapes.json). For three axes there is room for
# no more than the differences that left-over points make.
STRONG = {1: 1.0, 2: 0.36, 3: 0.32}


class Grid(NamedTuple):
    """The points of a level, the operator on them, and the ways to the next coarser grid and back, if there is one."""

    axes: tuple[Axis, ...]
    A: Diffusion
    transfers: Transfers | None = None

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
) -> tuple[Transfers, Grid] | None:
    """The next grid and the way there; None for a single point. a (of each axis), c: numbers, None for a field.

    order: of the discretisation, wherever the coarse grid is uniform; irregular ones have order 2. averages: whether
    the operator of a mild field may be averaged. mild: whether it is known to be.
    """
    ndim, A, reaction = len(grid.axes), grid.A, grid.A.reaction
    chosen = coarsened_axes(grid.axes, a or (1.0,) * ndim, full)
    if not chosen:
        return None
    averages = averages and a is None and (mild or is_mild(A, grid.axes))
    galerkin = a is None and not averages
    weights = None
    if galerkin:
        weights = box_weights(A, [layout(axis, i - ndim) if i in chosen else None for i, axis in enumerate(grid.axes)])
    transfers = Transfers(grid.axes, chosen, A, weights, order=order)
    if weights is not None:
        A = product(A, weights)
    elif c is None and reaction is not None:
        reaction = transfers.restriction(reaction)  # lumped: its sum over each control volume
    if averages:
        A = averaged(A, transfers.lines)
    if a is None:
        for i, shift in transfers.shifts.items():
            A = shifted(A, i, shift)
    axes = tuple(axis.coarsen() or axis if i in chosen else axis for i, axis in enumerate(grid.axes))
    if not galerkin:
        edges = A.edges if a is None else constant_edges(axes, a)
        if c is not None:
            reaction = c * volumes(axes) if c else None
            if a is not None and order == 4 and all(axis.is_uniform for axis in axes):
                edges, reaction = compact.edges(axes, a, c)
        like = grid.A.like
        edges = {direction: e.to(like) for direction, e in edges.items()}
        reaction = None if reaction is None else reaction.to(like)
        A = Diffusion([axis.n for axis in axes], edges, reaction, periodic=A.periodic, finer=grid.A)
    return transfers, Grid(axes, A)


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
