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

from . import constant, prefetch, rows, tables, varying
from . import instructions as ins
from .restriction import complete
from .start import ADDED, CORRECTED, GIVEN, ZERO, copy, read
from .tables import AXIS, KEPT, POINTS
from .views import part, rest


@numba.njit(**rows.SWEEP)
def run(
    instructions, layout, numbers, indices, fields, values, sources, solutions, data, corrections, residuals,
    aboves, belows, sums,
):  # fmt: skip
    """Do what `pde.kernels.instructions` say, one after the other, on levels of two dimensions.

    layout, numbers, indices, fields: `pde.kernels.tables`. values: ω of all steps, and the coarsest inverse. A sweep:
    solutions <- S(the start), residuals <- R(data - A u), sums[b] += (‖f - A u‖², ‖u‖²) of its slab; sources may be
    solutions, corrections are e or coarse solutions; all flat. aboves, belows: (B, S + 2, n1), what sources
    have beside a slab, beyond the ends of a periodic axis too.

    It is one function, since what a compiled function calls is compiled with it once more; and it is compiled for
    either kind of operator, as the length of the tuple `fields` is known before its parts are looked at.
    """
    for q in range(len(instructions)):
        one = instructions[q]
        level = layout[one[ins.LEVEL]]
        first, second = part(level, tables.HEAD + AXIS, AXIS), part(level, tables.HEAD + 2 * AXIS, AXIS)
        if one[ins.KIND] != ins.SWEEP:
            ins.simple(one, values, sources, corrections, solutions)
            continue

        n0, n1, m0, m1 = first[POINTS], second[POINTS], first[KEPT], second[KEPT]
        grid, slab, r0, r1 = (n0, n1, m0, m1), (one[ins.SLAB], one[ins.SLAB + 1]), one[ins.SLAB], one[ins.SLAB + 1]
        width, start, restrict = level[tables.WIDTH], one[ins.START], one[ins.RESTRICT] != 0
        axis0, axis1 = tables.axis(first, numbers, indices), tables.axis(second, numbers, indices)
        periodic0, periodic1 = axis0[0], axis1[0]
        source, u, f = rest(sources, one[ins.SOURCE]), rest(solutions, one[ins.U]), rest(data, one[ins.F])
        e, coarse = rest(corrections, one[ins.E]), rest(residuals, one[ins.COARSE])
        steps = part(values, one[ins.VALUES], one[ins.COUNT])
        n_steps = steps.size
        last = n_steps + 1 if restrict else n_steps
        halo = n_steps + 2
        above, below = rest(aboves, one[ins.ABOVE]), rest(belows, one[ins.BELOW])

        # x: rings of three rows for the start, each step and the residual, and a row to spare; rings of f where it is
        # periodic and of 1/D of fields; then what `start` and `prolonged` keep
        kept = (r1 - r0) * halo
        pitch = (min(width, n1) + 2 * halo + 47) // 16 * 16 + 8  # rows begin where vectors do
        spare = 3 * halo * pitch
        ring_f = spare + pitch
        ring_d = ring_f + ((halo + 1) * pitch if periodic1 else 0)
        left = ring_d + ((halo + 1) * pitch if len(fields) > 0 else 0)
        head = left + kept
        lines = head + (kept if periodic1 else 0)
        size = 6 * n1 + 6 if start >= CORRECTED else 0
        x = np.empty(lines + size, f.dtype)
        aligned = (prefetch.LINE - x.ctypes.data % prefetch.LINE) % prefetch.LINE // x.itemsize
        zero = x.dtype.type(0)
        rows.fill(x, lines, size, zero)  # a line that is missing has a share of zero
        which = np.empty(18, np.int64)
        right_side = x if periodic1 else f
        columns = part(indices, second[tables.IRREGULAR], second[tables.IRREGULARS])
        images = (min(width, n1) + 2 * halo) // n1 + 1  # of a column, in the rows of a strip
        mended = np.empty(2 * images * columns.size, np.int64)
        if len(fields) == 0:
            edges0, edges1 = tables.edges(first, numbers), tables.edges(second, numbers)
            constants = (*edges0, *edges1, columns, numbers[level[tables.REACTION]])
        else:
            operator = (tables.field(level, fields, 0), tables.field(level, fields, 1), tables.field(level, fields, 2),
                        level[tables.EACH] != 0, level[tables.EACH_REACTION] != 0, level[tables.PAD])  # fmt: skip

        for b in range(one[ins.BATCH], one[ins.BATCH + 1]):
            residual2, solution2 = 0.0, 0.0
            for k in range(which.size):
                which[k] = -1
            for c0 in range(0, n1, width):
                c1 = min(c0 + width, n1)
                low, high = _reach(c0, c1, halo, n1, periodic1)
                origin = (halo + 15) // 8 * 8 + aligned - c0  # of column 0 in a row of a ring
                rows.fill(x, 0, left, zero)
                count = 0
                if len(fields) == 0:
                    count = constant.find(mended, columns, low, high, n1)

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
                        if n_steps > 0 and n0 * n1 >= prefetch.FAR:
                            # a part of what the next t reads first, or writes without having read it
                            p0, p1 = c0 + s * (c1 - c0) // (last + 1), c0 + (s + 1) * (c1 - c0) // (last + 1)
                            top = b * n0
                            prefetch.row(f, top + t, top, top + n0, n1, p0, p1)
                            if start == GIVEN or start == CORRECTED:  # noqa: SIM109
                                prefetch.row(source, top + t + 1, top + r0, top + r1, n1, p0, p1)
                            else:
                                prefetch.row(u, top + t + 1 - n_steps, top + r0, top + r1, n1, p0, p1)
                            if len(fields) > 0:
                                varying.ask(b, t, n0, n1, p0, p1, operator)
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
                                varying.step(x, to, before, mid, after, ring_d + in_ring, right_side, row_f, begin, end,
                                             b, j, n0, n1, steps[s - 1], s == 1, from_zero, operator)  # fmt: skip
                        else:
                            if n_steps == 0 and start == ZERO:
                                total = rows.copy_squared(x, to + begin, right_side, row_f + begin, end - begin)
                            elif len(fields) == 0:
                                total = constant.residual(x, to, before, mid, after, right_side, row_f, begin, end, j,
                                                          constants, mended, count)  # fmt: skip
                            else:
                                total = varying.residual(x, to, before, mid, after, right_side, row_f, begin, end, b, j,
                                                         n0, n1, operator)  # fmt: skip
                            if own:
                                # the sum on the way may hold what is mended since, and columns beside the strip: too
                                # much to be taken away again
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
