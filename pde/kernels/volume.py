"""The sweep of a level in three dimensions: `pde.kernels.wavefront` with planes for rows, and rows for points.

A wavefront travels down the planes of axis 0: step s of the smoother computes plane t - s from three planes of step
s - 1. All steps do a few rows of their plane, then all of them the next few, so that a row is used again while it is
near. Rows of axis 2 are whole.

Where planes are large, axis 1 is cut into strips. Step s of a strip does the rows that lie s before those that are
read: it needs no row that is read later, and of the strip before it the last two rows of each step, which are kept.
Nothing is computed twice but beside slabs and beyond the ends of a periodic axis.
"""

from __future__ import annotations

import numba
import numpy as np

from . import instructions as ins
from . import nested, prefetch, rows, tables, volume_constant, volume_varying
from .start import ADDED, CORRECTED, NESTED, ZERO
from .tables import AXIS, KEPT, POINTS
from .views import part, rest
from .volume_restriction import accumulate
from .volume_start import between, read

BLOCK = 16  # rows that a step does at a time
PAD = 16  # points before and after a row


@numba.njit(**rows.SWEEP)
def run(
    instructions, layout, numbers, indices, fields, values, sources, solutions, data, corrections, residuals,
    aboves, belows, sums,
):  # fmt: skip
    """`wavefront.run` in three dimensions; aboves, belows: (B, S + 2, n1, n2).

    Strips are of so many rows as the level's width says.
    """
    for q in range(len(instructions)):
        one = instructions[q]
        level = layout[one[ins.LEVEL]]
        first, second = part(level, tables.HEAD, AXIS), part(level, tables.HEAD + AXIS, AXIS)
        third = part(level, tables.HEAD + 2 * AXIS, AXIS)
        if one[ins.KIND] != ins.SWEEP:
            ins.simple(one, values, sources, corrections, solutions)
            continue

        points, coarse_points = (first[POINTS], second[POINTS], third[POINTS]), (first[KEPT], second[KEPT], third[KEPT])
        slab, width, start, restrict = (
            (one[ins.SLAB], one[ins.SLAB + 1]),
            level[tables.WIDTH],
            one[ins.START],
            one[ins.RESTRICT] != 0,
        )
        axis0, axis1 = tables.axis(first, numbers, indices), tables.axis(second, numbers, indices)
        axis2 = tables.axis(third, numbers, indices)
        flat_u, flat_e = rest(solutions, one[ins.U]), rest(corrections, one[ins.E])
        flat_source, flat_f, flat_coarse = (
            rest(sources, one[ins.SOURCE]),
            rest(data, one[ins.F]),
            rest(residuals, one[ins.COARSE]),
        )
        steps = part(values, one[ins.VALUES], one[ins.COUNT])
        if len(fields) == 0:
            edges0, edges1 = tables.edges(first, numbers), tables.edges(second, numbers)
            edges2, columns = (
                tables.edges(third, numbers),
                part(indices, third[tables.IRREGULAR], third[tables.IRREGULARS]),
            )
            constants = (*edges0, *edges1, *edges2, columns, numbers[level[tables.REACTION]])
        else:
            operator = (tables.field(level, fields, 0), tables.field(level, fields, 1), tables.field(level, fields, 2),
                        tables.field(level, fields, 3), level[tables.EACH] != 0,
                        level[tables.EACH_REACTION] != 0)  # fmt: skip
        periodic0, restriction0, prolongation0, first0 = axis0[0], axis0[1], axis0[2], axis0[3]
        periodic1, restriction1, prolongation1, first1 = axis1[0], axis1[1], axis1[2], axis1[3]
        periodic2, restriction2, prolongation2, first2 = axis2[0], axis2[1], axis2[2], axis2[3]
        (n0, n1, n2), (m0, m1, m2) = points, coarse_points
        r0, r1 = slab
        n_steps = steps.size
        last = n_steps + 1 if restrict else n_steps
        halo = n_steps + 2
        flat_above, flat_below = rest(aboves, one[ins.ABOVE]), rest(belows, one[ins.BELOW])
        coarsened1 = restriction1.shape[1] > 0
        to_points = prolongation2[0], prolongation2[1], prolongation2[2], prolongation2[3]  # in a loop, slices cost
        to_coarse = restriction2[0], restriction2[1], restriction2[2]

        # rows that are read, those of a strip, and the last one of the wavefront
        low, high = (-halo, n1 + halo) if periodic1 else (0, n1)
        strips = -(-(high - low) // width)
        width = -(-(high - low) // strips)
        strips = -(-(high - low) // width)
        finish = high if periodic1 else n1 + n_steps + 1
        first, end = (r0 - halo if periodic0 else max(r0 - halo, 0)), r1 + halo

        # a row of zeros, two for what is needed at once, two of the correction, three of the residual, a ring for each
        # step
        pitch = (n2 + PAD - 1) // PAD * PAD + 2 * PAD
        size = 2 * (width + n_steps + 3) + BLOCK + 1  # rows of a ring
        x = np.zeros((8 + (n_steps + 1) * size) * pitch + 3 * PAD, flat_f.dtype)
        row_0 = PAD + (64 - x.ctypes.data % 64) % 64 // x.itemsize  # vectors begin where cache lines do
        row_v, row_e, row_r, ring = row_0 + pitch, row_0 + 3 * pitch, row_0 + 5 * pitch, row_0 + 8 * pitch
        held = np.full(2, -1)  # the coarse rows in row_e
        kept = np.zeros((end - first) * 2 * (n_steps + 2) * pitch if strips > 1 else 0, flat_f.dtype)
        again = min(halo, n1)  # rows of a plane that are read once more at the other end
        head = np.zeros((r1 - r0 if strips > 1 else 1) * again * n2 if periodic1 else 0, flat_f.dtype)
        nests, far = start >= NESTED, n_steps > 0 and n0 * n1 * n2 >= prefetch.FAR
        plane, made = np.zeros(m1 * m2 if nests else 0, flat_f.dtype), np.full(m1, -1)

        for b in range(one[ins.BATCH], one[ins.BATCH + 1]):
            residual2 = 0.0
            solution2 = 0.0
            for strip in range(strips):
                c0 = low + strip * width
                c1 = c0 + width if strip < strips - 1 else finish
                height = c1 - c0 + 2
                for t in range(first, end):
                    held[0] = held[1] = -1
                    if strip > 0:
                        for s in range(last + 1):
                            for k in range(2):
                                row = ring + (s * size + _slot((t - s) * height % size + k, size)) * pitch
                                if s > n_steps:
                                    row = row_r + (c0 - s - 2 + k) % 3 * pitch
                                at = (((t - first) * (n_steps + 2) + s) * 2 + k) * pitch
                                rows.copy(x, row - PAD, kept, at, pitch)

                    for y0 in range(c0, c1, BLOCK):
                        for s in range(last + 1):
                            i = t - s
                            reach = halo - s
                            if i < r0 - reach or i >= r1 + reach or (not periodic0 and (i < 0 or i >= n0)):
                                continue
                            own = r0 <= i < r1
                            x0 = i % n0
                            begin = max(y0 - s, -reach if periodic1 else 0)
                            stop = min(min(y0 + BLOCK, c1) - s, n1 + reach if periodic1 else n1)
                            # row y of the plane is in place to + y of the ring
                            results = ring + s * size * pitch
                            to = i * height % size + s + 2 - c0
                            if s == 0:
                                if start == ZERO:
                                    continue
                                between0 = between(i, x0, m0, periodic0, prolongation0)
                                for y in range(begin, stop):
                                    x1 = y % n1
                                    if not nests and far and own:
                                        top = (b * n0 + i) * n1
                                        prefetch.row(flat_source, top + y + BLOCK, top, top + n1, n2, 0, n2)
                                    row = results + _slot(to + y, size) * pitch
                                    edge = ((i - r0 if strips > 1 else 0) * again + x1) * n2
                                    if nests:
                                        nested.read(x, row, row_v, flat_e, b * m0, (x0, x1), b * n0 + x0, coarse_points,
                                                    plane, made, axis0, axis1, axis2)  # fmt: skip
                                    else:
                                        read(x, row, y, i, b, start, slab, halo, points, coarse_points, flat_source,
                                             flat_above, flat_below, head, edge, again, between0, held, row_e, row_v,
                                             pitch, flat_e, periodic1, prolongation1, periodic2, to_points)  # fmt: skip
                                    if periodic2:
                                        x[row - 1], x[row + n2] = x[row + n2 - 1], x[row]
                                    if n_steps == 0 and own and 0 <= y < n1:
                                        at = ((b * n0 + i) * n1 + y) * n2
                                        if start == ADDED:
                                            rows.total(flat_u, at, flat_source, at, x, row, n2)
                                        elif start >= CORRECTED:
                                            solution2 += rows.copy_squared(flat_u, at, x, row, n2)
                                continue

                            operands = ring + (s - 1) * size * pitch
                            at_operand = i * height % size + s + 1 - c0
                            for y in range(begin, stop):
                                x1 = y % n1
                                at = ((b * n0 + x0) * n1 + x1) * n2
                                k = _slot(at_operand + y, size)
                                mid = operands + k * pitch
                                before = operands + _slot(k + size - height, size) * pitch
                                after = operands + _slot(k + height, size) * pitch
                                north = operands + _slot(k + size - 1, size) * pitch
                                south = operands + _slot(k + 1, size) * pitch
                                if not periodic0:
                                    before, after = row_0 if i == 0 else before, row_0 if i == n0 - 1 else after
                                if not periodic1:
                                    north, south = row_0 if y == 0 else north, row_0 if y == n1 - 1 else south
                                near = before, after, north, mid, south
                                if far:  # what the next block reads first, or writes without having read it
                                    top = (b * n0 + x0) * n1
                                    if s == 1:
                                        prefetch.row(flat_f, top + y + BLOCK, top, top + n1, n2, 0, n2)
                                    if s == n_steps and own and (nests or start == ZERO):
                                        prefetch.row(flat_u, top + y + BLOCK, top, top + n1, n2, 0, n2)
                                if s <= n_steps:
                                    row = results + _slot(to + y, size) * pitch
                                    omega, from_zero = steps[s - 1], s == 1 and start == ZERO
                                    if len(fields) == 0:
                                        volume_constant.step(x, row, near, flat_f, at, x0, x1, n2, omega, from_zero,
                                                             constants)  # fmt: skip
                                    else:
                                        volume_varying.step(x, row, near, row_0, flat_f, at, b, x0, x1, points, omega,
                                                            from_zero, operator)  # fmt: skip
                                    if periodic2:
                                        x[row - 1], x[row + n2] = x[row + n2 - 1], x[row]
                                    if s == n_steps and own and 0 <= y < n1:
                                        solution2 += rows.copy_squared(flat_u, at, x, row, n2)
                                    continue

                                row = row_r + y % 3 * pitch
                                if len(fields) == 0:
                                    total = volume_constant.residual(x, row, near, flat_f, at, x0, x1, n2, constants)
                                else:
                                    total = volume_varying.residual(x, row, near, row_0, flat_f, at, b, x0, x1, points,
                                                                    operator)  # fmt: skip
                                if own and 0 <= y < n1:
                                    residual2 += total
                                # rows that have their neighbours now: the one before, where they are needed
                                ready = y + 1 if not coarsened1 or (y == n1 - 1 and not periodic1) else y
                                for middle in range(y - 1 if coarsened1 else y, ready):
                                    accumulate(middle, i, b, flat_coarse, x, row_0, row_v, row_r, pitch, slab, points,
                                               coarse_points, restriction0, first0, periodic0, restriction1, first1,
                                               periodic1, to_coarse, first2, periodic2)  # fmt: skip

                    if strip < strips - 1:
                        for s in range(last + 1):
                            for k in range(2):
                                row = ring + (s * size + _slot((t - s) * height % size + height - 2 + k, size)) * pitch
                                if s > n_steps:
                                    row = row_r + (c1 - s - 2 + k) % 3 * pitch
                                at = (((t - first) * (n_steps + 2) + s) * 2 + k) * pitch
                                rows.copy(kept, at, x, row - PAD, pitch)
            sums[b, 0] += residual2
            sums[b, 1] += solution2


@numba.njit(**rows.LENT)
def _slot(k, size):
    """k modulo size, of k below 2 size."""
    return k - size if k >= size else k
