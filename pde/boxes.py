"""Interpolation that follows the coefficients, on all axes of a grid at once.

Where the coefficient jumps, the flux is continuous and the gradient is not, so interpolation takes its weights from
the operator (Alcouffe, Brandt, Dendy & Painter 1981; Dendy 1982, "Black box multigrid"; Dendy 1986 in 3-D). A point
between coarse ones on one axis weighs them by its edges to either side; one between them on two axes solves its own
equation, of the eight points around it that have their values already; on three, that of 26. Edges along the other
axes are summed as if u did not vary there. The restriction is `R = Pᵀ / 2` for each axis coarsened.

Coarse cells hold everything: a cell is a pair of coarse neighbours on each axis, so that "pairs" are kept + 1, those
at the ends reaching beyond the grid. A fine point lies in a cell, on one of its faces, edges, or corners, and takes
from those of the cell's corners that are around it: "between" on some axes, kept on the others. All points of one kind
are one slice with a stride of 2.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from unified.lines import Layout

from .operators import Diffusion, Direction

Kind = tuple[int, ...]  # of a fine point: on each axis 1 between two coarse points, 0 on one
Corner = tuple[int, ...]  # of a cell: on each axis 0 for the coarse point before, 1 for the one after
Layouts = Sequence[Layout | None]  # of each axis; None is left as it is


@final
@dataclass(frozen=True, eq=False)
class Interpolation:
    """weights[kind][corner]: of the points of a kind in the cell's corners, the corner being 0 where the kind is.

    Each broadcasts to (..., *grid), an axis being the kept + 1 pairs where the kind is 1, else the kept + 2 coarse
    points with those beyond (the other end's, or what the last one has: it carries a zero).
    """

    shape: tuple[int, ...]
    layouts: tuple[Layout | None, ...]
    periodic: tuple[bool, ...]
    weights: dict[Kind, dict[Corner, Tensor]]

    @property
    def half(self) -> float:
        return 0.5 ** sum(layout is not None for layout in self.layouts)

    @property
    def coarse(self) -> tuple[int, ...]:
        return tuple(n if y is None else y.kept for n, y in zip(self.shape, self.layouts, strict=True))


def box_weights(A: Diffusion, layouts: Layouts) -> Interpolation:
    """Black-box interpolation from A's edges; the weights of a point are 1 in sum, whatever the reaction."""
    axes = [(0,) if layout is None else (0, 1) for layout in layouts]
    box = Interpolation(A.shape, tuple(layouts), A.periodic, {})
    for kind in sorted(itertools.product(*axes), key=sum):
        box.weights[kind] = _local(A, box, kind)
    return box


@final
class BoxProlongation(nn.Module):
    """(..., *coarse) -> (..., *grid)"""

    def __init__(self, P: Interpolation) -> None:
        super().__init__()
        self.P = P
        self.terms = _keep(self, P)

    def forward(self, x: Tensor) -> Tensor:
        P, y = self.P, x.new_empty((*x.shape[: -len(self.P.shape)], *self.P.shape))
        for axis, periodic in enumerate(P.periodic, start=-len(P.shape)):
            x = _around(x, axis, periodic, zero=True)
        for kind, corners in self.terms.items():
            points = _points(P, y, kind)
            parts = (getattr(self, name) * _corners(P, x, kind, corner) for corner, name in corners.items())
            points.copy_(sum(parts, start=x.new_zeros(())))
        return y


@final
class BoxRestriction(nn.Module):
    """Pᵀ / 2 for each axis that is coarsened: (..., *grid) -> (..., *coarse)."""

    def __init__(self, P: Interpolation) -> None:
        super().__init__()
        self.P = P
        self.terms = _keep(self, P)

    def forward(self, x: Tensor) -> Tensor:
        P, ndim = self.P, len(self.P.shape)
        lead = np.broadcast_shapes(x.shape[:-ndim], *(w.shape[:-ndim] for w in self.buffers()))  # torch's imports SymPy
        y = x.new_zeros((*lead, *(n + 2 for n in P.coarse)))
        for kind, corners in self.terms.items():
            for corner, name in corners.items():
                _corners(P, y, kind, corner).add_(getattr(self, name) * _points(P, x, kind))
        for axis, (periodic, n) in enumerate(zip(P.periodic, P.coarse, strict=True), start=-ndim):
            if periodic:
                y.narrow(axis, 1, 1).add_(y.narrow(axis, n + 1, 1))
                y.narrow(axis, n, 1).add_(y.narrow(axis, 0, 1))
            y = y.narrow(axis, 1, n)
        return y * P.half


def _keep(module: nn.Module, P: Interpolation) -> dict[Kind, dict[Corner, str]]:
    """The weights of the points of the grid alone as buffers of a transfer; their names."""
    terms: dict[Kind, dict[Corner, str]] = {}
    for kind, corners in P.weights.items():
        terms[kind] = {}
        for corner, w in corners.items():
            name = terms[kind][corner] = "w" + "".join(map(str, (*kind, *corner)))
            module.register_buffer(name, _on_grid(P, kind, w).contiguous(), persistent=False)
    return terms


def _on_grid(P: Interpolation, kind: Kind, w: Tensor) -> Tensor:
    """Without those beyond the grid: (..., *points of the kind)."""
    for axis, (k, layout) in enumerate(zip(kind, P.layouts, strict=True), start=-len(kind)):
        w = w.narrow(axis, *(_real(layout) if k and layout else (1, w.shape[axis] - 2)))
    return w


def _real(layout: Layout) -> tuple[int, int]:
    """The first pair that holds a point of the grid, and how many do."""
    return 1 - layout.first, layout.between


def _points(P: Interpolation, x: Tensor, kind: Kind) -> Tensor:
    """The points of a kind: a view."""
    for k, layout in zip(kind, P.layouts, strict=True):
        x = x if layout is None else layout.fine(x)[k]
    return x


def _corners(P: Interpolation, x: Tensor, kind: Kind, corner: Corner) -> Tensor:
    """Of the coarse points with those beyond, the ones that the points of a kind have in a corner: a view."""
    for axis, (k, c, layout) in enumerate(zip(kind, corner, P.layouts, strict=True), start=-len(kind)):
        start, count = _real(layout) if k and layout else (1, x.shape[axis] - 2)
        x = x.narrow(axis, start + c * k, count)
    return x


def _around(x: Tensor, axis: int, periodic: bool, *, zero: bool = False) -> Tensor:
    """With one more at either end: the other end's, or zero, or what the last one has."""
    first, last = x.narrow(axis, 0, 1), x.narrow(axis, -1, 1)
    if periodic:
        first, last = last, first
    elif zero:
        first = last = torch.zeros_like(first)
    return torch.cat([first, x, last], axis)


def full(x: Tensor, shape: Sequence[int], direction: Direction) -> Tensor:
    """Over all pairs of a direction (its steps 0: over all points)."""
    return x.expand(*x.shape[: -len(shape)], *(n + abs(step) for n, step in zip(shape, direction, strict=True)))


def _local(A: Diffusion, P: Interpolation, kind: Kind) -> dict[Corner, Tensor]:
    """The points of a kind, from those around them that are between on fewer axes, by the edges to them."""
    if not any(kind):
        one = A.like.new_ones(())
        return {kind: one.expand(*(n + 2 for n in P.coarse))}
    out: dict[Corner, Tensor] = {}
    for to, share in _proportions(P, kind, _collapsed(A, P, kind)).items():
        nearer = tuple(int(k and not step) for k, step in zip(kind, to, strict=True))
        for corner, w in P.weights[nearer].items():
            for axis, step in enumerate(to, start=-A.ndim):
                if step:  # over coarse points: to the pairs that begin or end with them
                    w = w.narrow(axis, int(step == 1), w.shape[axis] - 1)
            target = tuple(int(step == 1) if step else c for c, step in zip(corner, to, strict=True))
            out[target] = out[target] + share * w if target in out else share * w
    for axis, k in enumerate(kind, start=-A.ndim):
        if k:
            for corner, w in out.items():
                _beyond(P, kind, corner, w, axis)
    return out


def _collapsed(A: Diffusion, P: Interpolation, kind: Kind) -> dict[Direction, Tensor]:
    """The edges of the points of a kind, to either side on the axes that they are between on.

    Summed over the other axes ("collapsed", Dendy 1982). Over pairs where the kind is 1, else over coarse points with
    those beyond.
    """
    sums: dict[Direction, Tensor] = {}
    for direction, e in A.edges.items():
        e = full(e, A.shape, direction)
        for end, sign in ((0, -1), (1, 1)):  # the edges that end at a point lead back
            to = tuple(sign * step * k for step, k in zip(direction, kind, strict=True))
            if any(to):
                x = _points(P, A.at_points(e, direction, end), kind)
                sums[to] = sums[to] + x if to in sums else x
    for to, x in sums.items():
        for axis, (k, layout) in enumerate(zip(kind, P.layouts, strict=True), start=-A.ndim):
            x = fill(layout, x) if k and layout else _around(x, axis, A.periodic[axis])
        sums[to] = x
    return sums


def _proportions(P: Interpolation, kind: Kind, edges: dict[Direction, Tensor]) -> dict[Direction, Tensor]:
    """Edges over their sum. A Galerkin operator has some of the wrong sign: they are left out where they weigh much.

    A point that hangs on nothing takes the mean of its nearest neighbours, but of nothing that lies beyond the grid.
    """
    positive = {to: e.clamp(min=0) for to, e in edges.items()}
    total, most = (torch.stack(torch.broadcast_tensors(*x.values())).sum(0) for x in (edges, positive))
    sound = total > 0.5 * most if sum(kind) > 1 else torch.zeros_like(total, dtype=torch.bool)
    loose = most <= 0
    nearest = {to: _nearest(P, to, most) for to in edges}
    count = sum(nearest.values(), start=most.new_zeros(()))
    out = {}
    for to in edges:
        by_sign = positive[to] / torch.where(loose, 1, most)
        out[to] = torch.where(sound, edges[to] / torch.where(sound, total, 1), by_sign)
        out[to] = torch.where(loose, nearest[to] / count, out[to])
    return out


def _nearest(P: Interpolation, to: Direction, like: Tensor) -> Tensor:
    """1 where the coarse point next to a point between is one of the grid; 0 across a diagonal."""
    out = like.new_full(like.shape[-len(to) :], float(sum(map(abs, to)) == 1))
    for axis, (step, layout) in enumerate(zip(to, P.layouts, strict=True), start=-len(to)):
        if step and layout and not layout.periodic:
            if step == -1 and layout.first == 1:
                out.narrow(axis, 0, 1).zero_()
            if step == 1 and (layout.n - layout.first) % 2 == 0:
                out.narrow(axis, -1, 1).zero_()
    return out


def _beyond(P: Interpolation, kind: Kind, corner: Corner, w: Tensor, axis: int) -> None:
    """The weights of what lies in a pair that the grid ends in: those of the coarse point beyond."""
    layout, k = P.layouts[axis], axis + len(kind)
    assert layout is not None
    around = layout.periodic and layout.between == layout.kept
    face = tuple(0 if i == k else x for i, x in enumerate(kind))
    on_face = tuple(0 if i == k else x for i, x in enumerate(corner))
    for cut, at, end in ((layout.first == 0, 0, 0), ((layout.n - layout.first) % 2 == 1, layout.kept, 1)):
        if cut and end == 0 and around:
            w.narrow(axis, 0, 1).copy_(w.narrow(axis, layout.kept, 1))
        elif cut and corner[k] == end:
            w.narrow(axis, at, 1).copy_(P.weights[face][on_face].narrow(axis, at + end, 1))
        elif cut:
            w.narrow(axis, at, 1).zero_()


def fill(layout: Layout, between: Tensor) -> Tensor:
    """For each pair, from those with a point between, zero where it is beyond: (..., kept + 1, ...)."""
    parts, last = [between], between.narrow(layout.axis, -1, 1)
    if layout.first == 0:
        around = layout.periodic and layout.between == layout.kept
        parts.insert(0, last if around else torch.zeros_like(last))
    if (layout.n - layout.first) % 2:
        parts.append(torch.zeros_like(last))
    return torch.cat(parts, layout.axis)
