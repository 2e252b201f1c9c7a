"""A u, or the norms of the residual, in float64 whatever the dtype is: one pass, and no array of its own."""

from __future__ import annotations

import numba
import numpy as np

from . import rows


@numba.njit(**rows.SWEEP)
def norms(
    planes, u, f, out, edges0, widths0, periodic0, edges1, widths1, periodic1, edges2, widths2, periodic2, reaction,
    sums,
):  # fmt: skip
    """sums[b] += (‖f - A u‖², ‖u‖²) of the rows `planes` (from, to), numbered over the first two axes; out <- A u.

    u, f: (B, n0, n1, n2); in two dimensions n0 = 1. f or out, of no element, is none. edges, widths: see
    `pde.kernels.plan`, in float64.
    """
    batch, n0, n1, n2 = u.shape
    row = np.empty(n2)
    for b in range(batch):
        residual2, solution2 = 0.0, 0.0
        for at in range(planes[0], planes[1]):
            i, j = at // n1, at % n1
            w0, w1 = widths0[i], widths1[j]
            # rows beyond a side have edges of weight 0 to a zero, or to the other end
            up, down, left, right = w1 * edges0[i], w1 * edges0[i + 1], w0 * edges1[j], w0 * edges1[j + 1]
            own = up + down + left + right + w0 * w1 * reaction
            up *= i > 0 or periodic0
            down *= i < n0 - 1 or periodic0
            left *= j > 0 or periodic1
            right *= j < n1 - 1 or periodic1
            above, below = u[b, (i - 1) % n0, j], u[b, (i + 1) % n0, j]
            before, after, mid = u[b, i, (j - 1) % n1], u[b, i, (j + 1) % n1], u[b, i, j]
            w = w0 * w1
            for k in range(n2):
                x = np.float64(mid[k])
                around = up * above[k] + down * below[k] + left * before[k] + right * after[k]
                row[k] = widths2[k] * (own * x - around) + w * (edges2[k] + edges2[k + 1]) * x
                solution2 += x * x
            for k in range(1, n2 - 1):
                row[k] -= w * (edges2[k] * np.float64(mid[k - 1]) + edges2[k + 1] * np.float64(mid[k + 1]))
            if n2 > 1:
                row[0] -= w * edges2[1] * mid[1]
                row[n2 - 1] -= w * edges2[n2 - 1] * mid[n2 - 2]
            if periodic2:
                row[0] -= w * edges2[0] * mid[n2 - 1]
                row[n2 - 1] -= w * edges2[n2] * mid[0]
            if out.size > 0:
                for k in range(n2):
                    out[b, i, j, k] = row[k]
            if f.size > 0:
                rhs = f[b, i, j]
                for k in range(n2):
                    r = np.float64(rhs[k]) - row[k]
                    residual2 += r * r
        sums[b, 0] += residual2
        sums[b, 1] += solution2
