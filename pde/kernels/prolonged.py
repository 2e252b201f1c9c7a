"""Coarse rows prolonged along axis 1, which the rows of a start take their values from.

Six of them are held at once, as each is needed by several rows: x has them from `lines` on, and after them their shares
in the row at hand. which: the coarse rows that are held, then those that the row at hand takes its values from, -1
where there are fewer, then where x has those.
"""

from __future__ import annotations

import numba

from . import rows

HELD, NEEDED, PLACES = 0, 6, 12  # parts of `which`


@numba.njit(**rows.LENT)
def hold(x, lines, which, nested, i, e, first_row, m0, m1, n1, axis0, axis1):
    """Find what row i takes its values from, and make what is not held. first_row: of e."""
    _share(x, lines + 6 * n1, which, nested, i, m0, axis0)
    for q in range(6):
        k = which[NEEDED + q]
        which[PLACES + q] = lines
        if k >= 0:
            p = _find(which, HELD, k)
            to = lines + p * n1
            if p < 0:
                p = _unused(which)
                to = lines + p * n1
                which[HELD + p] = k
                if nested:
                    line(x, to, e, (first_row + k) * m1, m1, axis1[3], axis1[4], axis1[5], axis1[6])
                else:
                    _linear(x, to, e, (first_row + k) * m1, m1, n1, axis1)
            which[PLACES + q] = to


@numba.njit(**rows.LENT)
def _share(x, shares, which, nested, i, m0, axis0):
    """The coarse rows before and after row i, or those of a stencil of higher order, and their shares in it."""
    periodic0, prolongation0, index0, weights0 = axis0[0], axis0[2], axis0[4], axis0[5]
    for q in range(6):
        k, share = -1, x.dtype.type(0)
        if nested:
            k, share = index0[i, q], weights0[i, q]
        elif prolongation0.shape[1] == 0:
            if q == 0:
                k, share = i, x.dtype.type(1)
        elif q < 2:
            k, share = i // 2 - 1 + i % 2 + q, prolongation0[2 * (i % 2) + q, i // 2]
            if periodic0:
                k = k % m0
        there = 0 <= k < m0 and share != 0
        which[NEEDED + q] = k if there else -1
        x[shares + q] = share if there else x.dtype.type(0)


@numba.njit(**rows.LENT)
def _find(which, part, k):
    """Which one of a part is k, or -1."""
    found = -1
    for p in range(6):
        if which[part + p] == k:
            found = p
    return found


@numba.njit(**rows.LENT)
def _unused(which):
    """A line that is not needed now."""
    unused = -1
    for p in range(6):
        k = which[HELD + p]
        if k < 0 or _find(which, NEEDED, k) < 0:
            unused = p
    return unused


@numba.njit(**rows.LENT)
def correct(x, to, u, line, lines, which, fresh, low, high, n1):
    """x = u + P e, and x += P e in the columns of u that x has already: before `fresh`, and beyond the ends."""
    near, far, a, b = which[PLACES], which[PLACES + 1], x[lines + 6 * n1], x[lines + 6 * n1 + 1]
    begin = max(low, 0)
    rows.corrected(x, to + begin, x, to + begin, x, near + begin, far + begin, fresh - begin, a, b)
    rows.corrected(x, to + fresh, u, line + fresh, x, near + fresh, far + fresh, min(high, n1) - fresh, a, b)
    for j in range(low, 0):
        x[to + j] += a * x[near + j % n1] + b * x[far + j % n1]
    for j in range(n1, high):
        x[to + j] += a * x[near + j % n1] + b * x[far + j % n1]


@numba.njit(**rows.LENT)
def combine(x, to, lines, which, low, high, n1):
    """x = Σ shares lines, beyond the ends of a periodic row too."""
    shares = lines + 6 * n1
    begin, n = max(low, 0), min(high, n1) - max(low, 0)
    alone = True
    for q in range(1, 6):
        alone = alone and which[NEEDED + q] < 0
    if alone:
        rows.scaled(x, to + begin, x, which[PLACES] + begin, n, x[shares])
    else:
        places = (which[PLACES] + begin, which[PLACES + 1] + begin, which[PLACES + 2] + begin,
                  which[PLACES + 3] + begin, which[PLACES + 4] + begin, which[PLACES + 5] + begin)  # fmt: skip
        rows.sum6(x, to + begin, x, places, n, x, shares)
    for part in range(2):
        for j in range(low if part == 0 else n1, 0 if part == 0 else high):
            total = x.dtype.type(0)
            for q in range(6):
                total += x[shares + q] * x[which[PLACES + q] + j % n1]
            x[to + j] = total


@numba.njit(**rows.LENT)
def _linear(y, to, e, at, m1, n1, axis1):
    """A coarse row, prolonged along axis 1."""
    prolongation1 = axis1[2]
    n = prolongation1.shape[1]
    if n == 0:
        rows.copy(y, to, e, at, n1)
        return
    inner = min(n, m1) - 2  # the pairs whose coarse points before and after exist
    if inner > 0:
        rows.pairs(y, to + 2, e, at + 1, inner, prolongation1[0], prolongation1[1],
                   prolongation1[2], prolongation1[3], 1)  # fmt: skip
    for k in range(n - max(inner, 0)):  # the first, and those after the inner ones
        g = k if k == 0 else k + max(inner, 0)
        before, mid, after = e[at + (g - 1) % m1], e[at + g % m1], e[at + (g + 1) % m1]
        y[to + 2 * g] = prolongation1[0, g] * before + prolongation1[1, g] * mid
        if 2 * g + 1 < n1:
            y[to + 2 * g + 1] = prolongation1[2, g] * mid + prolongation1[3, g] * after


@numba.njit(**rows.LENT)
def line(y, to, e, at, m, first, index, weights, regular):
    """A line of m coarse points, interpolated: of the points between, index (between, 6) and weights (6, between).

    regular: from and to, the points between whose nodes follow each other and whose weights are those of the middle.
    """
    n = len(index)
    if n == 0:
        rows.copy(y, to, e, at, m)
        return
    begin, end = regular
    k = begin - first  # the kept point before the first regular one
    count, middle = max(end - begin, 0), n // 2
    rows.spread(y, to + first, e, at, min(k, m))
    rows.spread(y, to + first + 2 * (k + count), e, at + k + count, m - k - count)
    if count > 0:
        rows.pairs6(y, to + first + 2 * k, e, at + k, count, at + index[begin, 0], weights[0, middle],
                    weights[1, middle], weights[2, middle], weights[3, middle], weights[4, middle],
                    weights[5, middle])  # fmt: skip
    for g in range(begin):
        y[to + 1 - first + 2 * g] = _point(e, at, index, weights, g)
    for g in range(begin + count, n):
        y[to + 1 - first + 2 * g] = _point(e, at, index, weights, g)


@numba.njit(**rows.LENT)
def _point(e, at, index, weights, g):
    """Point g of those between."""
    low = weights[0, g] * e[at + index[g, 0]] + weights[1, g] * e[at + index[g, 1]]
    mid = weights[2, g] * e[at + index[g, 2]] + weights[3, g] * e[at + index[g, 3]]
    return low + mid + (weights[4, g] * e[at + index[g, 4]] + weights[5, g] * e[at + index[g, 5]])
