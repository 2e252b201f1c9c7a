"""A row of the start in nested iteration, in three dimensions: the coarse solution interpolated to a higher order (see
`pde.coarsening`), axis by axis.

plane: coarse rows between the coarse planes, those that the rows of one plane need; made: of each, for which plane.
"""

from __future__ import annotations

import numba

from . import rows
from .prolonged import line


@numba.njit(**rows.LENT)
def read(x, row, row_v, e, first, at, which, coarse_points, plane, made, axis0, axis1, axis2):
    """x[row + j] = the start at (i, y, j), at = (i, y). first: of the coarse planes of e; which: a number for plane i.

    axis0, axis1, axis2: see `tables.axis`; of axis 2 index and weights of the points between alone, weights as
    (6, between). row_v: where x has room for a coarse row.
    """
    (i, y), (_, m1, m2) = at, coarse_points
    index1, weights1 = axis1[4], axis1[5]
    for q in range(6):
        k = index1[y, q]
        if k >= 0 and made[k] != which:
            made[k] = which
            places, alone = _places(axis0[4], i, first, m1 * m2, k * m2)
            _combine(plane, k * m2, e, places, alone, m2, axis0[5], i)
    places, alone = _places(index1, y, 0, m2, 0)
    _combine(x, row_v, plane, places, alone, m2, weights1, y)
    line(x, row, x, row_v, m2, axis2[3], axis2[4], axis2[5], axis2[6])


@numba.njit(**rows.LENT)
def _places(index, i, first, pitch, at):
    """Where the six lines begin that point i takes its value from, and whether it is one alone."""
    alone = index[i, 1] < 0
    for q in range(2, 6):
        alone = alone and index[i, q] < 0
    # a line that is missing has no share, and any place
    k0, k1, k2 = max(index[i, 0], 0), max(index[i, 1], 0), max(index[i, 2], 0)
    k3, k4, k5 = max(index[i, 3], 0), max(index[i, 4], 0), max(index[i, 5], 0)
    return (
        (first + k0) * pitch + at, (first + k1) * pitch + at, (first + k2) * pitch + at,
        (first + k3) * pitch + at, (first + k4) * pitch + at, (first + k5) * pitch + at,
    ), alone  # fmt: skip


@numba.njit(**rows.LENT)
def _combine(y, to, x, places, alone, n, weights, i):
    """y[to:] <- the shares of lines of x in point i."""
    if alone:
        rows.scaled(y, to, x, places[0], n, weights[i, 0])
    else:
        rows.sum6(y, to, x, places, n, weights[i], 0)
