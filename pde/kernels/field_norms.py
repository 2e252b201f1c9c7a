"""`norms` of an operator whose edges are fields, in two dimensions."""

from __future__ import annotations

import numba
import numpy as np

from . import rows


@numba.njit(**rows.SWEEP)
def norms(slab, u, f, periodic0, periodic1, edges0, edges1, reaction, sums):
    """sums[b] += (‖f - A u‖², ‖u‖²) of rows (from, to), in float64. u, f: (B, n0, n1); the rest: see `sweep`."""
    batch, n0, n1 = f.shape
    for b in range(batch):
        residual2, solution2 = 0.0, 0.0
        field = b if len(edges0) > 1 else 0
        field_c = b if len(reaction) > 1 else 0
        for i in range(slab[0], slab[1]):
            # rows beyond a side have edges of weight 0 to a zero, or to the other end
            above, mid, below = u[b, (i - 1) % n0], u[b, i], u[b, (i + 1) % n0]
            first = 0.0 if i == 0 and not periodic0 else 1.0
            last = 0.0 if i == n0 - 1 and not periodic0 else 1.0
            north, south, west, rhs = edges0[field, i], edges0[field, i + 1], edges1[field, i], f[b, i]
            for j in range(n1):
                x = np.float64(mid[j])
                low = np.float64(mid[j - 1]) if j > 0 else (np.float64(mid[n1 - 1]) if periodic1 else 0.0)
                high = np.float64(mid[j + 1]) if j < n1 - 1 else (np.float64(mid[0]) if periodic1 else 0.0)
                flux = north[j] * (x - first * above[j]) + south[j] * (x - last * below[j])
                flux += west[j] * (x - low) + west[j + 1] * (x - high)
                if reaction.size > 0:
                    flux += reaction[field_c, i, j] * x
                r = np.float64(rhs[j]) - flux
                residual2 += r * r
                solution2 += x * x
        sums[b, 0] += residual2
        sums[b, 1] += solution2
