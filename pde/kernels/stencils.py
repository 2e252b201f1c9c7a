"""Set-up of 5-point operators whose coefficients are fields: few passes over memory, for rows (from, to) of a result.

Torch computes the same in `pde.discretise` and `pde.averaging`, with a pass for each operation.
"""

from __future__ import annotations

import numba
import numpy as np

from . import rows


@numba.njit(**rows.SWEEP)
def edges_of_cells(span, a, first0, first1, periodic0, periodic1, scale0, scale1, edges0, edges1):
    """Edges of a grid from its cells a, (B, cells, cells): see `pde.discretise.field_edges`.

    first: of each axis, the row of cells beyond a Neumann side, or the last of a periodic axis, that a lacks before its
    first one: 0 or 1. scale: 1/h² of each axis, halved. span: of rows of edges0.
    """
    cells0, cells1 = a.shape[1], a.shape[2]
    n1 = edges0.shape[2]
    now, last = np.zeros(n1 + 1, a.dtype), np.zeros(n1 + 1, a.dtype)
    for b in range(a.shape[0]):
        for k in range(span[0], span[1]):
            now, last = last, now
            if k == span[0] and k > 0:
                _cells(last, a, b, k - 1 - first0, first1, periodic0, periodic1, cells0, cells1)
            _cells(now, a, b, k - first0, first1, periodic0, periodic1, cells0, cells1)
            _pairs(edges0[b, k], now, scale0)
            if k > 0:
                _sums(edges1[b, k - 1], last, now, scale1)


@numba.njit(**rows.ROW)
def _cells(y, a, b, k, first1, periodic0, periodic1, cells0, cells1):
    """A row of cells, with those beyond."""
    rows.fill(y, 0, len(y), y.dtype.type(0))
    if periodic0:
        k = k % cells0
    if 0 <= k < cells0:
        row = a[b, k]
        for j in range(cells1):
            y[first1 + j] = row[j]
        if periodic1:
            y[0] = row[cells1 - 1]


@numba.njit(**rows.ROW)
def _pairs(y, x, scale):
    for j in range(len(y)):
        y[j] = (x[j] + x[j + 1]) * scale


@numba.njit(**rows.ROW)
def _sums(y, one, other, scale):
    for j in range(len(y)):
        y[j] = (one[j] + other[j]) * scale


@numba.njit(**rows.SWEEP)
def varied(span, a, bound, out):
    """out = how many neighbouring cells differ by more than `bound`. a: (B, planes, rows, cells); span: of all rows."""
    planes, lines, n = a.shape[1], a.shape[2], a.shape[3]
    count = 0
    for b in range(len(a)):
        for k in range(span[0], span[1]):
            plane, line = k // lines, k % lines
            x = a[b, plane, line]
            count += _differ(x[: n - 1], x[1:], bound)
            if line < lines - 1:
                count += _differ(x, a[b, plane, line + 1], bound)
            if plane < planes - 1:
                count += _differ(x, a[b, plane + 1, line], bound)
    out[0] = count


@numba.njit(**rows.ROW)
def _differ(x, y, bound):
    count = 0
    for j in range(len(x)):
        count += int(x[j] > bound * y[j]) + int(y[j] > bound * x[j])
    return count


@numba.njit(**rows.SWEEP)
def survey(span, edges0, edges1, reaction, out):
    """out = the least edge, the least diagonal, the largest sum of a row's absolute values, and that over its diagonal.

    Of edges that are not negative. span: of points along axis 0.
    """
    n1 = edges0.shape[2]
    least, least_diagonal, most, ratio = np.inf, np.inf, 0.0, 0.0
    for b in range(max(len(edges0), len(reaction))):
        field = b if len(edges0) > 1 else 0
        field_c = b if len(reaction) > 1 else 0
        for i in range(span[0], span[1]):
            north, south, west = edges0[field, i], edges0[field, i + 1], edges1[field, i]
            if reaction.size > 0:
                c = reaction[field_c, i]
                for j in range(n1):
                    around = (north[j] + south[j]) + (west[j] + west[j + 1])
                    least = min(least, min(min(north[j], south[j]), min(west[j], west[j + 1])))
                    least_diagonal = min(least_diagonal, around + c[j])
                    most = max(most, around + around + c[j])
                    ratio = max(ratio, (around + around + c[j]) / (around + c[j]))
            else:
                low, low_diagonal, high = _extremes(north, south, west)
                least, least_diagonal, most = min(least, low), min(least_diagonal, low_diagonal), max(most, 2 * high)
                ratio = 2.0
    out[0], out[1], out[2], out[3] = least, least_diagonal, most, ratio


@numba.njit(**rows.ROW)
def _extremes(north, south, west):
    """The least edge and the least and the largest diagonal of a row without a reaction."""
    least = diagonal = min(np.inf, (north[0] + south[0]) + (west[0] + west[1]))
    most = diagonal
    for j in range(len(north)):
        around = (north[j] + south[j]) + (west[j] + west[j + 1])
        low = min(min(north[j], south[j]), min(west[j], west[j + 1]))
        least = low if low < least else least
        diagonal = around if around < diagonal else diagonal
        most = around if around > most else most
    return least, diagonal, most


@numba.njit(**rows.SWEEP)
def steep(span, edges0, edges1, shares0, shares1, bound, out):
    """out = how many neighbouring edges differ by more than `bound`.

    shares: for each axis (conductances, widths), what a constant coefficient makes of them; zero at Neumann sides,
    whose edges are left out. span: of points along axis 0.
    """
    count = 0
    (along0, across0), (along1, across1) = shares0, shares1
    n0, n1 = len(across0), len(across1)
    for b in range(len(edges0)):
        for i in range(span[0], span[1]):
            x = edges0[b, i]
            if along0[i] > 0:
                count += beside(x, across1, bound)
                count += between(x, edges0[b, i + 1], along0[i], along0[i + 1], bound)
            if i == n0 - 1 and along0[n0] > 0:
                count += beside(edges0[b, n0], across1, bound)
            y = edges1[b, i]
            first, last = int(along1[0] == 0), n1 + 1 - int(along1[n1] == 0)
            count += beside(y[first:last], along1[first:last], bound)
            if i < n0 - 1:
                count += between(y, edges1[b, i + 1], across0[i], across0[i + 1], bound)
    out[0] = count


@numba.njit(**rows.ROW)
def beside(x, share, bound):
    """Pairs of a row."""
    count = 0
    for j in range(len(x) - 1):
        one, other = x[j] * share[j + 1], x[j + 1] * share[j]
        count += int(one > bound * other) + int(other > bound * one)
    return count


@numba.njit(**rows.ROW)
def between(x, y, share, other_share, bound):
    """Pairs across two rows."""
    if other_share == 0:
        return 0
    a, b = bound * other_share, bound * share
    count = 0
    for j in range(len(x)):
        count += int(x[j] * other_share > b * y[j]) + int(y[j] * share > a * x[j])
    return count


@numba.njit(**rows.SWEEP)
def average(span, edges0, edges1, first0, restriction0, around0, first1, restriction1, around1, coarse0, coarse1):
    """Coarse edges as `pde.averaging.averaged` has them. restriction: see `AxisPlan`, (3, 0) for an axis that stays.

    around: whether the pair beyond an end is that of the other. span: of rows of coarse0.
    """
    n0, n1 = edges1.shape[1], edges0.shape[2]
    m0, m1 = coarse1.shape[1], coarse0.shape[2]
    half = edges0.dtype.type(0.5)
    row = np.zeros(n1 + 4, edges0.dtype)  # point j at j + 2
    low_row, high_row = np.zeros(m1, edges0.dtype), np.zeros(m1, edges0.dtype)
    pairs = np.zeros(n1 + 3, edges0.dtype)  # pair j at j + 1
    for b in range(len(edges0)):
        x = edges0[b]
        for k in range(span[0], span[1]):
            if restriction0.shape[1] == 0:
                _restricted(coarse0[b, k], row, x[k], m1, first1, restriction1, around1)
            else:
                low, high = first0 + 2 * k - 1, first0 + 2 * k
                low = n0 - 1 if low < 0 and around0 else low
                if low < 0 or high > n0:  # a pair as it is
                    _restricted(low_row, row, x[high if low < 0 else low], m1, first1, restriction1, around1)
                    rows.scaled(coarse0[b, k], 0, low_row, 0, m1, half)
                else:
                    _restricted(low_row, row, x[low], m1, first1, restriction1, around1)
                    _restricted(high_row, row, x[high], m1, first1, restriction1, around1)
                    _series(coarse0[b, k], low_row, high_row, half)
            if k == m0:
                continue
            if restriction0.shape[1] == 0:
                rows.copy(pairs, 1, edges1[b, k], 0, n1 + 1)
            else:
                _parallel(pairs[1:], edges1[b], 2 * k + first0, around0, restriction0[0, k], restriction0[1, k],
                          restriction0[2, k])  # fmt: skip
            y = coarse1[b, k]
            if restriction1.shape[1] == 0:
                rows.copy(y, 0, pairs, 1, n1 + 1)
                continue
            pairs[0] = pairs[n1]
            begin = 0 if first1 == 1 or around1 else 1
            end = m1 + 1 if first1 + 2 * m1 <= n1 else m1
            if begin == 1:
                y[0] = half * pairs[1]
            if end == m1:
                y[m1] = half * pairs[n1 + 1]
            _series_of_pairs(y[begin:end], pairs[first1 + 2 * begin :], half)


@numba.njit(**rows.ROW)
def _series(y, one, other, half):
    for j in range(len(y)):
        total = one[j] + other[j]
        y[j] = half * one[j] * (other[j] / total) if total > 0 else total


@numba.njit(**rows.ROW)
def _series_of_pairs(y, x, half):
    for j in range(len(y)):
        one, other = x[2 * j], x[2 * j + 1]
        y[j] = half * one * (other / (one + other)) if one + other > 0 else one + other


@numba.njit(**rows.ROW)
def _restricted(y, row, x, m1, first1, restriction1, around1):
    """y = R x along axis 1."""
    if restriction1.shape[1] == 0:
        rows.copy(y, 0, x, 0, len(x))
        return
    n1 = len(x)
    rows.copy(row, 2, x, 0, n1)  # an array that is set to another takes seconds to compile
    row[1] = x[n1 - 1] if around1 else 0
    rows.gather(y, 0, row, 2 + first1, m1, restriction1[0], restriction1[1], restriction1[2], 0)


@numba.njit(**rows.ROW)
def _parallel(y, x, i, around0, before, at, after):
    """R along axis 0 of rows i - 1, i and i + 1."""
    low, high = i - 1, i + 1
    if low < 0:
        low = len(x) - 1 if around0 else i
    if high >= len(x):
        high = 0 if around0 else i
    one, mid, other = x[low], x[i], x[high]
    for j in range(x.shape[1]):
        y[j] = before * one[j] + at * mid[j] + after * other[j]
