"""Interpolation of solutions along one axis."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def interpolate(out, c, index, weights, rows, inner, n, m, taps: tl.constexpr, high: tl.constexpr, wide: tl.constexpr):
    """Along one axis: out (.., n, inner) from c (.., m, inner), by index and weights (taps, n). rows: all of out."""
    across = tl.cdiv(inner, wide)
    p = tl.program_id(0)
    row = (p // across) * high + tl.arange(0, high)[:, None]
    column = (p % across) * wide + tl.arange(0, wide)[None, :]
    mask = (row < rows) & (column < inner)
    x, outer = row % n, (row // n).to(tl.int64)
    total = tl.zeros(mask.shape, out.dtype.element_ty)
    for k in tl.static_range(taps):
        at = tl.load(index + k * n + x, row < rows, other=0)
        share = tl.load(weights + k * n + x, row < rows, other=0)
        total += share * tl.load(c + (outer * m + at) * inner + column, mask, other=0)
    tl.store(out + row.to(tl.int64) * inner + column, total, mask)
