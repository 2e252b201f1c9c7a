"""What kernels read of plans: the numbers of one level, or of several, in flat arrays, and where each of them is.

Kernels take a level's tables out of these by themselves: to hand over each one from Python would take as long as a
sweep of a small grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numba
import numpy as np

from . import rows
from .plan import AxisPlan, Plan
from .views import part, table

# of a level: points of a strip; the place of c in numbers; of each field its place and length; whether edges and c are
# fields of a batch, and the columns of the other end beside each of them
WIDTH, REACTION, FIELDS, EACH, EACH_REACTION, PAD, HEAD = 0, 1, 2, 10, 11, 12, 13
# of each of three axes, of which the last are the level's: points, those kept, ...
POINTS, KEPT, PERIODIC, FIRST, COARSENED = 0, 1, 2, 3, 4
# ... where its arrays begin (see `AxisPlan`), the lengths of some, ...
RESTRICTION, PROLONGATION, PAIRS, EDGES, WIDTHS, IRREGULAR, IRREGULARS = 5, 6, 7, 8, 9, 10, 11
# ... and the nodes of its points, or of those between alone: (k, 6) and (k, 6) or (6, k); the regular ones, from and to
INDEX, WEIGHTS, NODES, BY_NODE, BEGIN, END, AXIS = 12, 13, 14, 15, 16, 17, 18


class Tables(NamedTuple):
    """layout: (levels, HEAD + 3 AXIS), of the columns above; numbers: of the levels' dtype; indices: whole ones.

    fields: edges along each axis and c, flat; () where coefficients are constant.
    """

    layout: np.ndarray
    numbers: np.ndarray
    indices: np.ndarray
    fields: tuple[np.ndarray, ...]


def tables(plans: Sequence[Plan], widths: Sequence[int], halo: int = 0) -> Tables:
    """Of levels that all have constant coefficients, or all fields.

    widths: of each level's strips. halo: of the longest sweep, if that has more steps than one cycle on a level.
    """
    layout = np.zeros((len(plans), HEAD + 3 * AXIS), np.int64)
    numbers, indices = _Flat(), _Flat()
    fields = [_Flat() for _ in range(0 if plans[0].fields is None else len(plans[0].axes) + 1)]
    for line, plan, width in zip(layout, plans, widths, strict=True):
        line[WIDTH], line[REACTION] = width, numbers.put(np.full(1, plan.reaction))
        for axis in range(3 - len(plan.axes)):  # missing ones have one point
            line[HEAD + axis * AXIS + POINTS] = line[HEAD + axis * AXIS + KEPT] = 1
        start = HEAD + (3 - len(plan.axes)) * AXIS
        for k, axis_plan in enumerate(plan.axes):
            last = k == len(plan.axes) - 1
            line[start + k * AXIS :][:AXIS] = _axis(axis_plan, last, numbers, indices)
        if plan.fields is not None:
            pad = max(len(plan.pre) + len(plan.post) + 2, halo)
            pad = pad if len(plan.axes) == 2 and plan.axes[-1].periodic else 0
            *parts, each, each_reaction = (plan.fields.around(pad) if pad else plan.fields).operator
            for k, (flat, part) in enumerate(zip(fields, parts, strict=True)):
                line[FIELDS + 2 * k], line[FIELDS + 2 * k + 1] = flat.put(part), part.size
            line[EACH], line[EACH_REACTION], line[PAD] = each, each_reaction, pad
    dtype = plans[0].pre.dtype
    return Tables(
        layout, numbers.array(dtype), indices.array(np.dtype(np.int64)), tuple(x.array(dtype) for x in fields)
    )


def _axis(axis: AxisPlan, last: bool, numbers: _Flat, indices: _Flat) -> list[int]:
    index, weights, regular = axis.between if last else (axis.index, axis.weights, (0, 0))
    return [
        axis.n, axis.m, axis.periodic, axis.first, axis.coarsened,
        numbers.put(axis.restriction), numbers.put(axis.prolongation), axis.prolongation.shape[1],
        numbers.put(axis.edges), numbers.put(axis.widths), indices.put(axis.irregular), axis.irregular.size,
        indices.put(index), numbers.put(weights), len(index), last, *regular,
    ]  # fmt: skip


class _Flat:
    """Arrays one after the other."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []
        self.size = 0

    def put(self, x: np.ndarray) -> int:
        """Its place."""
        self.parts.append(x.reshape(-1))
        self.size += x.size
        return self.size - x.size

    def array(self, dtype: np.dtype) -> np.ndarray:
        if len(self.parts) == 1 and self.parts[0].dtype == dtype:
            return self.parts[0]
        return np.concatenate(self.parts).astype(dtype, copy=False)


@numba.njit(**rows.ROW)
def axis(at, numbers, indices):
    """Of an axis with columns `at`: periodic, restriction, prolongation, first, index, weights and regular points."""
    nodes = at[NODES]
    n, m = (6, nodes) if at[BY_NODE] else (nodes, 6)
    restriction = table(numbers, at[RESTRICTION], 3, at[KEPT] if at[COARSENED] else 0)
    prolongation, index = table(numbers, at[PROLONGATION], 4, at[PAIRS]), table(indices, at[INDEX], nodes, 6)
    regular = at[BEGIN], at[END]
    return at[PERIODIC] != 0, restriction, prolongation, at[FIRST], index, table(numbers, at[WEIGHTS], n, m), regular


@numba.njit(**rows.ROW)
def edges(at, numbers):
    """Edges and widths of an axis."""
    n = at[POINTS]
    return part(numbers, at[EDGES], n + 1), part(numbers, at[WIDTHS], n)


@numba.njit(inline="always")
def field(level, fields, k):
    """The k-th of the fields: edges of each axis, then c."""
    return part(fields[k], level[FIELDS + 2 * k], level[FIELDS + 2 * k + 1])
