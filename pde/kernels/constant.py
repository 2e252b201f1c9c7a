"""One row of an operator of constant coefficients: its stencil is one, but at irregular columns, which are mended.

operator: a tuple of edges0, widths0, edges1, widths1, the irregular columns and the reaction of `pde.kernels.plan`.
mended: of `count` irregular columns in a strip, each place and which column it is.
"""

from __future__ import annotations

import numba

from . import rows


@numba.njit(**rows.LENT)
def find(mended, irregular, low, high, n1):
    """The count of irregular columns between low and high: what lies beyond the ends of a row repeats it."""
    count = 0
    for column in irregular:
        j = column - (column - low) // n1 * n1
        while j < high:
            mended[2 * count], mended[2 * count + 1] = j, column
            count += 1
            j += n1
    return count


@numba.njit(**rows.INLINE)
def step(x, to, before, mid, after, f, at, begin, end, i, omega, zero, operator, mended, count):
    """One step of the smoother in row i, from columns begin to end. zero: whether from u = 0. Places: of column 0."""
    up, down, w, beside, diagonal = _row(i, operator)
    if zero:
        rows.scaled(x, to + begin, f, at + begin, end - begin, omega / diagonal)
    else:
        rows.relax(x, to + begin, before + begin, mid + begin, after + begin, f, at + begin, end - begin,
                   x.dtype.type(1) - omega, omega / diagonal, up, down, w * beside)  # fmt: skip
    for k in range(count):
        j = mended[2 * k]
        if begin <= j < end:
            d, r = _point(x, before + j, mid + j, after + j, f[at + j], up, down, w, mended[2 * k + 1], operator)
            x[to + j] = x[mid + j] + omega * r / d


@numba.njit(**rows.INLINE)
def residual(x, to, before, mid, after, f, at, begin, end, i, operator, mended, count):
    """x[to + j] = (f - A u) at (i, j), and Σ r² of the columns from begin to end where none of them is mended."""
    up, down, w, beside, _ = _row(i, operator)
    total = rows.defect(x, to + begin, before + begin, mid + begin, after + begin, f, at + begin, end - begin,
                        w * operator[5], up, down, w * beside)  # fmt: skip
    for k in range(count):
        j = mended[2 * k]
        if begin <= j < end:
            _, r = _point(x, before + j, mid + j, after + j, f[at + j], up, down, w, mended[2 * k + 1], operator)
            x[to + j] = r
    return total


@numba.njit(**rows.INLINE)
def _row(i, operator):
    """The edges to the rows before and after, the row's width, the edge beside and the diagonal of its stencil."""
    edges0, widths0, edges1, widths1, _, reaction = operator
    up, down, w, beside = edges0[i], edges0[i + 1], widths0[i], edges1[len(widths1) // 2]
    return up, down, w, beside, up + down + w * (beside + beside + reaction)


@numba.njit(**{**rows.ORDERED, "forceinline": True})
def _point(x, before, mid, after, f, up, down, w, j, operator):
    """Diagonal and residual of one point, in column j."""
    _, _, edges1, widths1, _, reaction = operator
    left, right, width = edges1[j], edges1[j + 1], widths1[j]
    u = x[mid]
    flux = width * (up * (u - x[before]) + down * (u - x[after]))
    flux += w * (left * (u - x[mid - 1]) + right * (u - x[mid + 1]))
    c = w * width * reaction
    return width * (up + down) + w * (left + right) + c, f - flux - c * u
