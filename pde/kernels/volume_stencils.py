"""`pde.kernels.stencils` of 7-point operators: what is known of their edges, in one pass for planes (from, to)."""

from __future__ import annotations

import numba
import numpy as np

from . import rows, stencils


@numba.njit(**rows.SWEEP)
def survey(span, edges0, edges1, edges2, reaction, out):
    """`stencils.survey`. span: of points along axis 0."""
    n1, n2 = edges0.shape[2], edges0.shape[3]
    none = np.zeros(n2, edges0.dtype)
    least, least_diagonal = np.full(n2, np.inf, edges0.dtype), np.full(n2, np.inf, edges0.dtype)
    most, ratio = np.zeros(n2, edges0.dtype), np.zeros(n2, edges0.dtype)
    for b in range(max(len(edges0), len(reaction))):
        field = b if len(edges0) > 1 else 0
        field_c = b if len(reaction) > 1 else 0
        for i in range(span[0], span[1]):
            for j in range(n1):
                c = reaction[field_c, i, j] if reaction.size > 0 else none
                _look(least, least_diagonal, most, ratio, edges0[field, i, j], edges0[field, i + 1, j],
                      edges1[field, i, j], edges1[field, i, j + 1], edges2[field, i, j], c)  # fmt: skip
    out[0], out[1], out[2], out[3] = least.min(), least_diagonal.min(), most.max(), ratio.max()


@numba.njit(**rows.ROW)
def _look(least, least_diagonal, most, ratio, above, below, left, right, west, c):
    """What a row adds to the extremes of each column."""
    for k in range(len(least)):
        one, other = min(above[k], below[k]), min(left[k], right[k])
        low = min(min(one, other), min(west[k], west[k + 1]))
        around = (above[k] + below[k]) + (left[k] + right[k]) + (west[k] + west[k + 1])
        diagonal = around + c[k]
        total = around + diagonal
        share = total / diagonal
        least[k] = low if low < least[k] else least[k]
        least_diagonal[k] = diagonal if diagonal < least_diagonal[k] else least_diagonal[k]
        most[k] = total if total > most[k] else most[k]
        ratio[k] = share if share > ratio[k] else ratio[k]


@numba.njit(**rows.SWEEP)
def steep(span, edges, share0, share1, share2, bound, out):
    """out = how many neighbouring edges of one direction differ by more than `bound`.

    edges: (B, e0, e1, e2). share: of each axis, what a constant coefficient makes of them; zero at Neumann sides,
    whose edges are left out. span: of planes.
    """
    count = 0
    _, e0, e1, e2 = edges.shape
    begin, end = int(share2[0] == 0), e2 - int(share2[e2 - 1] == 0)
    for b in range(len(edges)):
        for i in range(span[0], span[1]):
            for j in range(e1):
                if share0[i] == 0 or share1[j] == 0:
                    continue
                x = edges[b, i, j]
                count += stencils.beside(x[begin:end], share2[begin:end], bound)
                if j < e1 - 1:
                    count += stencils.between(x, edges[b, i, j + 1], share1[j], share1[j + 1], bound)
                if i < e0 - 1:
                    count += stencils.between(x, edges[b, i + 1, j], share0[i], share0[i + 1], bound)
    out[0] = count
