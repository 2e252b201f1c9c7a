"""Loops over one row: what the sweeps of `pde.kernels` are made of.

Arrays are flat, and places in them unsigned: a signed index may be negative, counted from the end, and the check of that
keeps a loop from being vectorised. No array is sliced here: the reference count of a slice costs as much as a row.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import uintp

# sums in any order and fused multiplications: what vector units do. NaN and infinity stay what they are.
FAST = {"contract", "nsz", "reassoc"}
ROW = {"nogil": True, "cache": True, "fastmath": FAST, "error_model": "numpy"}


@numba.njit(**ROW)
def fill(x, at, n, value):
    for j in range(n):
        x[at + j] = value


@numba.njit(**ROW)
def copy(y, to, x, at, n):
    for j in range(n):
        y[to + j] = x[at + j]


@numba.njit(**ROW)
def add(y, to, x, at, n):
    for j in range(n):
        y[to + j] += x[at + j]


@numba.njit(**ROW)
def add_scaled(y, to, x, at, n, factor):
    for j in range(n):
        y[to + j] += factor * x[at + j]


@numba.njit(**ROW)
def scaled(y, to, x, at, n, factor):
    for j in range(n):
        y[to + j] = factor * x[at + j]


@numba.njit(**ROW)
def sum2(y, to, x, one, other, n, a, b):
    """a x[one:] + b x[other:]."""
    for j in range(n):
        y[to + j] = a * x[one + j] + b * x[other + j]


@numba.njit(**ROW)
def sum3(y, to, x, low, mid, high, n, a, b, c):
    for j in range(n):
        y[to + j] = a * x[low + j] + b * x[mid + j] + c * x[high + j]


@numba.njit(**ROW)
def copy_squared(y, to, x, at, n):
    """y = x, and Σ x² in float64."""
    total = 0.0
    for j in range(n):
        value = x[at + j]
        y[to + j] = value
        total += np.float64(value) * np.float64(value)
    return total


@numba.njit(**ROW)
def add_pairs(y, to, c, at, n, before, even, odd, after, pair):
    """Line prolongation, to the points 2g and 2g + 1 of n pairs g: y += P c.

    c[at + g] is coarse point g; before, even: the shares of g - 1 and g in point 2g; odd, after: of g and g + 1 in 2g + 1.
    """
    one = uintp(1)
    for g in range(n):
        low, mid, high = c[at + g - one], c[at + g], c[at + g + one]
        y[to + g + g] += before[pair + g] * low + even[pair + g] * mid
        y[to + g + g + one] += odd[pair + g] * mid + after[pair + g] * high


@numba.njit(**ROW)
def corrected_pairs(y, to, x, start, c, at, n, before, even, odd, after, pair):
    """y = x + P c, with P as in `add_pairs`."""
    one = uintp(1)
    for g in range(n):
        low, mid, high = c[at + g - one], c[at + g], c[at + g + one]
        i = g + g
        y[to + i] = x[start + i] + (before[pair + g] * low + even[pair + g] * mid)
        y[to + i + one] = x[start + i + one] + (odd[pair + g] * mid + after[pair + g] * high)


@numba.njit(**ROW)
def gather(y, to, x, at, n, low, mid, high, k):
    """Line restriction: y[k] = low x[2k - 1] + mid x[2k] + high x[2k + 1], with x counted from `at`."""
    one = uintp(1)
    for g in range(n):
        i = at + g + g
        y[to + g] = low[k + g] * x[i - one] + mid[k + g] * x[i] + high[k + g] * x[i + one]


@numba.njit(**ROW)
def relax(x, to, up, mid, down, f, at, n, keep, gain, above, below, beside):
    """One step of a smoother where the row's stencil is one: `(1 - ω) u + ω/D (f + Σ e u_neighbour)`."""
    one = uintp(1)
    for j in range(n):
        around = above * x[up + j] + below * x[down + j] + beside * (x[mid + j - one] + x[mid + j + one])
        x[to + j] = keep * x[mid + j] + gain * (f[at + j] + around)


@numba.njit(**ROW)
def defect(x, to, up, mid, down, f, at, n, diagonal, above, below, beside):
    """The residual `f - A u` of a row whose stencil is one, and its Σ r² in float64."""
    one = uintp(1)
    total = 0.0
    for j in range(n):
        around = above * x[up + j] + below * x[down + j] + beside * (x[mid + j - one] + x[mid + j + one])
        r = (f[at + j] - diagonal * x[mid + j]) + around
        x[to + j] = r
        total += np.float64(r) * np.float64(r)
    return total


@numba.njit(**ROW)
def sum4(y, to, x, first, second, third, fourth, n, a, b, c, d):
    for j in range(n):
        y[to + j] = (a * x[first + j] + b * x[second + j]) + (c * x[third + j] + d * x[fourth + j])


@numba.njit(**ROW)
def add3(y, to, x, low, mid, high, n, a, b, c):
    """y += a x[low:] + b x[mid:] + c x[high:]."""
    for j in range(n):
        y[to + j] += a * x[low + j] + b * x[mid + j] + c * x[high + j]


@numba.njit(**ROW)
def relax6(x, to, up, down, north, mid, south, f, at, n, keep, gain, above, below, left, right, beside):
    """`relax` with six neighbours: in the planes above and below, in the rows left and right, and beside."""
    one = uintp(1)
    for j in range(n):
        around = above * x[up + j] + below * x[down + j] + left * x[north + j] + right * x[south + j]
        around += beside * (x[mid + j - one] + x[mid + j + one])
        x[to + j] = keep * x[mid + j] + gain * (f[at + j] + around)


@numba.njit(**ROW)
def defect6(x, to, up, down, north, mid, south, f, at, n, diagonal, above, below, left, right, beside):
    """`defect` with six neighbours."""
    one = uintp(1)
    total = 0.0
    for j in range(n):
        around = above * x[up + j] + below * x[down + j] + left * x[north + j] + right * x[south + j]
        around += beside * (x[mid + j - one] + x[mid + j + one])
        r = (f[at + j] - diagonal * x[mid + j]) + around
        x[to + j] = r
        total += np.float64(r) * np.float64(r)
    return total
