"""Residuals and their restriction: one pass in 2-D, where residuals are cheap to compute again."""

from __future__ import annotations

import triton
import triton.language as tl

from .points import inside, load, number, residual, tile, wrap
from .residual import write_sums


@triton.jit
def restrict(
    coarse, u, f, reaction, axes, sums,
    ndim: tl.constexpr, ready: tl.constexpr, summed: tl.constexpr, high: tl.constexpr, wide: tl.constexpr,
):  # fmt: skip
    """coarse = R(f - A u), each residual computed where it is needed; sums as `defect`.

    ready: f is the residual; of u = 0, where it is summed.
    """
    n0, n1, n2 = axes[0].n, axes[1].n, axes[2].n
    m0, m1, m2 = axes[0].m, axes[1].m, axes[2].m
    b, k0, k1, k2, mask = tile(m0, m1, m2, high, wide)
    u += b * n0 * n1 * n2
    f += b * n0 * n1 * n2
    total = tl.zeros(mask.shape, coarse.dtype.element_ty)
    r2 = tl.zeros(mask.shape, tl.float64)
    u2 = tl.zeros(mask.shape, tl.float64)
    for a0 in range(-axes[0].coarsened, axes[0].coarsened + 1):
        i0, share0, once0 = child(k0, a0, axes[0])
        for a1 in range(-axes[1].coarsened, axes[1].coarsened + 1):
            i1, share1, once1 = child(k1, a1, axes[1])
            for a2 in range(-axes[2].coarsened, axes[2].coarsened + 1):
                i2, share2, once2 = child(k2, a2, axes[2])
                here = mask & inside(i0, n0) & inside(i1, n1) & inside(i2, n2)
                if ready:
                    x = tl.zeros(mask.shape, coarse.dtype.element_ty)
                    r = load(f, i0, i1, i2, axes, here)
                else:
                    x, _d, r = residual(u, u, f, reaction, i0, i1, i2, axes, here, here, ndim=ndim, start=1)
                if summed:
                    once = here & once0 & once1 & once2
                    r64 = tl.where(once, r, 0).to(tl.float64)
                    u64 = tl.where(once, x, 0).to(tl.float64)
                    r2 += r64 * r64
                    u2 += u64 * u64
                total += share0 * share1 * share2 * tl.where(here, r, 0)
    k0 = wrap(k0 + axes[0].shift, m0, axes[0].periodic)
    k1 = wrap(k1 + axes[1].shift, m1, axes[1].periodic)
    k2 = wrap(k2 + axes[2].shift, m2, axes[2].periodic)
    tl.store(coarse + b * m0 * m1 * m2 + (k0.to(tl.int64) * m1 + k1) * m2 + k2, total, mask)
    if summed:
        write_sums(sums, r2, u2)


@triton.jit
def child(k, a, axis):
    """A point that coarse point k is restricted from, its share, and whether it is to be counted with k (a: -1, 0, 1).

    Every point is counted with one k: with that at it or before it, but a first one that is not kept with the first.
    """
    i = (k << axis.coarsened) + axis.first + a
    share = number(axis, 2 * axis.n + 1 + (a + 1) * axis.m, k, axis.m)
    return wrap(i, axis.n, axis.periodic), share, ((a >= 0) & (i < axis.n)) | (i == 0)
