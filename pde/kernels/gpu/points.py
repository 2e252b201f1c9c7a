"""What the kernels are made of: values, residuals and prolonged corrections at any points of a grid of three axes.

Indices broadcast against each other: (rows, 1) and (1, columns) of a tile, or all of one shape. Flags of an axis may be
constants, or numbers that were loaded. Beyond an end stands zero, or the other end of a periodic axis. What is loaded
takes the dtype of the axes' tables, which may be wider than that of the arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import triton
import triton.language as tl


class Axis(NamedTuple):
    """See `DeviceAxis`."""

    table: Any
    n: Any
    m: Any
    first: Any
    shift: Any
    periodic: Any
    coarsened: Any


@triton.jit
def tile(n0, n1, n2, high: tl.constexpr, wide: tl.constexpr):
    """This program's points of a batch of grids: which of the batch, plane, rows, columns, and whether they exist.

    The plane's number is (1, 1): of comparisons of scalars Triton's interpreter makes masks that are no masks.
    """
    p = tl.program_id(0)
    across, down = tl.cdiv(n2, wide), tl.cdiv(n1, high)
    i2 = (p % across) * wide + tl.arange(0, wide)[None, :]
    p = p // across
    i1 = (p % down) * high + tl.arange(0, high)[:, None]
    p = p // down
    return (p // n0).to(tl.int64), p % n0 + tl.zeros((1, 1), tl.int32), i1, i2, (i1 < n1) & (i2 < n2)


@triton.jit
def wrap(i, n, periodic):
    """The point that is meant by one up to n beyond an end."""
    if periodic:
        i = tl.where(i < 0, i + n, i)
        i = tl.where(i >= n, i - n, i)
    return i


@triton.jit
def inside(i, n):
    return (i >= 0) & (i < n)


@triton.jit
def number(axis, at, i, n):
    """table[at + i] for i of n points; 1 beyond, so that no diagonal is zero there."""
    return tl.load(axis.table + at + i, inside(i, n), other=1)


@triton.jit
def load(x, i0, i1, i2, axes, mask):
    """x where the mask is set, zero elsewhere."""
    i0 = wrap(i0, axes[0].n, axes[0].periodic)
    i1 = wrap(i1, axes[1].n, axes[1].periodic)
    i2 = wrap(i2, axes[2].n, axes[2].periodic)
    mask = mask & inside(i0, axes[0].n) & inside(i1, axes[1].n) & inside(i2, axes[2].n)
    x = tl.load(x + ((i0.to(tl.int64) * axes[1].n + i1) * axes[2].n + i2), mask, other=0)
    return x.to(axes[2].table.dtype.element_ty)


@triton.jit
def parent(i, side, axis):
    """A coarse point that point i is prolonged from, its share, and whether it exists; side: 0 or 1."""
    k = wrap(((i - axis.first) >> axis.coarsened) + side, axis.m, axis.periodic)
    share = number(axis, 2 * axis.n + 1 + 3 * axis.m + side * axis.n, i, axis.n)
    return wrap(k + axis.shift, axis.m, axis.periodic), share, inside(k, axis.m)


@triton.jit
def prolonged(e, i0, i1, i2, axes, mask):
    """P e, linearly axis by axis; e: (m0, m1, m2)."""
    i0 = wrap(i0, axes[0].n, axes[0].periodic)
    i1 = wrap(i1, axes[1].n, axes[1].periodic)
    i2 = wrap(i2, axes[2].n, axes[2].periodic)
    mask = mask & inside(i0, axes[0].n) & inside(i1, axes[1].n) & inside(i2, axes[2].n)
    total = tl.zeros(mask.shape, e.dtype.element_ty)
    for s0 in range(axes[0].coarsened + 1):
        k0, share0, in0 = parent(i0, s0, axes[0])
        for s1 in range(axes[1].coarsened + 1):
            k1, share1, in1 = parent(i1, s1, axes[1])
            for s2 in range(axes[2].coarsened + 1):
                k2, share2, in2 = parent(i2, s2, axes[2])
                place = (k0.to(tl.int64) * axes[1].m + k1) * axes[2].m + k2
                total += share0 * share1 * share2 * tl.load(e + place, mask & in0 & in1 & in2, other=0)
    return total


@triton.jit
def value(u, e, i0, i1, i2, axes, mask, start: tl.constexpr):
    """0, u, or u + P e."""
    if start == 0:
        return tl.zeros(mask.shape, u.dtype.element_ty)
    x = load(u, i0, i1, i2, axes, mask)
    if start == 2:
        x += prolonged(e, i0, i1, i2, axes, mask)
    return x


@triton.jit
def faces(axis, i):
    """Of point i: the edges before and after it, and its width."""
    return number(axis, 0, i, axis.n), number(axis, 1, i, axis.n), number(axis, axis.n + 1, i, axis.n)


@triton.jit
def residual(u, e, f, reaction, i0, i1, i2, axes, mask, some, ndim: tl.constexpr, start: tl.constexpr):
    """u, D and f - A u at points that exist, of 0, u, or u + P e (start). mask: where f is read, some: and u."""
    low0, high0, w0 = faces(axes[0], i0)
    low1, high1, w1 = faces(axes[1], i1)
    low2, high2, w2 = faces(axes[2], i2)
    x = value(u, e, i0, i1, i2, axes, some, start)
    c = tl.load(reaction) * w0 * w1 * w2
    flux = low2 * (x - value(u, e, i0, i1, i2 - 1, axes, some, start))
    flux += high2 * (x - value(u, e, i0, i1, i2 + 1, axes, some, start))
    out = w0 * w1 * flux + c * x
    diagonal = w0 * w1 * (low2 + high2) + c
    if ndim > 1:
        flux = low1 * (x - value(u, e, i0, i1 - 1, i2, axes, some, start))
        flux += high1 * (x - value(u, e, i0, i1 + 1, i2, axes, some, start))
        out += w0 * w2 * flux
        diagonal += w0 * w2 * (low1 + high1)
    if ndim > 2:
        flux = low0 * (x - value(u, e, i0 - 1, i1, i2, axes, some, start))
        flux += high0 * (x - value(u, e, i0 + 1, i1, i2, axes, some, start))
        out += w1 * w2 * flux
        diagonal += w1 * w2 * (low0 + high0)
    return x, diagonal, load(f, i0, i1, i2, axes, mask) - out
