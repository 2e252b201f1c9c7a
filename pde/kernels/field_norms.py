"""`norms` of an operator whose edges are fields: A u, or the norms of the residual."""

from __future__ import annotations

import numba
import numpy as np

from . import rows


@numba.njit(**rows.SWEEP)
def norms(slab, u, f, out, periodic, edges, reaction, sums):
    """sums[b] += (‖f - A u‖², ‖u‖²) of rows (planes) from and to, in float64; out <- A u.

    u, f, out: (B, *grid); f or out, of no element, is none. periodic, edges: of each axis; edges and reaction, which
    may have no element, as in `Fields`.
    """
    batch, n0, n = u.shape[0], u.shape[1], u.shape[-1]
    n1 = u.shape[2] if len(edges) == 3 else 1
    r, flat_f, flat_out = np.empty(n), f.reshape(-1), out.reshape(-1)
    for b in range(batch):
        residual2, solution2 = 0.0, 0.0
        field = b if len(edges[0]) > 1 else 0
        field_c = b if len(reaction) > 1 else 0
        for i in range(slab[0], slab[1]):
            # rows beyond a side have edges of weight 0 to a zero, or to the other end
            before, after = (i - 1) % n0, (i + 1) % n0
            first, last = 1.0 if i > 0 or periodic[0] else 0.0, 1.0 if i < n0 - 1 or periodic[0] else 0.0
            for j in range(n1):
                if len(edges) == 3:
                    mid = u[b, i, j]
                    _along(r, mid, edges[2][field, i, j], periodic[2])
                    _across(r, mid, u[b, before, j], edges[0][field, i, j], first)
                    _across(r, mid, u[b, after, j], edges[0][field, i + 1, j], last)
                    left, right = 1.0 if j > 0 or periodic[1] else 0.0, 1.0 if j < n1 - 1 or periodic[1] else 0.0
                    _across(r, mid, u[b, i, (j - 1) % n1], edges[1][field, i, j], left)
                    _across(r, mid, u[b, i, (j + 1) % n1], edges[1][field, i, j + 1], right)
                    if reaction.size > 0:
                        _react(r, mid, reaction[field_c, i, j])
                else:
                    mid = u[b, i]
                    _along(r, mid, edges[1][field, i], periodic[1])
                    _across(r, mid, u[b, before], edges[0][field, i], first)
                    _across(r, mid, u[b, after], edges[0][field, i + 1], last)
                    if reaction.size > 0:
                        _react(r, mid, reaction[field_c, i])
                for k in range(n):
                    solution2 += np.float64(mid[k]) * np.float64(mid[k])
                at = (b * n0 + i) * n1 + j
                if out.size > 0:
                    for k in range(n):
                        flat_out[at * n + k] = r[k]
                if f.size > 0:
                    for k in range(n):
                        left_over = np.float64(flat_f[at * n + k]) - r[k]
                        residual2 += left_over * left_over
        sums[b, 0] += residual2
        sums[b, 1] += solution2


@numba.njit(**rows.ROW)
def _along(r, x, e, periodic):
    """r = the flux along the row."""
    n = len(r)
    for k in range(1, n - 1):
        here = np.float64(x[k])
        r[k] = e[k] * (here - x[k - 1]) + e[k + 1] * (here - x[k + 1])
    for k in (0, n - 1):
        low = x[k - 1] if k > 0 else (x[n - 1] if periodic else x.dtype.type(0))
        high = x[k + 1] if k < n - 1 else (x[0] if periodic else x.dtype.type(0))
        here = np.float64(x[k])
        r[k] = e[k] * (here - low) + e[k + 1] * (here - high)


@numba.njit(**rows.ROW)
def _across(r, x, other, e, weight):
    """r += the flux to another row, of weight 0 where that is zero."""
    for k in range(len(r)):
        r[k] += e[k] * (np.float64(x[k]) - weight * other[k])


@numba.njit(**rows.ROW)
def _react(r, x, c):
    for k in range(len(r)):
        r[k] += c[k] * np.float64(x[k])
