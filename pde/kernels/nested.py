"""The start of a level in nested iteration: the coarse solution, interpolated to a higher order (see
`pde.coarsening`)."""

from __future__ import annotations

import numba

from . import rows


@numba.njit(**rows.SWEEP)
def interpolate(batch, slab, coarse, fine, index0, weights0, index1, weights1, first2, index2, weights2):
    """fine <- the interpolation of coarse, for the planes of a slab.

    coarse: (B, m0, m1, m2), fine: (B, n0, n1, n2); in two dimensions n0 = m0 = 1. index0, weights0: (n0, 6) and so for
    axis 1, the coarse points that each point takes its value from: one (the others -1), or up to six. index2, weights2:
    (between, 6), of the points between two of the last axis, all of which are kept where there are none.
    """
    m0, m1, m2 = coarse.shape[1], coarse.shape[2], coarse.shape[3]
    n0, n1, n2 = fine.shape[1], fine.shape[2], fine.shape[3]
    x, y = coarse.reshape(-1), fine.reshape(-1)
    line = coarse.reshape(-1)[:m2].copy()
    between = len(index2)
    for b in range(batch[0], batch[1]):
        for at in range(slab[0], slab[1]):
            i, j = at // n1, at % n1
            rows.fill(line, 0, m2, line.dtype.type(0))
            for p in range(6):
                for q in range(6):
                    k, m = index0[i, p], index1[j, q]
                    if k >= 0 and m >= 0:
                        rows.add_scaled(line, 0, x, ((b * m0 + k) * m1 + m) * m2, m2,
                                        weights0[i, p] * weights1[j, q])  # fmt: skip
            to = ((b * n0 + i) * n1 + j) * n2
            if between == 0:
                rows.copy(y, to, line, 0, m2)
                continue
            for k in range(m2):
                y[to + 2 * k + first2] = line[k]
            to += 1 - first2
            for k in range(between):
                total = line.dtype.type(0)
                for q in range(6):
                    total += weights2[k, q] * line[index2[k, q]]
                y[to + 2 * k] = total
