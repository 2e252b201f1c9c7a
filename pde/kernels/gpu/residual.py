"""Residuals with their sums, and A u.

Sums are kept a program and added afterwards, in one order: they are the same every time.
"""

from __future__ import annotations

import triton
import triton.language as tl

from .points import residual, tile


@triton.jit
def defect(
    out, u, f, reaction, axes, sums,
    ndim: tl.constexpr, stored: tl.constexpr, summed: tl.constexpr, high: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    """out = f - A u, and its program's Σ r² and Σ u²: sums (programs, 2), float64; of these what is stored, summed."""
    n0, n1, n2 = axes[0].n, axes[1].n, axes[2].n
    b, i0, i1, i2, mask = tile(n0, n1, n2, high, wide)
    fine = b * n0 * n1 * n2
    x, _d, r = residual(u + fine, u, f + fine, reaction, i0, i1, i2, axes, mask, mask, ndim=ndim, start=1)
    if stored:
        tl.store(out + fine + (i0.to(tl.int64) * n1 + i1) * n2 + i2, r, mask)
    if summed:
        r, x = tl.where(mask, r, 0).to(tl.float64), tl.where(mask, x, 0).to(tl.float64)
        write_sums(sums, r * r, x * x)


@triton.jit
def product(out, u, reaction, axes, ndim: tl.constexpr, high: tl.constexpr, wide: tl.constexpr):
    """out = A u."""
    n0, n1, n2 = axes[0].n, axes[1].n, axes[2].n
    b, i0, i1, i2, mask = tile(n0, n1, n2, high, wide)
    fine = b * n0 * n1 * n2
    nowhere = mask & (i2 < 0)  # no f is read
    _x, _d, r = residual(u + fine, u, u, reaction, i0, i1, i2, axes, nowhere, mask, ndim=ndim, start=1)
    tl.store(out + fine + (i0.to(tl.int64) * n1 + i1) * n2 + i2, -r, mask)


@triton.jit
def write_sums(sums, r2, u2):
    """Σ over a tile, to this program's place."""
    at = sums + 2 * tl.program_id(0).to(tl.int64)
    tl.store(at, tl.sum(tl.sum(r2, 1), 0))
    tl.store(at + 1, tl.sum(tl.sum(u2, 1), 0))
