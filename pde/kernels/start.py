"""The start of a sweep in two dimensions: a row of u as it was, corrected, or made of coarse rows alone.

u may be written where it is read from, so a strip finds columns beside its own that the strip before it has changed.
x keeps them as they were: of each row those before the next strip, from `left` on, and those that follow the end of a
periodic row, from `head` on.
"""

from __future__ import annotations

import numba

from . import prolonged, rows

# where a sweep starts from: u = 0, u, u + P e, or the coarse solution interpolated to a higher order; that may be
# added to u where there are no steps
ZERO, GIVEN, CORRECTED, NESTED, ADDED = 0, 1, 2, 3, 4


@numba.njit(inline="always")
def read(
    x, to, t, b, start, grid, slab, halo, strip, source, above, below, left, head, lines, which, e, axis0, axis1
):  # fmt: skip
    """x[to + j] = the start at (t, j), for the columns j of a strip and those that its steps need beside it.

    grid: n0, n1, m0, m1. strip: the columns from c0 to c1, those from low to high are read. source: u, but in rows
    above and below the slab. lines, which: see `prolonged`.
    """
    n0, n1, m0, m1 = grid
    r0, r1 = slab
    c0, _, low, high = strip
    begin, end = max(low, 0), min(high, n1)
    u, line, fresh = source, (b * n0 + t % n0) * n1, begin  # columns before `fresh` are in x
    if start == GIVEN or start == CORRECTED:  # noqa: SIM109 (a membership is slow to compile)
        if t < r0:
            u, line = above, (b * halo + t - r0 + halo) * n1
        elif t >= r1:
            u, line = below, (b * halo + t - r1) * n1
        _wrap(x, to, u, line, low, high, n1)
        if r0 <= t < r1:
            saved = (t - r0) * halo
            _exchange(x, to, u, line, left + saved, head + saved, strip, halo, n1, axis1[0])
            fresh = max(c0, begin)
    if start == GIVEN:
        rows.copy(x, to + fresh, u, line + fresh, end - fresh)
        return
    prolonged.hold(x, lines, which, start >= NESTED, t % n0, e, b * m0, m0, m1, n1, axis0, axis1)
    if start == CORRECTED:
        prolonged.correct(x, to, u, line, lines, which, fresh, low, high, n1)
    else:
        prolonged.combine(x, to, lines, which, low, high, n1)


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
def _exchange(x, to, u, line, left, head, strip, halo, n1, periodic1):
    """Take what strips before this one kept of a row, and keep what those after it need."""
    c0, c1, _, high = strip
    if c0 > 0:
        rows.copy(x, to + c0 - halo, x, left, halo)
        if high > n1:
            rows.copy(x, to + n1, x, head, high - n1)
    elif periodic1:
        rows.copy(x, head, u, line, min(halo, n1))
    if c1 < n1:
        rows.copy(x, left, u, line + c1 - halo, halo)
