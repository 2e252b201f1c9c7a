"""The start of a sweep in three dimensions: a row of u as it was, or corrected by coarse rows.

u may be written where it is read from, so the first rows of a plane that is periodic are kept in `head`, to be read
once more at the other end.
"""

from __future__ import annotations

import numba

from . import rows
from .start import CORRECTED


@numba.njit(**rows.INLINE)
def read(
    x, row, y, i, b, start, slab, halo, points, coarse_points, source, above, below, head, edge, again, between0, held,
    row_e, row_v, pitch, e, periodic1, prolongation1, periodic2, to_points,
):  # fmt: skip
    """x[row + j] = the start at (i, y, j). between0: see `between`. edge: of row y in head, which has `again` rows."""
    n0, n1, n2 = points
    m0, m1, m2 = coarse_points
    r0, r1 = slab
    x1 = y % n1
    if i < r0:
        u, at = above, ((b * halo + i - r0 + halo) * n1 + x1) * n2
    elif i >= r1:
        u, at = below, ((b * halo + i - r1) * n1 + x1) * n2
    elif y >= n1:
        u, at = head, edge
    else:
        u, at = source, ((b * n0 + i) * n1 + x1) * n2
        if periodic1 and 0 <= y < again:
            rows.copy(head, edge, u, at, n2)
    if start == CORRECTED:
        near0, far0, a0, b0 = between0
        near0, far0 = (b * m0 + near0) * m1 * m2, (b * m0 + far0) * m1 * m2
        near1, far1, a1, b1 = between(y, x1, m1, periodic1, prolongation1)
        near = _line(near1, far1, held, x, row_e, row_v, pitch, e, near0, far0, n2, m2, a0, b0, periodic2, to_points)
        far = _line(far1, near1, held, x, row_e, row_v, pitch, e, near0, far0, n2, m2, a0, b0, periodic2, to_points)
        rows.corrected(x, row, u, at, x, near, far, n2, a1, b1)
    else:
        rows.copy(x, row, u, at, n2)


@numba.njit(**rows.LENT)
def between(i, x, m, periodic, prolongation):
    """The two coarse points around point x = i % n, and their shares in it."""
    if prolongation.shape[1] == 0:
        return x, x, prolongation.dtype.type(1), prolongation.dtype.type(0)
    pair = x // 2
    if x % 2 == 0:
        near, far, a, b = pair - 1, pair, prolongation[0, pair], prolongation[1, pair]
    else:
        near, far, a, b = pair, pair + 1, prolongation[2, pair], prolongation[3, pair]
    if periodic:
        return near % m, far % m, a, b
    return min(max(near, 0), m - 1), min(max(far, 0), m - 1), a, b  # where the share is zero


@numba.njit(**rows.LENT)
def _line(k, other, held, y, row_e, row_v, pitch, e, near, far, n, m, a, b, periodic, to_points):
    """Where coarse row k is, prolonged along axes 0 and 2: made if it is not held, and then not in place of `other`."""
    place = 0 if held[0] == k or (held[1] != k and held[0] != other) else 1
    to = row_e + place * pitch
    if held[place] == k:
        return to
    held[place] = k
    before, even, odd, after = to_points
    row = row_v if len(even) > 0 else to
    rows.sum2(y, row, e, near + k * m, far + k * m, m, a, b)
    if len(even) > 0:
        y[row - 1], y[row + m] = 0, 0
        if periodic:
            y[row - 1], y[row + m] = y[row + m - 1], y[row]
        rows.pairs(y, to, y, row, n // 2, before, even, odd, after, 0)
        if n % 2 == 1:
            g = n // 2
            y[to + n - 1] = before[g] * y[row + g - 1] + even[g] * y[row + g]
    return to
