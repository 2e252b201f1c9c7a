"""One row of an operator whose coefficients are fields, with an edge for each two points.

Edges are read as they are needed, once from memory; 1/D is computed by the first step for all of them.
operator: edges0, (B or 1, n0 + 1, pad + n1 + pad), edges1, (B or 1, n0, pad + n1 + 1 + pad), and the reaction, (B or 1,
n0, pad + n1 + pad) or of no element, all flat; whether edges and reaction are B; and the pad, that of a periodic axis:
S + 2 columns of the other end.
"""

from __future__ import annotations

import numba

from . import field_rows, prefetch, rows


@numba.njit(**rows.INLINE)
def step(x, to, before, mid, after, gain, f, at, begin, end, b, i, n0, n1, omega, first, zero, operator):
    """One step of the smoother in row i, from columns begin to end.

    gain: where x holds 1/D once the first step is done. zero: whether from u = 0. Places: of column 0.
    """
    edges0, edges1, reaction = operator[0], operator[1], operator[2]
    north, south, west, own = _places(b, i, n0, n1, begin, operator)
    n = end - begin
    if first and len(reaction) > 0:
        field_rows.inverse_reacting(x, gain + begin, edges0, north, south, edges1, west, reaction, own, n)
    elif first:
        field_rows.inverse(x, gain + begin, edges0, north, south, edges1, west, n)
    if zero:
        field_rows.scaled(x, to + begin, gain + begin, f, at + begin, n, omega)
    else:
        field_rows.relax(x, to + begin, before + begin, mid + begin, after + begin, gain + begin, f, at + begin,
                         edges0, north, south, edges1, west, n, x.dtype.type(1) - omega, omega)  # fmt: skip


@numba.njit(**rows.INLINE)
def residual(x, to, before, mid, after, f, at, begin, end, b, i, n0, n1, operator):
    """x[to + j] = (f - A u) at (i, j), and Σ r² of the columns from begin to end."""
    edges0, edges1, reaction = operator[0], operator[1], operator[2]
    north, south, west, own = _places(b, i, n0, n1, begin, operator)
    n = end - begin
    total = field_rows.defect(x, to + begin, before + begin, mid + begin, after + begin, f, at + begin,
                              edges0, north, south, edges1, west, n)  # fmt: skip
    if len(reaction) > 0:
        total = field_rows.react(x, to + begin, mid + begin, reaction, own, n)
    return total


@numba.njit(**rows.INLINE)
def ask(b, i, n0, n1, begin, end, operator):
    """For the edges that row i is the first to need."""
    _, _, _, each, _, pad = operator
    field, pitch = b if each else 0, n1 + 2 * pad
    prefetch.row(operator[0], field * (n0 + 1) + i + 1, 0, (field + 1) * (n0 + 1), pitch, pad + begin, pad + end)
    prefetch.row(operator[1], field * n0 + i, 0, (field + 1) * n0, pitch + 1, pad + begin, pad + end)


@numba.njit(**rows.INLINE)
def _places(b, i, n0, n1, begin, operator):
    """Where the edges to the rows before and after are, those to the columns before, and the reaction: from `begin`."""
    _, _, _, each, each_reaction, pad = operator
    field, field_c = b if each else 0, b if each_reaction else 0
    pitch, column = n1 + 2 * pad, pad + begin
    north = (field * (n0 + 1) + i) * pitch + column
    return north, north + pitch, (field * n0 + i) * (pitch + 1) + column, (field_c * n0 + i) * pitch + column
