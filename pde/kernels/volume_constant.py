"""`pde.kernels.constant` in three dimensions: one row of axis 2, whole.

operator: a tuple of edges and widths of each axis, the irregular columns and the reaction of `pde.kernels.plan`.
around: where x has the rows in the planes before and after, and of its plane those before, at and after a row.
"""

from __future__ import annotations

import numba

from . import rows


@numba.njit(**rows.INLINE)
def step(x, to, around, f, at, i, j, n, omega, zero, operator):
    """One step of the smoother in row (i, j). zero: whether from u = 0."""
    a, c, d, e, w, beside, diagonal = _row(i, j, operator)
    before, after, north, mid, south = around
    if zero:
        rows.scaled(x, to, f, at, n, omega / diagonal)
    else:
        rows.relax6(x, to, before, after, north, mid, south, f, at, n,
                    x.dtype.type(1) - omega, omega / diagonal, a, c, d, e, w * beside)  # fmt: skip
    for k in operator[6]:
        D, r = _point(x, around, f[at + k], k, a, c, d, e, w, operator)
        x[to + k] = x[mid + k] + omega * r / D


@numba.njit(**rows.INLINE)
def residual(x, to, around, f, at, i, j, n, operator):
    """x[to + k] = (f - A u) at (i, j, k), and Σ r²."""
    a, c, d, e, w, beside, _ = _row(i, j, operator)
    before, after, north, mid, south = around
    total = rows.defect6(x, to, before, after, north, mid, south, f, at, n,
                         w * operator[7], a, c, d, e, w * beside)  # fmt: skip
    irregular = operator[6]
    for k in irregular:
        _, r = _point(x, around, f[at + k], k, a, c, d, e, w, operator)
        x[to + k] = r
    # the sum on the way holds what is mended since: too much to be taken away again
    return total if irregular.size == 0 else rows.squares(x, to, n)


@numba.njit(**rows.INLINE)
def _row(i, j, operator):
    """The edges to the four rows around, the row's width, the edge beside and the diagonal of its stencil."""
    edges0, widths0, edges1, widths1, edges2, widths2, _, reaction = operator
    w0, w1 = widths0[i], widths1[j]
    a, c, d, e, w = w1 * edges0[i], w1 * edges0[i + 1], w0 * edges1[j], w0 * edges1[j + 1], w0 * w1
    beside = edges2[len(widths2) // 2]  # where a point of a row is regular
    return a, c, d, e, w, beside, (a + c) + (d + e) + w * (beside + beside + reaction)


@numba.njit(**rows.ORDERED)
def _point(x, around, f, k, a, c, d, e, w, operator):
    """Diagonal and residual of one point, in column k."""
    _, _, _, _, edges2, widths2, _, reaction = operator
    left, right, width = edges2[k], edges2[k + 1], widths2[k]
    before, after, north, mid, south = around
    u = x[mid + k]
    flux = a * (u - x[before + k]) + c * (u - x[after + k]) + d * (u - x[north + k]) + e * (u - x[south + k])
    flux = width * flux + w * (left * (u - x[mid + k - 1]) + right * (u - x[mid + k + 1]))
    return width * ((a + c) + (d + e) + w * reaction) + w * (left + right), f - flux - w * width * reaction * u
