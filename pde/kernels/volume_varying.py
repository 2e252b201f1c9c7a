"""`pde.kernels.varying` in three dimensions: one row of axis 2, whole.

operator: edges0, (B or 1, n0 + 1, n1, n2), edges1, (B or 1, n0, n1 + 1, n2), edges2, (B or 1, n0, n1, n2 + 1), and the
reaction, (B or 1, n0, n1, n2) or of no element, all flat; whether edges and reaction are B.
around: see `volume_constant`. zeros: where x has a row of them.
"""

from __future__ import annotations

import numba

from . import field_rows, rows


@numba.njit(**rows.INLINE)
def step(x, to, around, zeros, f, at, b, i, j, points, omega, zero, operator):
    """One step of the smoother in row (i, j). zero: whether from u = 0."""
    above, below, left, right, west, own = _places(b, i, j, points, operator)
    edges, n = operator[:3], points[2]
    c, own = _reaction(x, zeros, own, operator)
    if zero:
        around = zeros, zeros, zeros, zeros, zeros
    field_rows.relax6(x, to, around, f, at, edges, above, below, left, right, west, c, own, n,
                      x.dtype.type(1) - omega, omega)  # fmt: skip


@numba.njit(**rows.INLINE)
def residual(x, to, around, zeros, f, at, b, i, j, points, operator):
    """x[to + k] = (f - A u) at (i, j, k), and Σ r²."""
    above, below, left, right, west, own = _places(b, i, j, points, operator)
    edges, n = operator[:3], points[2]
    c, own = _reaction(x, zeros, own, operator)
    return field_rows.defect6(x, to, around, f, at, edges, above, below, left, right, west, c, own, n)


@numba.njit(**rows.INLINE)
def _places(b, i, j, points, operator):
    """Where the edges to the planes before and after, to the rows and to the columns before are, and the reaction."""
    n0, n1, n2 = points
    field, field_c = b if operator[4] else 0, b if operator[5] else 0
    row = (field * n0 + i) * n1 + j
    above, left = (row + field * n1) * n2, (row + field * n0 + i) * n2  # one more plane, and one more row in each
    return above, above + n1 * n2, left, left + n2, row * (n2 + 1), ((field_c * n0 + i) * n1 + j) * n2


@numba.njit(**rows.INLINE)
def _reaction(x, zeros, own, operator):
    """The array that has it, and where: zeros, where there is none."""
    return (operator[3], own) if len(operator[3]) > 0 else (x, zeros)
