"""Loops over one row: what the sweeps of `pde.kernels` are made of.

Arrays are flat, and places in them unsigned: a signed index may be negative, counted from the end, and the check of
that keeps a loop from being vectorised. No array is sliced here: that is slow to compile, and to count the references
to a slice takes as long as a row.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import uintp as u

# sums in any order and fused multiplications: what vector units do. NaN and infinity stay what they are.
FAST = {"contract", "nsz", "reassoc"}
SWEEP = {"nogil": True, "cache": True, "fastmath": FAST, "error_model": "numpy"}
ROW = {**SWEEP, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # of what only other kernels call
# and makes no array: it counts no references to those that it is lent, which would take as long as a short row
LENT = {**ROW, "_nrt": False, "forceinline": False}
INLINE = {**LENT, "forceinline": True}  # and is done for each row: to hand on so many arguments would, too
# of residuals: in any other order differences of u would be sums with a diagonal again, which round like ε/h² u
ORDERED = {**LENT, "fastmath": FAST - {"reassoc"}}


@numba.njit(**LENT)
def fill(x, at, n, value):
    at, n = u(at), u(n)
    for j in range(n):
        x[at + j] = value


@numba.njit(**LENT)
def copy(y, to, x, at, n):
    to, at, n = u(to), u(at), u(n)
    for j in range(n):
        y[to + j] = x[at + j]


@numba.njit(**LENT)
def add_scaled(y, to, x, at, n, factor):
    to, at, n = u(to), u(at), u(n)
    for j in range(n):
        y[to + j] += factor * x[at + j]


@numba.njit(**LENT)
def scaled(y, to, x, at, n, factor):
    to, at, n = u(to), u(at), u(n)
    for j in range(n):
        y[to + j] = factor * x[at + j]


@numba.njit(**LENT)
def sum3(y, to, x, low, mid, high, n, a, b, c):
    to, low, mid, high, n = u(to), u(low), u(mid), u(high), u(n)
    for j in range(n):
        y[to + j] = a * x[low + j] + b * x[mid + j] + c * x[high + j]


@numba.njit(**LENT)
def copy_squared(y, to, x, at, n):
    """y = x, and Σ x² in float64."""
    to, at, n = u(to), u(at), u(n)
    total = 0.0
    for j in range(n):
        value = x[at + j]
        y[to + j] = value
        total += np.float64(value) * np.float64(value)
    return total


@numba.njit(**LENT)
def total(y, to, x, at, z, start, n):
    """y = x + z."""
    to, at, start, n = u(to), u(at), u(start), u(n)
    for j in range(n):
        y[to + j] = x[at + j] + z[start + j]


@numba.njit(**LENT)
def squares(x, at, n):
    """Σ x², in float64."""
    at, n = u(at), u(n)
    total = 0.0
    for j in range(n):
        total += np.float64(x[at + j]) * np.float64(x[at + j])
    return total


@numba.njit(**LENT)
def corrected(y, to, x, at, e, near, far, n, a, b):
    """y = x + a e[near:] + b e[far:]."""
    to, at, near, far, n = u(to), u(at), u(near), u(far), u(n)
    for j in range(n):
        y[to + j] = x[at + j] + (a * e[near + j] + b * e[far + j])


@numba.njit(**LENT)
def sum6(y, to, x, places, n, shares, first):
    """y = Σ shares[first + q] x[places[q]:], of six; places: a tuple."""
    to, n, q = u(to), u(n), u(first)
    p0, p1, p2, p3, p4, p5 = u(places[0]), u(places[1]), u(places[2]), u(places[3]), u(places[4]), u(places[5])
    a, b, c = shares[q], shares[q + u(1)], shares[q + u(2)]
    d, e, g = shares[q + u(3)], shares[q + u(4)], shares[q + u(5)]
    for j in range(n):
        low = a * x[p0 + j] + b * x[p1 + j] + c * x[p2 + j]
        y[to + j] = low + (d * x[p3 + j] + e * x[p4 + j] + g * x[p5 + j])


@numba.njit(**LENT)
def pairs(y, to, c, at, n, before, even, odd, after, pair):
    """Line prolongation, to the points 2g and 2g + 1 of n pairs g.

    c[at + g] is coarse point g; before, even: the shares of g - 1 and g in point 2g; odd, after: of g and g + 1 in
    2g + 1.
    """
    to, at, n, pair = u(to), u(at), u(n), u(pair)
    one = u(1)
    for g in range(n):
        low, mid, high = c[at + g - one], c[at + g], c[at + g + one]
        y[to + g + g] = before[pair + g] * low + even[pair + g] * mid
        y[to + g + g + one] = odd[pair + g] * mid + after[pair + g] * high


@numba.njit(**LENT)
def pairs6(y, to, c, at, n, nodes, a, b, d, e, f, g):
    """A kept point and the one between it and the next, n times: c[at + k], and six from c[nodes + k] on."""
    to, at, n, nodes = u(to), u(at), u(n), u(nodes)
    for k in range(n):
        i = nodes + k
        low = a * c[i] + b * c[i + u(1)] + d * c[i + u(2)]
        y[to + k + k] = c[at + k]
        y[to + k + k + u(1)] = low + (e * c[i + u(3)] + f * c[i + u(4)] + g * c[i + u(5)])


@numba.njit(**LENT)
def spread(y, to, x, at, n):
    """y[2j] = x[j]."""
    to, at, n = u(to), u(at), u(n)
    for j in range(n):
        y[to + j + j] = x[at + j]


@numba.njit(**LENT)
def less(y, to, x, at, step, z, start, n, factor):
    """y[j] = factor (x[step j] - z[j])."""
    to, at, start, n = u(to), u(at), u(start), u(n)
    for j in range(n):
        y[to + j] = factor * (x[at + u(step) * j] - z[start + j])


@numba.njit(**LENT)
def gather(y, to, x, at, n, low, mid, high, k):
    """Line restriction: y[j] = low x[2j - 1] + mid x[2j] + high x[2j + 1], the shares from k on, x from `at`."""
    to, at, n, k = u(to), u(at), u(n), u(k)
    one = u(1)
    for g in range(n):
        i = at + g + g
        y[to + g] = low[k + g] * x[i - one] + mid[k + g] * x[i] + high[k + g] * x[i + one]


@numba.njit(**LENT)
def relax(x, to, up, mid, down, f, at, n, keep, gain, above, below, beside):
    """One step of a smoother where the row's stencil is one: `(1 - ω) u + ω/D (f + Σ e u_neighbour)`."""
    to, up, mid, down, at, n = u(to), u(up), u(mid), u(down), u(at), u(n)
    one = u(1)
    for j in range(n):
        around = above * x[up + j] + below * x[down + j] + beside * (x[mid + j - one] + x[mid + j + one])
        x[to + j] = keep * x[mid + j] + gain * (f[at + j] + around)


@numba.njit(**INLINE)
def tally(total, r):
    """total + r², in float64: in any order, where the residual itself is ordered."""
    return total + np.float64(r) * np.float64(r)


@numba.njit(**ORDERED)
def defect(x, to, up, mid, down, f, at, n, reaction, above, below, beside):
    """The residual `f - A u` of a row whose stencil is one, and its Σ r² in float64.

    By differences, which are exact where u is smooth: float32 loses digits of u otherwise.
    """
    to, up, mid, down, at, n = u(to), u(up), u(mid), u(down), u(at), u(n)
    one = u(1)
    total = 0.0
    for j in range(n):
        here = x[mid + j]
        flux = above * (here - x[up + j]) + below * (here - x[down + j])
        flux += beside * ((here - x[mid + j - one]) + (here - x[mid + j + one]))
        r = f[at + j] - (flux + reaction * here)
        x[to + j] = r
        total = tally(total, r)
    return total


@numba.njit(**LENT)
def sum2(y, to, x, one, other, n, a, b):
    """a x[one:] + b x[other:]."""
    to, one, other, n = u(to), u(one), u(other), u(n)
    for j in range(n):
        y[to + j] = a * x[one + j] + b * x[other + j]


@numba.njit(**LENT)
def relax6(x, to, up, down, north, mid, south, f, at, n, keep, gain, above, below, left, right, beside):
    """`relax` with six neighbours: in the planes above and below, in the rows left and right, and beside."""
    to, up, down, at, n = u(to), u(up), u(down), u(at), u(n)
    north, mid, south = u(north), u(mid), u(south)
    one = u(1)
    for j in range(n):
        around = above * x[up + j] + below * x[down + j] + left * x[north + j] + right * x[south + j]
        around += beside * (x[mid + j - one] + x[mid + j + one])
        x[to + j] = keep * x[mid + j] + gain * (f[at + j] + around)


@numba.njit(**ORDERED)
def defect6(x, to, up, down, north, mid, south, f, at, n, reaction, above, below, left, right, beside):
    """`defect` with six neighbours."""
    to, up, down, at, n = u(to), u(up), u(down), u(at), u(n)
    north, mid, south = u(north), u(mid), u(south)
    one = u(1)
    total = 0.0
    for j in range(n):
        here = x[mid + j]
        flux = above * (here - x[up + j]) + below * (here - x[down + j])
        flux += left * (here - x[north + j]) + right * (here - x[south + j])
        flux += beside * ((here - x[mid + j - one]) + (here - x[mid + j + one]))
        r = f[at + j] - (flux + reaction * here)
        x[to + j] = r
        total = tally(total, r)
    return total
