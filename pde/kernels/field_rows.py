"""Loops over one row of an operator whose edges vary from point to point: see `rows`.

north, south: the edges to the rows before and after; west: those to the columns before, which the ones to the columns
after follow.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import uintp as u

from .rows import LENT


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


@numba.njit(**LENT)
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
        total += np.float64(r) * np.float64(r)
    return total


@numba.njit(**LENT)
def react(x, to, mid, c, at, n):
    """r -= c u, and its Σ r² in float64."""
    to, mid, at, n = u(to), u(mid), u(at), u(n)
    total = 0.0
    for j in range(n):
        r = x[to + j] - c[at + j] * x[mid + j]
        x[to + j] = r
        total += np.float64(r) * np.float64(r)
    return total
