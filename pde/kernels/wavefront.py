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

    All memory is taken here, so that what is compiled counts no references.
    """
    n1, halo, periodic1 = f.shape[2], steps.size + 2, axis1[0]
    kept = (slab[1] - slab[0]) * halo
    pitch = min(width, n1) + 2 * halo + 16
    # x: rings of three rows for the start, each step and the residual, and a row to spare; rings of f where it is
    # periodic and of 1/D of fields; then what `start` and `prolonged` keep
    ring_f = (3 * halo + 1) * pitch
    ring_d = ring_f + ((halo + 1) * pitch if periodic1 else 0)
    left = ring_d + ((halo + 1) * pitch if fields else 0)
    head = left + kept
    lines = head + (kept if periodic1 else 0)
    x = np.zeros(lines + (6 * n1 + 6 if start >= CORRECTED else 0), f.dtype)
    which = np.empty(18, np.int64)
    images = (min(width, n1) + 2 * halo) // n1 + 1  # of a column, in the rows of a strip
    mended = np.empty(0 if fields else 2 * images * constants[4].size, np.int64)
    arrays = [z.ravel() for z in (source, above, below, u, f, correction, coarse)]
    _travel(
        batch, slab, width, start, steps, restrict, (*f.shape[1:], *coarse.shape[1:]), *arrays, axis0, axis1,
        constants, fields, x, (pitch, ring_f, ring_d, left, head, lines), which, mended, sums,
    )  # fmt: skip


@numba.njit(**rows.SWEEP, _nrt=False)
def _travel(
    batch, slab, width, start, steps, restrict, grid, source, above, below, u, f, e, coarse, axis0, axis1,
    constants, fields, x, places, which, mended, sums,
):  # fmt: skip
    """`sweep`, compiled for each kind of operator: the length of a tuple is known before its parts are looked at."""
    n0, n1, m0, m1 = grid
    r0, r1 = slab
    periodic0, periodic1 = axis0[0], axis1[0]
    n_steps = steps.size
    last = n_steps + 1 if restrict else n_steps
    halo = n_steps + 2
    pitch, ring_f, ring_d, left, head, lines = places
    spare = 3 * halo * pitch
    right_side = x if periodic1 else f
    zero = x.dtype.type(0)

    for b in range(batch[0], batch[1]):
        residual2, solution2 = 0.0, 0.0
        which[:] = -1
        for c0 in range(0, n1, width):
            c1 = min(c0 + width, n1)
            low, high = _reach(c0, c1, halo, n1, periodic1)
            origin = halo + 8 - c0  # of column 0 in a row of a ring
            rows.fill(x, 0, left, zero)
            count = 0
            if len(fields) == 0:
                count = constant.find(mended, constants[4], low, high, n1)

            for t in range(r0 - halo if periodic0 else max(r0 - halo, 0), r1 + halo):
                for s in range(last + 1):
                    i, reach = t - s, halo - s
                    if i < r0 - reach or (not periodic0 and (i < 0 or i > n0)):
                        continue
                    own, j = r0 <= i < r1, i % n0
                    line = (b * n0 + j) * n1
                    in_ring = i % (halo + 1) * pitch + origin
                    row_f = ring_f + in_ring if periodic1 else line
                    to = _place(s, i, pitch, origin)
                    before, mid, after = _three(s - 1, i, pitch, origin)
                    begin, end = _reach(c0, c1, reach, n1, periodic1)
                    from_zero = s == 1 and start == ZERO
                    if i == n0 and not periodic0:
                        rows.fill(x, to - origin, pitch, zero)
                    elif s == 0:
                        if periodic1:
                            copy(x, row_f, f, line, low, high, n1)
                        if start != ZERO:
                            read(x, to, t, b, start, grid, slab, halo, (c0, c1, low, high), source, above, below,
                                 left, head, lines, which, e, axis0, axis1)  # fmt: skip
                    elif s <= n_steps:
                        if len(fields) == 0:
                            constant.step(x, to, before, mid, after, right_side, row_f, begin, end, j,
                                          steps[s - 1], from_zero, constants, mended, count)  # fmt: skip
                        else:
                            varying.step(x, to, before, mid, after, ring_d + in_ring, right_side, row_f, begin, end, b,
                                         j, n0, n1, steps[s - 1], s == 1, from_zero, fields)  # fmt: skip
                    else:
                        if n_steps == 0 and start == ZERO:
                            total = rows.copy_squared(x, to + begin, right_side, row_f + begin, end - begin)
                        elif len(fields) == 0:
                            total = constant.residual(x, to, before, mid, after, right_side, row_f, begin, end, j,
                                                      constants, mended, count)  # fmt: skip
                        else:
                            total = varying.residual(x, to, before, mid, after, right_side, row_f, begin, end, b, j,
                                                     n0, n1, fields)  # fmt: skip
                        if own:
                            # the sum on the way may hold what is mended since, and columns beside the strip: too much
                            # to be taken away again
                            whole = count == 0 and begin == c0 and end == c1
                            residual2 += total if whole else rows.squares(x, to + c0, c1 - c0)

                    if s == n_steps and own:
                        if start == ADDED:
                            rows.total(u, line + c0, source, line + c0, x, to + c0, c1 - c0)
                        elif n_steps > 0 or start >= CORRECTED:
                            solution2 += rows.copy_squared(u, line + c0, x, to + c0, c1 - c0)
                    if s > n_steps:
                        two, one, _ = _three(s, i - 1, pitch, origin)
                        complete(coarse, b * m0, m0, m1, x, two, one, to, spare + origin, i, slab, c0, c1,
                                 axis0, axis1)  # fmt: skip
        sums[b, 0] += residual2
        sums[b, 1] += solution2


@numba.njit(**rows.INLINE)
def _place(s, i, pitch, origin):
    """Where the ring of step s has column 0 of row i."""
    return (3 * s + i % 3) * pitch + origin


@numba.njit(**rows.INLINE)
def _three(s, i, pitch, origin):
    """The same of the rows before, at and after i."""
    return _place(s, i - 1, pitch, origin), _place(s, i, pitch, origin), _place(s, i + 1, pitch, origin)


@numba.njit(**rows.INLINE)
def _reach(c0, c1, by, n1, periodic1):
    """Columns c0 to c1, and `by` on either side where there are."""
    if periodic1:
        return c0 - by, c1 + by
    return max(c0 - by, 0), min(c1 + by, n1)
