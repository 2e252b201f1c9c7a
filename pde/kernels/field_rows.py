"""Loops over one row of an operator whose edges vary from point to point: see `rows`.

north, south: the edges to the rows before and after; west: those to the columns before, which the ones to the columns
after follow.
"""

from __future__ import annotations

import numba
from numba import uintp as u

from .rows import LENT, ORDERED, tally


@numba.njit(**LENT)
def inverse(y, to, edges0, north, south, edges1, west, n):
    """One over the diagonal."""
    to, north, south, west, n = u(to), u(north), u(south), u(west), u(n)
    one, whole = u(1), y.dtype.type(1)
    for j in range(n):
        across = edges0[north + j] + edges0[south + j]
        y[to + j] = whole / (across + (edges1[west + j] + edges1[west + j + one]))


@numba.njit(**LENT)
def inverse_reacting(y, to, edges0, north, south, edges1, west, c, at, n):
    """`inverse` with a reaction."""
    to, north, south, west, at, n = u(to), u(north), u(south), u(west), u(at), u(n)
    one, whole = u(1), y.dtype.type(1)
    for j in range(n):
        across = edges0[north + j] + edges0[south + j]
        y[to + j] = whole / ((across + (edges1[west + j] + edges1[west + j + one])) + c[at + j])


@numba.njit(**LENT)
def scaled(x, to, gain, f, at, n, omega):
    """The first step from zero, ω/D f."""
    to, gain, at, n = u(to), u(gain), u(at), u(n)
    for j in range(n):
        x[to + j] = (omega * x[gain + j]) * f[at + j]


@numba.njit(**LENT)
def relax(x, to, up, mid, down, gain, f, at, edges0, north, south, edges1, west, n, keep, omega):
    """One step of a smoother, `(1 - ω) u + ω/D (f + Σ e u_neighbour)`. gain: where x holds 1/D."""
    to, up, mid, down, gain, at, n = u(to), u(up), u(mid), u(down), u(gain), u(at), u(n)
    north, south, west = u(north), u(south), u(west)
    one = u(1)
    for j in range(n):
        around = edges0[north + j] * x[up + j] + edges0[south + j] * x[down + j]
        around += edges1[west + j] * x[mid + j - one] + edges1[west + j + one] * x[mid + j + one]
        x[to + j] = keep * x[mid + j] + (omega * x[gain + j]) * (f[at + j] + around)


@numba.njit(**ORDERED)
def defect(x, to, up, mid, down, f, at, edges0, north, south, edges1, west, n):
    """The residual `f - A u`, and its Σ r² in float64."""
    to, up, mid, down, at, n = u(to), u(up), u(mid), u(down), u(at), u(n)
    north, south, west = u(north), u(south), u(west)
    one = u(1)
    total = 0.0
    for j in range(n):
        here = x[mid + j]
        flux = edges0[north + j] * (here - x[up + j]) + edges0[south + j] * (here - x[down + j])
        flux += edges1[west + j] * (here - x[mid + j - one]) + edges1[west + j + one] * (here - x[mid + j + one])
        r = f[at + j] - flux
        x[to + j] = r
        total = tally(total, r)
    return total


@numba.njit(**ORDERED)
def react(x, to, mid, c, at, n):
    """r -= c u, and its Σ r² in float64."""
    to, mid, at, n = u(to), u(mid), u(at), u(n)
    total = 0.0
    for j in range(n):
        r = x[to + j] - c[at + j] * x[mid + j]
        x[to + j] = r
        total = tally(total, r)
    return total


@numba.njit(**LENT)
def relax6(x, to, around, f, at, edges, above, below, left, right, west, c, own, n, keep, omega):
    """`relax` in three dimensions, D computed on the way: edges are at hand, and to keep D takes as long.

    around: the rows in the planes before and after, and those before, at and after. edges: along each axis; above,
    below: of planes, left, right: of rows.
    """
    edges0, edges1, edges2 = edges
    up, down, north, mid, south = u(around[0]), u(around[1]), u(around[2]), u(around[3]), u(around[4])
    to, at, own, n = u(to), u(at), u(own), u(n)
    above, below, left, right, west = u(above), u(below), u(left), u(right), u(west)
    one = u(1)
    for j in range(n):
        a, b, d, e = edges0[above + j], edges0[below + j], edges1[left + j], edges1[right + j]
        g, h = edges2[west + j], edges2[west + j + one]
        flux = (a * x[up + j] + b * x[down + j]) + (d * x[north + j] + e * x[south + j])
        flux += g * x[mid + j - one] + h * x[mid + j + one]
        diagonal = ((a + b) + (d + e)) + ((g + h) + c[own + j])
        x[to + j] = keep * x[mid + j] + omega * (f[at + j] + flux) / diagonal


@numba.njit(**ORDERED)
def defect6(x, to, around, f, at, edges, above, below, left, right, west, c, own, n):
    """`defect` in three dimensions, with a reaction."""
    edges0, edges1, edges2 = edges
    up, down, north, mid, south = u(around[0]), u(around[1]), u(around[2]), u(around[3]), u(around[4])
    to, at, own, n = u(to), u(at), u(own), u(n)
    above, below, left, right, west = u(above), u(below), u(left), u(right), u(west)
    one = u(1)
    total = 0.0
    for j in range(n):
        here = x[mid + j]
        flux = edges0[above + j] * (here - x[up + j]) + edges0[below + j] * (here - x[down + j])
        flux += edges1[left + j] * (here - x[north + j]) + edges1[right + j] * (here - x[south + j])
        flux += edges2[west + j] * (here - x[mid + j - one]) + edges2[west + j + one] * (here - x[mid + j + one])
        r = f[at + j] - (flux + c[own + j] * here)
        x[to + j] = r
        total = tally(total, r)
    return total
