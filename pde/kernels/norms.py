"""Norms of the residual, in float64 whatever the dtype is: one pass, and no array."""

from __future__ import annotations

import numba
import numpy as np

from . import rows


@numba.njit(**{**rows.ROW, "fastmath": {"contract", "nsz", "reassoc"}})
def norms(
    planes, u, f, edges0, widths0, periodic0, edges1, widths1, periodic1, edges2, widths2, periodic2, reaction, sums
):
    """sums[b] += (‖f - A u‖², ‖u‖²) of the rows `planes` (from, to), numbered over the first two axes.

    u, f: (B, n0, n1, n2); in two dimensions n0 = 1. edges, widths: see `pde.kernels.plan`, in float64.
    """
    batch, n0, n1, n2 = f.shape
    for b in range(batch):
        residual2, solution2 = 0.0, 0.0
        for at in range(planes[0], planes[1]):
            i, j = at // n1, at % n1
            up, down, left, right = edges0[i], edges0[i + 1], edges1[j], edges1[j + 1]
            w0, w1 = widths0[i], widths1[j]
            # rows beyond a side have edges of weight 0 to a zero, or to the other end
            above = u[b, (i - 1) % n0, j]
            below = u[b, (i + 1) % n0, j]
            before = u[b, i, (j - 1) % n1]
            after = u[b, i, (j + 1) % n1]
            a = 0.0 if i == 0 and not periodic0 else 1.0
            z = 0.0 if i == n0 - 1 and not periodic0 else 1.0
            c = 0.0 if j == 0 and not periodic1 else 1.0
            d = 0.0 if j == n1 - 1 and not periodic1 else 1.0
            mid = u[b, i, j]
            rhs = f[b, i, j]
            for k in range(n2):
                x = np.float64(mid[k])
                low = np.float64(mid[k - 1]) if k > 0 else (np.float64(mid[n2 - 1]) if periodic2 else 0.0)
                high = np.float64(mid[k + 1]) if k < n2 - 1 else (np.float64(mid[0]) if periodic2 else 0.0)
                flux = edges2[k] * (x - low) + edges2[k + 1] * (x - high)
                cross = w1 * (up * (x - a * above[k]) + down * (x - z * below[k]))
                cross += w0 * (left * (x - c * before[k]) + right * (x - d * after[k]))
                r = np.float64(rhs[k]) - w0 * w1 * flux - widths2[k] * (cross + w0 * w1 * reaction * x)
                residual2 += r * r
                solution2 += x * x
        sums[b, 0] += residual2
        sums[b, 1] += solution2
