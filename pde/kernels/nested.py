"""The start of a level of three dimensions in nested iteration: the coarse solution, interpolated to a higher order
(see `pde.coarsening`), axis by axis."""

from __future__ import annotations

import numba
import numpy as np

from . import rows
from .prolonged import line


@numba.njit(**rows.ROW)
def interpolate(batch, slab, grid, coarse_grid, coarse, fine, axis0, axis1, axis2):
    """fine <- the interpolation of coarse, for the planes of a slab.

    coarse: (B, m0, m1, m2), fine: (B, n0, n1, n2), flat. axis0, axis1, axis2: see `tables.axis`; of axis 2 index and
    weights of the points between alone, weights as (6, between).
    """
    (n0, n1, n2), (m0, m1, m2), x, y = grid, coarse_grid, coarse, fine
    index0, weights0, index1, weights1 = axis0[4], axis0[5], axis1[4], axis1[5]
    first2, index2, weights2, regular2 = axis2[3], axis2[4], axis2[5], axis2[6]
    plane, row = np.empty(m1 * m2, x.dtype), np.empty(m2, x.dtype)
    for b in range(batch[0], batch[1]):
        for i in range(slab[0], slab[1]):
            for k in range(m1):
                places, alone = _places(index0, i, b * m0, m1 * m2, k * m2)
                _combine(plane, k * m2, x, places, alone, m2, weights0, i)
            for j in range(n1):
                places, alone = _places(index1, j, 0, m2, 0)
                _combine(row, 0, plane, places, alone, m2, weights1, j)
                line(y, ((b * n0 + i) * n1 + j) * n2, row, 0, m2, first2, index2, weights2, regular2)


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
