"""Restriction of a residual whose planes come one after the other, and their rows: of a plane, three rows are at hand.

Planes are not kept: each gives its share to the coarse planes around it, and the first of those makes them new.
"""

from __future__ import annotations

import numba

from . import rows


@numba.njit(**rows.LENT)
def accumulate(
    y, i, b, coarse, x, row_0, row_v, row_r, pitch, slab, points, coarse_points,
    restriction0, first0, periodic0, restriction1, first1, periodic1, to_coarse, first2, periodic2,
):  # fmt: skip
    """The share of the residual's rows around row y of plane i in coarse planes, if that row is kept."""
    (_, n1, n2), (m0, m1, m2) = points, coarse_points
    low, mid, high = to_coarse
    coarsened1 = restriction1.shape[1] > 0
    line = (y - first1) // 2 if coarsened1 else y
    if y < 0 or y >= n1 or (coarsened1 and ((y - first1) % 2 == 1 or line < 0 or line >= m1)):
        return
    row = row_r + y % 3 * pitch
    ready = False
    for d in range(-1, 2):  # plane i lies before, in or after a plane that is kept
        centre = i - d
        weight, new = coarse.dtype.type(1), True
        if restriction0.shape[1] > 0:
            k = (centre - first0) // 2
            if (centre - first0) % 2 == 1 or k < 0 or k >= m0:
                continue
            weight, new = restriction0[d + 1, k], d == -1 or (d == 0 and i == 0 and not periodic0)
        else:
            k = centre
        if centre < slab[0] or centre >= slab[1] or (restriction0.shape[1] == 0 and d != 0):
            continue
        if not ready and coarsened1:
            north = row_0 if y == 0 and not periodic1 else row_r + (y - 1) % 3 * pitch
            south = row_0 if y == n1 - 1 and not periodic1 else row_r + (y + 1) % 3 * pitch
            rows.sum3(x, row_v, x, north, row, south, n2, restriction1[0, line],
                      restriction1[1, line], restriction1[2, line])  # fmt: skip
            row = row_v
        if not ready and len(mid) > 0:
            x[row - 1], x[row + n2] = 0, 0
            if periodic2:
                x[row - 1], x[row + n2] = x[row + n2 - 1], x[row]
            rows.gather(x, row_v + pitch, x, row + first2, m2, low, mid, high, 0)
            row = row_v + pitch
        ready = True
        to = ((b * m0 + k) * m1 + line) * m2
        if new:
            rows.scaled(coarse, to, x, row, m2, weight)
        else:
            rows.add_scaled(coarse, to, x, row, m2, weight)
