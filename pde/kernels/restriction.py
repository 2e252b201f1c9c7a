"""Restriction of a residual whose rows come one after the other, the last three of which are at hand."""

from __future__ import annotations

import numba

from . import rows


@numba.njit(**rows.INLINE)
def columns(c0, c1, m1, axis1):
    """From and to: the coarse columns that belong to the columns from c0 to c1."""
    if axis1[1].shape[1] == 0:
        return c0, c1
    first1 = axis1[3]
    return (c0 - first1 + 1) // 2, min((c1 - first1 + 1) // 2, m1)


@numba.njit(**rows.INLINE)
def complete(coarse, first_row, m0, m1, x, before, mid, after, spare, i, slab, c0, c1, axis0, axis1):
    """The coarse row that row i of the residual, the last one, completes, if it does and the slab has it.

    before, mid, after: where x holds column 0 of rows i - 2, i - 1 and i; spare: where it has room for a row.
    """
    r0, r1 = slab
    restriction0, first0 = axis0[1], axis0[3]
    k0, k1 = columns(c0, c1, m1, axis1)
    if restriction0.shape[1] == 0:
        if r0 <= i < r1:
            _gather(coarse, (first_row + i) * m1 + k0, x, after, k0, k1, axis1)
        return
    k = (i - 1 - first0) // 2
    if (i - 1 - first0) % 2 == 0 and r0 <= i - 1 < r1 and 0 <= k < m0:
        begin = c0 - 1
        rows.sum3(x, spare + begin, x, before + begin, mid + begin, after + begin, c1 + 1 - begin,
                  restriction0[0, k], restriction0[1, k], restriction0[2, k])  # fmt: skip
        _gather(coarse, (first_row + k) * m1 + k0, x, spare, k0, k1, axis1)


@numba.njit(**rows.LENT)
def _gather(y, to, x, at, k0, k1, axis1):
    """Coarse columns k0 to k1 of one row."""
    restriction1, first1 = axis1[1], axis1[3]
    if restriction1.shape[1] > 0:
        rows.gather(y, to, x, at + 2 * k0 + first1, k1 - k0, restriction1[0], restriction1[1],
                    restriction1[2], k0)  # fmt: skip
    else:
        rows.copy(y, to, x, at + k0, k1 - k0)
