"""Coarse rows prolonged along axis 1, which the rows of a start take their values from.

Up to six are held at once, as each is needed by several rows: `lines` is a tuple of these rows, the coarse row that
each holds, and those that the row at hand needs, with their places and shares.
"""

from __future__ import annotations

import numba

from . import rows


@numba.njit(**rows.LENT)
def hold(lines, nested, i, e, first_row, m0, m1, n1, axis0, axis1):
    """Find what row i is made of; lines that are missing are made. first_row: of e."""
    values, held, needs, places, shares = lines
    _share(needs, shares, nested, i, m0, axis0)
    places[:] = 0
    for q in range(6):
        if needs[q] < 0:
            continue
        place = _find(held, needs[q])
        if place < 0:
            place = _unused(held, needs)
            held[place] = needs[q]
            at = (first_row + needs[q]) * m1
            if nested:
                _cubic(values, place * n1, e, at, m1, n1, axis1)
            else:
                _linear(values, place * n1, e, at, m1, n1, axis1)
        places[q] = place * n1


@numba.njit(**rows.LENT)
def _share(needs, shares, nested, i, m0, axis0):
    """The coarse rows that row i lies between, or those of the stencil of a higher order; -1 where there is none."""
    periodic0, _, prolongation0, _, index0, weights0 = axis0
    needs[:], shares[:] = -1, 0
    if nested:
        for q in range(6):
            if index0[i, q] >= 0 and weights0[i, q] != 0:
                needs[q], shares[q] = index0[i, q], weights0[i, q]
    elif prolongation0.shape[1] == 0:
        needs[0], shares[0] = i, 1
    else:
        pair, odd = i // 2, i % 2
        for q in range(2):
            k = pair - 1 + odd + q
            if periodic0:
                k = k % m0
            if 0 <= k < m0 and prolongation0[2 * odd + q, pair] != 0:
                needs[q], shares[q] = k, prolongation0[2 * odd + q, pair]


@numba.njit(**rows.LENT)
def _find(held, k):
    """Where k is, or -1."""
    place = -1
    for p in range(6):
        if held[p] == k:
            place = p
    return place


@numba.njit(**rows.LENT)
def _unused(held, needs):
    """A place whose line is not needed now."""
    place = -1
    for p in range(6):
        if held[p] < 0 or _find(needs, held[p]) < 0:
            place = p
    return place


@numba.njit(**rows.LENT)
def correct(y, to, x, at, lines, fresh, low, high, n1):
    """y = x + P e, and y += P e in the columns that are in y already: those before `fresh` and beyond the ends."""
    values, _, _, places, shares = lines
    near, far, a, b = places[0], places[1], shares[0], shares[1]
    begin = max(low, 0)
    rows.corrected(y, to + begin, y, to + begin, values, near + begin, far + begin, fresh - begin, a, b)
    rows.corrected(y, to + fresh, x, at + fresh, values, near + fresh, far + fresh, min(high, n1) - fresh, a, b)
    for j in range(low, 0):
        y[to + j] += a * values[near + j % n1] + b * values[far + j % n1]
    for j in range(n1, high):
        y[to + j] += a * values[near + j % n1] + b * values[far + j % n1]


@numba.njit(**rows.LENT)
def combine(y, to, lines, low, high, n1):
    """y = Σ shares lines, beyond the ends of a periodic row too."""
    values, _, needs, places, shares = lines
    begin, n = max(low, 0), min(high, n1) - max(low, 0)
    alone = needs[0] >= 0
    for q in range(1, 6):
        alone = alone and needs[q] < 0
    if alone:
        rows.scaled(y, to + begin, values, places[0] + begin, n, shares[0])
    else:
        rows.sum6(y, to + begin, values, places, shares, begin, n)
    for part in range(2):
        for j in range(low if part == 0 else n1, 0 if part == 0 else high):
            total = y.dtype.type(0)
            for q in range(6):
                total += shares[q] * values[places[q] + j % n1]
            y[to + j] = total


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
    for g in range(n):
        if g == 0 or g > max(inner, 0):
            before, mid, after = e[at + (g - 1) % m1], e[at + g % m1], e[at + (g + 1) % m1]
            y[to + 2 * g] = prolongation1[0, g] * before + prolongation1[1, g] * mid
            if 2 * g + 1 < n1:
                y[to + 2 * g + 1] = prolongation1[2, g] * mid + prolongation1[3, g] * after


@numba.njit(**rows.LENT)
def _cubic(y, to, e, at, m1, n1, axis1):
    """A coarse row, interpolated along axis 1. weights1: (6, between)."""
    _, _, _, first1, index1, weights1 = axis1
    n = len(index1)
    if n == 0:
        rows.copy(y, to, e, at, n1)
        return
    rows.spread(y, to + first1, e, at, m1)
    # from here on, and up to there, those on both sides are nearest
    begin, end = min(5, n), max(n - 5, 0)
    if end > begin:
        rows.between6(y, to + 1 - first1 + 2 * begin, e, at + index1[begin, 0], end - begin, weights1, begin)
    for g in range(n):
        if g < begin or g >= end:
            total = y.dtype.type(0)
            for q in range(6):
                total += weights1[q, g] * e[at + index1[g, q]]
            y[to + 1 - first1 + 2 * g] = total
