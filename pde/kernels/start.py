"""The start of a sweep in two dimensions: a row of u as it was, corrected, or made of coarse rows alone.

u may be written where it is read from, so a strip finds columns beside its own that the strip before it has changed:
`left` keeps them of each row, and `head` those that lie beyond the end of a periodic row.
"""

from __future__ import annotations

import numba

from . import prolonged, rows

# where a sweep starts from: u = 0, u, u + P e, or the coarse solution interpolated to a higher order; that may be
# added to u where there are no steps
ZERO, GIVEN, CORRECTED, NESTED, ADDED = 0, 1, 2, 3, 4


@numba.njit(**rows.LENT)
def read(stages, to, t, b, start, grid, slab, halo, strip, sources, kept, lines, e, axis0, axis1):
    """stages[to + j] = the start at (t, j), for the columns j of a strip and those that its steps need beside it.

    grid: n0, n1, m0, m1. strip: the columns from c0 to c1, those from low to high are read. sources: u, and the rows
    above and below the slab. kept: `left` and `head`. lines: see `prolonged`.
    """
    n0, n1, m0, m1 = grid
    r0, r1 = slab
    c0, _, low, high = strip
    begin, end = max(low, 0), min(high, n1)
    x, above, below = sources
    fresh, line = begin, (b * n0 + t % n0) * n1  # columns from fresh on are in x
    if start == GIVEN or start == CORRECTED:  # noqa: SIM109 (a membership is slow to compile)
        if t < r0:
            x, line = above, (b * halo + t - r0 + halo) * n1
        elif t >= r1:
            x, line = below, (b * halo + t - r1) * n1
        _wrap(stages, to, x, line, low, high, n1)
        if r0 <= t < r1:
            _exchange(stages, to, x, line, kept, (t - r0) * halo, strip, halo, n1, axis1[0])
            fresh = max(c0, begin)
    if start == GIVEN:
        rows.copy(stages, to + fresh, x, line + fresh, end - fresh)
        return
    prolonged.hold(lines, start >= NESTED, t % n0, e, b * m0, m0, m1, n1, axis0, axis1)
    if start == CORRECTED:
        prolonged.correct(stages, to, x, line, lines, fresh, low, high, n1)
    else:
        prolonged.combine(stages, to, lines, low, high, n1)


@numba.njit(**rows.LENT)
def copy(y, to, x, at, low, high, n):
    """Columns low to high of a periodic row."""
    begin = max(low, 0)
    rows.copy(y, to + begin, x, at + begin, min(high, n) - begin)
    _wrap(y, to, x, at, low, high, n)


@numba.njit(**rows.LENT)
def _wrap(y, to, x, at, low, high, n):
    """What lies beyond the ends of a periodic row."""
    for j in range(low, 0):
        y[to + j] = x[at + j % n]
    for j in range(n, high):
        y[to + j] = x[at + j % n]


@numba.njit(**rows.LENT)
def _exchange(stages, to, x, line, kept, at, strip, halo, n1, periodic1):
    """Take what strips before this one kept of a row, and keep what those after it need."""
    left, head = kept
    c0, c1, _, high = strip
    if c0 > 0:
        rows.copy(stages, to + c0 - halo, left, at, halo)
        if high > n1:
            rows.copy(stages, to + n1, head, at, high - n1)
    elif periodic1:
        rows.copy(head, at, x, line, min(halo, n1))
    if c1 < n1:
        rows.copy(left, at, x, line + c1 - halo, halo)
