"""The Galerkin product `R A P`, with R = Pᵀ / 2 for each axis coarsened, in edges.

A fine edge lies in a cell of coarse points, as the points do that it joins (see `boxes`), and those of one kind, by
where they begin and end on each axis, are one slice with a stride of 2: no sparse matrix is made.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor

from unified.lines import Layout

from .boxes import BoxRestriction, Corner, Interpolation, fill, full
from .operators import Diffusion, Direction

Place = str  # in a pair: its "low" or "high" end or "between"; or on a coarse "point"
_CORNERS: dict[Place, tuple[int, ...]] = {"low": (0,), "high": (1,), "between": (0, 1), "point": (0,)}


def product(A: Diffusion, P: Interpolation) -> Diffusion:
    """`R A P` with R = Pᵀ / 2 for each axis coarsened, in edges again.

    An edge e of i and j adds `e v vᵀ` with `v = P[i, :] - P[j, :]`, zero in sum: an edge `-e v_I v_J` of each two of
    the corners of the cell it lies in. The reaction is lumped to `R c`, which are the row sums of `R diag(c) P`.
    """
    edges: dict[Direction, Tensor] = {}
    for direction, e in A.edges.items():
        for coarse, part in _products(P, direction, full(e, A.shape, direction) * P.half):
            if coarse not in edges:
                edges[coarse] = part
            elif edges[coarse].shape == part.shape:
                edges[coarse] += part
            else:
                edges[coarse] = edges[coarse] + part
    c = A.reaction
    if c is not None:
        c = BoxRestriction(P)(full(c, A.shape, (0,) * A.ndim))
    return Diffusion(P.coarse, edges, c, periodic=A.periodic, finer=A)


def _halves(layout: Layout, e: Tensor) -> tuple[Tensor, Tensor]:
    """The fine pairs before and after the point in each coarse pair: (..., n + 1, ...) -> (..., kept + 1, ...) both."""
    parts = [e]
    if layout.first == 0:  # pair -1
        pair = e.narrow(layout.axis, layout.n - 1, 1)
        parts.insert(0, pair if layout.periodic else torch.zeros_like(pair))
    if (layout.n - layout.first) % 2:
        parts.append(torch.zeros_like(e.narrow(layout.axis, 0, 1)))
    e, pairs = torch.cat(parts, layout.axis), layout.kept + 1
    return layout.take(e, 0, pairs, 2), layout.take(e, 1, pairs, 2)


def _lines(layout: Layout | None, step: int, e: Tensor) -> Iterator[tuple[Tensor, Place, Place]]:
    """The edges with a step on an axis, by where they begin and end."""
    if layout is None:
        places: list[tuple[Place, Place]] = [("point", "point"), ("low", "high"), ("high", "low")]
        yield (e, *places[step])
    elif step == 0:
        kept, between = layout.fine(e)
        yield kept, "point", "point"
        yield fill(layout, between), "between", "between"
    else:
        low, high = _halves(layout, e)
        ends: list[tuple[Place, Place]] = [("low", "between"), ("between", "high")]
        for half, (before, after) in zip((low, high), ends, strict=True):
            yield (half, before, after) if step == 1 else (half, after, before)


def _kinds(P: Interpolation, direction: Direction, e: Tensor) -> list[tuple[Tensor, list[Place], list[Place]]]:
    """The edges of a direction, by where they begin and end on each axis."""
    groups: list[tuple[Tensor, list[Place], list[Place]]] = [(e, [], [])]
    for layout, step in zip(P.layouts, direction, strict=True):
        groups = [
            (part, [*tail, begin], [*head, end])
            for e, tail, head in groups
            for part, begin, end in _lines(layout, step, e)
        ]
    return groups


def _shares(P: Interpolation, places: list[Place]) -> Iterator[tuple[Corner, Tensor]]:
    """The weights of the points at a place of each cell."""
    kind = tuple(int(place == "between") for place in places)
    for corner, w in P.weights[kind].items():
        for axis, place in enumerate(places, start=-len(places)):
            if place != "between":
                n = w.shape[axis]
                w = w.narrow(axis, int(place != "low"), n - 2 if place == "point" else n - 1)
        yield tuple(int(place == "high") or c for c, place in zip(corner, places, strict=True)), w


def _products(P: Interpolation, direction: Direction, e: Tensor) -> Iterator[tuple[Direction, Tensor]]:
    """The coarse edges that the fine ones of a direction turn into."""
    for part, tail, head in _kinds(P, direction, e):
        v = dict(_shares(P, tail))
        for corner, w in _shares(P, head):
            v[corner] = v[corner] - w if corner in v else -w
        for (first, one), (second, other) in itertools.combinations(v.items(), 2):
            x = -part * one * other
            for axis, (place, i, j) in enumerate(zip(tail, first, second, strict=True), start=-len(tail)):
                if place != "point" and i == j:  # from pairs to the points that they begin (0) or end (1) with
                    x = x.narrow(axis, 1 - i, x.shape[axis] - 1)
            coarse = tuple(j - i for i, j in zip(first, second, strict=True))
            yield max(coarse, tuple(-step for step in coarse)), x
