"""Small levels in one launch: a block of threads for each right-hand side runs a list of instructions on all of them.

All their grids are in one buffer, which stays in the cache; a barrier ends each instruction.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .points import Axis, inside, prolonged, residual, wrap
from .restrict import child

RELAX, RESTRICT, CORRECT, SOLVE, INTERPOLATE, DIFFERENCE = (tl.constexpr(k) for k in range(6))


@triton.jit
def axis_of(numbers, layout, k):
    """Axis k of a level, whose flags are numbers here."""
    at = layout + 9 * k
    table, n, m, first = numbers + tl.load(at), tl.load(at + 1), tl.load(at + 2), tl.load(at + 3)
    return Axis(table, n, m, first, tl.load(at + 4), tl.load(at + 5), tl.load(at + 6))


@triton.jit
def run(buffer, numbers, layout, instructions, count, ndim: tl.constexpr, taps: tl.constexpr, block: tl.constexpr):
    """buffer: all grids. numbers: c, and what the layout and the instructions point to. See `pde.kernels.gpu.tail`."""
    b = tl.program_id(0).to(tl.int64)
    for step in range(count):
        at = instructions + 7 * step
        kind, given = tl.load(at), tl.load(at + 2)
        here = layout + 27 * tl.load(at + 1)
        axes = (axis_of(numbers, here, 0), axis_of(numbers, here, 1), axis_of(numbers, here, 2))
        fine, coarse = axes[0].n * axes[1].n * axes[2].n, axes[0].m * axes[1].m * axes[2].m
        x, y, out = buffer + tl.load(at + 3), buffer + tl.load(at + 4), buffer + tl.load(at + 5)
        omega = numbers + tl.load(at + 6)
        if kind == RELAX:
            relax(out + b * fine, x + b * fine, y + b * fine, numbers, omega, axes, given, fine, ndim, block)
        elif kind == RESTRICT:
            restrict(out + b * coarse, x + b * fine, y + b * fine, numbers, axes, given, coarse, ndim, block)
        elif kind == CORRECT:
            correct(out + b * fine, x + b * fine, y + b * coarse, axes, given, fine, block)
        elif kind == INTERPOLATE:
            x, y, out = x + b * fine, y + b * coarse, out + b * fine
            interpolate(out, x, y, numbers, layout, here, axes, given, fine, taps, block)
        elif kind == DIFFERENCE:
            difference(out + b * coarse, x + b * fine, y + b * coarse, omega, axes, coarse, block)
        else:
            solve(out + b * fine, y + b * fine, omega, fine, block)
        tl.debug_barrier()


@triton.jit
def points(start, n1, n2, block: tl.constexpr):
    """The next points of a grid, and their indices."""
    at = start + tl.arange(0, block)
    return at, at // (n1 * n2), at // n2 % n1, at % n2


@triton.jit
def relax(out, u, f, reaction, omega, axes, given, size, ndim: tl.constexpr, block: tl.constexpr):
    for start in range(0, size, block):
        at, i0, i1, i2 = points(start, axes[1].n, axes[2].n, block)
        mask, some = at < size, at < size * given
        x, d, r = residual(u, u, f, reaction, i0, i1, i2, axes, mask, some, ndim=ndim, start=1)
        tl.store(out + at, x + tl.load(omega) / d * r, mask)


@triton.jit
def restrict(coarse, u, f, reaction, axes, given, size, ndim: tl.constexpr, block: tl.constexpr):
    m1, m2 = axes[1].m, axes[2].m
    for start in range(0, size, block):
        at, k0, k1, k2 = points(start, m1, m2, block)
        total = tl.zeros((block,), coarse.dtype.element_ty)
        for a0 in range(-axes[0].coarsened, axes[0].coarsened + 1):
            i0, share0, _once = child(k0, a0, axes[0])
            for a1 in range(-axes[1].coarsened, axes[1].coarsened + 1):
                i1, share1, _once = child(k1, a1, axes[1])
                for a2 in range(-axes[2].coarsened, axes[2].coarsened + 1):
                    i2, share2, _once = child(k2, a2, axes[2])
                    mask = (at < size) & inside(i0, axes[0].n) & inside(i1, axes[1].n) & inside(i2, axes[2].n)
                    some = mask & (at < size * given)
                    _x, _d, r = residual(u, u, f, reaction, i0, i1, i2, axes, mask, some, ndim=ndim, start=1)
                    total += share0 * share1 * share2 * tl.where(mask, r, 0)
        tl.store(coarse + shifted(k0, k1, k2, axes), total, at < size)


@triton.jit
def shifted(k0, k1, k2, axes):
    """Where coarse points stand."""
    k0 = wrap(k0 + axes[0].shift, axes[0].m, axes[0].periodic)
    k1 = wrap(k1 + axes[1].shift, axes[1].m, axes[1].periodic)
    k2 = wrap(k2 + axes[2].shift, axes[2].m, axes[2].periodic)
    return (k0 * axes[1].m + k1) * axes[2].m + k2


@triton.jit
def correct(out, u, e, axes, given, size, block: tl.constexpr):
    for start in range(0, size, block):
        at, i0, i1, i2 = points(start, axes[1].n, axes[2].n, block)
        mask = at < size
        x = tl.load(u + at, at < size * given, other=0)
        tl.store(out + at, x + prolonged(e, i0, i1, i2, axes, mask), mask)


@triton.jit
def interpolate(out, u, c, numbers, layout, level, axes, given, size, taps: tl.constexpr, block: tl.constexpr):
    """out = c interpolated, and u with it where it is given: all axes at once, up to taps^d coarse points for each."""
    n0, n1, n2 = axes[0].n, axes[1].n, axes[2].n
    for start in range(0, size, block):
        at, i0, i1, i2 = points(start, n1, n2, block)
        mask = at < size
        total = tl.load(u + at, at < size * given, other=0)
        for s0 in range((taps - 1) * axes[0].coarsened + 1):
            k0, share0 = nearest(numbers, layout, level, s0, i0, n0, mask)
            for s1 in range((taps - 1) * axes[1].coarsened + 1):
                k1, share1 = nearest(numbers, layout, level + 9, s1, i1, n1, mask)
                for s2 in range((taps - 1) * axes[2].coarsened + 1):
                    k2, share2 = nearest(numbers, layout, level + 18, s2, i2, n2, mask)
                    place = (k0 * axes[1].m + k1) * axes[2].m + k2
                    total += share0 * share1 * share2 * tl.load(c + place, mask, other=0)
        tl.store(out + at, total, mask)


@triton.jit
def nearest(numbers, layout, axis, s, i, n, mask):
    """Number s of the coarse points that point i is interpolated from, and its share."""
    k = tl.load(layout + tl.load(axis + 8) + s * n + i, mask, other=0)
    return k, tl.load(numbers + tl.load(axis + 7) + s * n + i, mask, other=0)


@triton.jit
def difference(out, u, below, factor, axes, size, block: tl.constexpr):
    """out = (u - below) times a factor, at the coarse points."""
    for start in range(0, size, block):
        at, k0, k1, k2 = points(start, axes[1].m, axes[2].m, block)
        i0 = (k0 << axes[0].coarsened) + axes[0].first
        i1 = (k1 << axes[1].coarsened) + axes[1].first
        i2 = (k2 << axes[2].coarsened) + axes[2].first
        x = tl.load(u + (i0 * axes[1].n + i1) * axes[2].n + i2, at < size, other=0)
        to = shifted(k0, k1, k2, axes)
        tl.store(out + to, (x - tl.load(below + to, at < size, other=0)) * tl.load(factor), at < size)


@triton.jit
def solve(out, f, inverse, size, block: tl.constexpr):
    """out = inverse f, by plain sums."""
    for start in range(0, size, 32):
        row = start + tl.arange(0, 32)
        total = tl.zeros((32, block // 32), out.dtype.element_ty)
        for begin in range(0, size, block // 32):
            column = begin + tl.arange(0, block // 32)
            mask = (row < size)[:, None] & (column < size)[None, :]
            x = tl.load(f + column, column < size, other=0)
            total += tl.load(inverse + row[:, None] * size + column[None, :], mask, other=0) * x[None, :]
        tl.store(out + row, tl.sum(total, 1), row < size)
