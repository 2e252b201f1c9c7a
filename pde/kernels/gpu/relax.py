"""A smoothing step, and a correction.

A program has a tile of one plane; a 2-D grid is one plane. What it reads of its neighbours' comes from the cache.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .points import residual, tile, value


@triton.jit
def relax(
    out, u, e, f, reaction, omega, axes,
    ndim: tl.constexpr, start: tl.constexpr, high: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    """out = u + ω D⁻¹ (f - A u), for zero, u, or u + P e (start 0, 1, 2). omega: a pointer."""
    n0, n1, n2 = axes[0].n, axes[1].n, axes[2].n
    b, i0, i1, i2, mask = tile(n0, n1, n2, high, wide)
    fine, coarse = b * n0 * n1 * n2, b * axes[0].m * axes[1].m * axes[2].m
    x, d, r = residual(u + fine, e + coarse, f + fine, reaction, i0, i1, i2, axes, mask, mask, ndim=ndim, start=start)
    tl.store(out + fine + (i0.to(tl.int64) * n1 + i1) * n2 + i2, x + tl.load(omega) / d * r, mask)


@triton.jit
def correct(out, u, e, axes, high: tl.constexpr, wide: tl.constexpr):
    """out = u + P e; out may be u."""
    n0, n1, n2 = axes[0].n, axes[1].n, axes[2].n
    b, i0, i1, i2, mask = tile(n0, n1, n2, high, wide)
    fine, coarse = b * n0 * n1 * n2, b * axes[0].m * axes[1].m * axes[2].m
    x = value(u + fine, e + coarse, i0, i1, i2, axes, mask, start=2)
    tl.store(out + fine + (i0.to(tl.int64) * n1 + i1) * n2 + i2, x, mask)
