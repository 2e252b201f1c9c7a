"""The sweep of a level in two dimensions: everything that a level does between two transfers, in one pass.

A wavefront travels down the rows. When row t of u has been read (and corrected), step s of the smoother computes row
t - s from three rows of step s - 1, the last step's row is written, and the residual one row behind it is restricted.
Rows wait in a ring that stays in cache; columns are cut into strips that are narrow enough for that. So u is read and
written once and f read once, however many steps there are.

A thread has a slab of rows, and the rows beside it as they were (`above`, `below`); a strip keeps its neighbour's
columns as they were. Steps are repeated in the overlap: the result is that of one step after the other.
"""

from __future__ import annotations

import numba
import numpy as np

from . import constant, rows, varying
from .restriction import complete
from .start import ADDED, CORRECTED, ZERO, copy, read


@numba.njit(**rows.SWEEP)
def sweep(
    batch, slab, width, start, steps, restrict, source, u, f, above, below, correction, coarse, axis0, axis1,
    constants, fields, sums,
):  # fmt: skip
    """u <- S(the start), coarse <- R(f - A u), sums[b] += (‖f - A u‖², ‖u‖²) of the slab.

    batch, slab: (from, to) of right-hand sides and rows. width: of a strip, even. steps: (S,), ω of each step.
    restrict: whether the residual is computed. source, u, f: (B, n0, n1), source may be u; above, below:
    (B, S + 2, n1) of source; correction (e, or the coarse solution), coarse: (B, m0, m1).
    axis0, axis1: periodic, restriction, prolongation, first, index and weights of each, see `pde.kernels.plan`; of
    axis 1 those of the points between alone, weights as (6, between).
    constants: the operator of `constant`, or () and fields that of `varying`.
    """
    n0, n1 = f.shape[1], f.shape[2]
    halo, own = steps.size + 2, (slab[1] - slab[0]) * (steps.size + 2)
    periodic1 = axis1[0]
    pitch = min(width, n1) + 2 * halo + 16
    # three rows of the start, of each step and of the residual, and one to spare; f where it is periodic, 1/D of fields
    depth = halo + 1
    n_rows = 3 * halo + 1 + (depth if periodic1 else 0) + (depth if len(fields) > 0 else 0)
    stages = np.empty(n_rows * pitch, f.dtype)
    kept = np.zeros(own, f.dtype), np.zeros(own if periodic1 else 0, f.dtype)
    lines = (
        np.zeros(6 * n1 if start >= CORRECTED else 0, f.dtype),
        np.empty(6, np.int64), np.empty(6, np.int64), np.empty(6, np.int64), np.empty(6, f.dtype),
    )  # fmt: skip
    images = (min(width, n1) + 2 * halo) // n1 + 1  # of a column, in the rows of a strip
    mended = np.empty((2, images * constants[4].size if len(fields) == 0 else 0), np.int64)
    work = stages, pitch, depth, kept, lines, mended
    sources = source.reshape(-1), above.reshape(-1), below.reshape(-1)
    arrays = sources, u.reshape(-1), f.reshape(-1), correction.reshape(-1), coarse.reshape(-1)
    grid = n0, n1, coarse.shape[1], coarse.shape[2]
    for b in range(batch[0], batch[1]):
        lines[1][:] = -1
        for c0 in range(0, n1, width):
            residual2, solution2 = _strip(b, slab, c0, min(c0 + width, n1), start, steps, restrict, grid, arrays, work,
                                          axis0, axis1, constants, fields)  # fmt: skip
            sums[b, 0] += residual2
            sums[b, 1] += solution2


@numba.njit(**rows.LENT)
def _strip(b, slab, c0, c1, start, steps, restrict, grid, arrays, work, axis0, axis1, constants, fields):
    """The sweep of columns c0 to c1, and its ‖f - A u‖² and ‖u‖².

    It is compiled for each kind of operator: the length of a tuple is known before its elements are looked at.
    """
    n0, n1, m0, m1 = grid
    r0, r1 = slab
    periodic0, periodic1 = axis0[0], axis1[0]
    n_steps = steps.size
    last = n_steps + 1 if restrict else n_steps
    halo = n_steps + 2
    sources, u, f, e, coarse = arrays
    stages, pitch, depth, kept, lines, mended = work
    spare = 3 * halo * pitch
    ring_f = spare + pitch
    ring_d = ring_f + (depth * pitch if periodic1 else 0)
    right_side = stages if periodic1 else f
    low, high = _reach(c0, c1, halo, n1, periodic1)
    origin = halo + 8 - c0  # of column 0 in a row of the ring
    zero = stages.dtype.type(0)
    rows.fill(stages, 0, stages.size, zero)
    count = 0
    if len(fields) == 0:
        count = constant.find(mended, constants[4], low, high, n1)
    residual2, solution2 = 0.0, 0.0

    for t in range(r0 - halo if periodic0 else max(r0 - halo, 0), r1 + halo):
        for s in range(last + 1):
            i, reach = t - s, halo - s
            if i < r0 - reach or (not periodic0 and (i < 0 or i > n0)):
                continue
            own, j = r0 <= i < r1, i % n0
            line = (b * n0 + j) * n1
            row_f = ring_f + i % depth * pitch + origin if periodic1 else line
            to = _place(s, i, pitch, origin)
            before, mid, after = _three(s - 1, i, pitch, origin)
            begin, end = _reach(c0, c1, reach, n1, periodic1)
            if i == n0 and not periodic0:
                rows.fill(stages, to - origin, pitch, zero)
            elif s == 0:
                if periodic1:
                    copy(stages, row_f, f, line, low, high, n1)
                if start != ZERO:
                    read(stages, to, t, b, start, grid, slab, halo, (c0, c1, low, high), sources, kept, lines,
                         e, axis0, axis1)  # fmt: skip
            elif s <= n_steps:
                if len(fields) == 0:
                    constant.step(stages, to, before, mid, after, right_side, row_f, begin, end, j,
                                  steps[s - 1], s == 1 and start == ZERO, constants, mended, count)  # fmt: skip
                else:
                    gain = ring_d + i % depth * pitch + origin
                    varying.step(stages, to, before, mid, after, gain, right_side, row_f, begin, end, b, j,
                                 n0, n1, steps[s - 1], s == 1, s == 1 and start == ZERO, fields)  # fmt: skip
            else:
                if n_steps == 0 and start == ZERO:
                    total = rows.copy_squared(stages, to + begin, right_side, row_f + begin,
                                              end - begin)  # fmt: skip
                elif len(fields) == 0:
                    total = constant.residual(stages, to, before, mid, after, right_side, row_f, begin, end, j,
                                              constants, mended, count)  # fmt: skip
                else:
                    total = varying.residual(stages, to, before, mid, after, right_side, row_f, begin, end, b,
                                             j, n0, n1, fields)  # fmt: skip
                if own:
                    # the sum on the way may hold what is mended since, and columns beside the strip: too much
                    # to be taken away again
                    whole = count == 0 and begin == c0 and end == c1
                    residual2 += total if whole else rows.squares(stages, to + c0, c1 - c0)

            if s == n_steps and own:
                if start == ADDED:
                    rows.total(u, line + c0, sources[0], line + c0, stages, to + c0, c1 - c0)
                elif n_steps > 0 or start >= CORRECTED:
                    solution2 += rows.copy_squared(u, line + c0, stages, to + c0, c1 - c0)
            if s > n_steps:
                two, one, _ = _three(s, i - 1, pitch, origin)
                complete(coarse, b * m0, m0, m1, stages, two, one, to, spare + origin, i, slab, c0, c1,
                         axis0, axis1)  # fmt: skip
    return residual2, solution2


@numba.njit(**rows.LENT)
def _place(s, i, pitch, origin):
    """Where the ring of step s has column 0 of row i."""
    return (3 * s + i % 3) * pitch + origin


@numba.njit(**rows.LENT)
def _three(s, i, pitch, origin):
    """The same of the rows before, at and after i."""
    return _place(s, i - 1, pitch, origin), _place(s, i, pitch, origin), _place(s, i + 1, pitch, origin)


@numba.njit(**rows.LENT)
def _reach(c0, c1, by, n1, periodic1):
    """Columns c0 to c1, and `by` on either side where there are."""
    if periodic1:
        return c0 - by, c1 + by
    return max(c0 - by, 0), min(c1 + by, n1)
