"""The sweep of a level in three dimensions: `pde.kernels.plane` with planes for rows, and rows for columns.

A wavefront travels down the planes of axis 0: step s of the smoother computes plane t - s from three planes of step
s - 1. All steps do a few rows of their plane, then all of them the next few, so that a row is used again while it is
near. Rows of axis 2 are whole.

Where planes are large, axis 1 is cut into strips. Step s of a strip does the rows that lie s before those of the
source: it needs no row that comes later, and of the earlier strip the last two rows of each step, which are kept.
Nothing is computed twice but beside slabs and beyond the ends of a periodic axis.
"""

from __future__ import annotations

import numba
import numpy as np
from numba import uintp

from . import rows
from .plane import CORRECTED, GIVEN, ZERO

BLOCK = 4  # rows of each step at a time
PAD = 8  # points before and after a row of the ring

__all__ = ["CORRECTED", "GIVEN", "ZERO", "sweep"]


@numba.njit(**rows.ROW)
def sweep(
    batch, slab, width, start, steps, restrict,  # fmt: skip
    source, u, f, above, below, correction, coarse,
    edges0, widths0, periodic0, restriction0, prolongation0, first0,
    edges1, widths1, periodic1, restriction1, prolongation1, first1,
    edges2, widths2, periodic2, restriction2, prolongation2, first2, irregular,
    reaction, sums,
):
    """u <- S(source + P correction), coarse <- R(f - A u), sums[b] += (‖f - A u‖², ‖u‖²) of the slab.

    batch, slab: (from, to) of right-hand sides and planes. width: rows in a strip. start: `ZERO`, ... steps: (S,), ω of
    each. restrict: whether the residual is computed. source, u, f: (B, n0, n1, n2), source may be u; above, below:
    (B, halo, n1, n2) of source; correction, coarse: (B, m0, m1, m2). edges, widths: see `pde.kernels.plan`; irregular:
    points of axis 2.
    """
    n0, n1, n2 = f.shape[1], f.shape[2], f.shape[3]
    m0, m1, m2 = coarse.shape[1], coarse.shape[2], coarse.shape[3]
    r0, r1 = slab
    n_steps = steps.size
    last = n_steps + 1 if restrict else n_steps
    halo = above.shape[1]
    coarsened0, coarsened1 = restriction0.shape[1] > 0, restriction1.shape[1] > 0
    coarsened2 = restriction2.shape[1] > 0
    flat_source, flat_u, flat_f = source.reshape(-1), u.reshape(-1), f.reshape(-1)
    flat_above, flat_below = above.reshape(-1), below.reshape(-1)
    flat_e, flat_coarse = correction.reshape(-1), coarse.reshape(-1)
    zero, one = f.dtype.type(0), f.dtype.type(1)
    beside = edges2[n2 // 2]  # where a point of a row is regular

    # rows of the strips' source, and of the loop over the last of them
    low, high = (-halo, n1 + halo) if periodic1 else (0, n1)
    finish = high if periodic1 else n1 + n_steps + 1
    strips = max(1, -(-(high - low) // width))
    width = -(-(high - low) // strips)
    strips = -(-(high - low) // width)
    tallest = width + n_steps + 3
    first, end = (r0 - halo, r1 + halo) if periodic0 else (max(r0 - halo, 0), r1 + halo)

    # a row of zeros, one of the correction, one of the residual, three restricted ones; then the ring of each step
    pitch = (n2 + 7) // 8 * 8 + 2 * PAD
    ring = 6 * pitch
    stages = np.zeros(ring + (n_steps + 1) * (2 * tallest + 2) * pitch, f.dtype)
    row_0, row_e, row_r, row_h = PAD, pitch + PAD, 2 * pitch + PAD, 3 * pitch + PAD
    kept = np.zeros((end - first) * (n_steps + 2) * 2 * pitch if strips > 1 else 0, f.dtype)
    rim = min(halo, n1)
    head = np.zeros((r1 - r0 if strips > 1 else 1) * rim * n2 if periodic1 else 0, f.dtype)

    for b in range(batch[0], batch[1]):
        residual2 = 0.0
        solution2 = 0.0
        for strip in range(strips):
            c0 = low + strip * width
            c1 = c0 + width if strip < strips - 1 else finish
            height = c1 - c0 + 2
            size = 2 * height + 2  # rows in the ring of a step
            for t in range(first, end):
                if strip > 0:
                    for s in range(last + 1):
                        at = ((t - first) * (n_steps + 2) + s) * 2 * pitch
                        for k in range(2):
                            if s <= n_steps:
                                to = ring + (s * size + _slot((t - s) * height % size + k, size)) * pitch
                            else:
                                to = row_h - PAD + (c0 - s - 2 + k) % 3 * pitch
                            rows.copy(stages, uintp(to), kept, uintp(at + k * pitch), uintp(pitch))

                for y0 in range(c0, c1, BLOCK):
                    y1 = min(y0 + BLOCK, c1)
                    for s in range(last + 1):
                        i = t - s
                        reach = halo - s
                        if i < r0 - reach or i >= r1 + reach:
                            continue
                        if not periodic0 and (i < 0 or i >= n0):
                            continue
                        begin = max(y0 - s, -reach if periodic1 else 0)
                        stop = min(y1 - s, n1 + reach if periodic1 else n1)
                        own = r0 <= i < r1
                        j0 = i % n0
                        to = ring + (s * size) * pitch + PAD
                        place = i * height % size + s + 2 - c0  # of row y in its ring: place + y

                        if s == 0:
                            if start == ZERO:
                                continue
                            if start == CORRECTED:
                                near0, far0, a0, b0 = _between(i, j0, m0, periodic0, prolongation0)
                            for y in range(begin, stop):
                                j1 = y % n1
                                row = to + _slot(place + y, size) * pitch
                                if not own:
                                    values = flat_above if i < r0 else flat_below
                                    at = ((b * halo + (i - r0 + halo if i < r0 else i - r1)) * n1 + j1) * n2
                                elif y >= n1:
                                    values = head
                                    at = ((i - r0 if strips > 1 else 0) * rim + j1) * n2
                                else:
                                    values = flat_source
                                    at = ((b * n0 + i) * n1 + j1) * n2
                                    if periodic1 and 0 <= y < rim:
                                        save = ((i - r0 if strips > 1 else 0) * rim + y) * n2
                                        rows.copy(head, uintp(save), values, uintp(at), uintp(n2))
                                if start == CORRECTED:
                                    near1, far1, a1, b1 = _between(y, j1, m1, periodic1, prolongation1)
                                    _corrected(stages, row, row_e, values, at, flat_e,
                                               ((b * m0 + near0) * m1 + near1) * m2, ((b * m0 + near0) * m1 + far1) * m2,
                                               ((b * m0 + far0) * m1 + near1) * m2, ((b * m0 + far0) * m1 + far1) * m2,
                                               n2, m2, a0 * a1, a0 * b1, b0 * a1, b0 * b1, periodic2, prolongation2)  # fmt: skip
                                else:
                                    rows.copy(stages, uintp(row), values, uintp(at), uintp(n2))
                                if periodic2:
                                    stages[row - 1], stages[row + n2] = stages[row + n2 - 1], stages[row]
                                if n_steps == 0 and start == CORRECTED and own and 0 <= y < n1:
                                    solution2 += rows.copy_squared(flat_u, uintp(((b * n0 + i) * n1 + y) * n2), stages,
                                                                   uintp(row), uintp(n2))  # fmt: skip
                            continue

                        # the three planes that are read, and the edges to them
                        here = ring + ((s - 1) * size) * pitch + PAD
                        seat = i * height % size + s + 1 - c0
                        no_before, no_after = not periodic0 and i == 0, not periodic0 and i == n0 - 1
                        up, down, w0 = edges0[j0], edges0[j0 + 1], widths0[j0]
                        omega = steps[s - 1] if s <= n_steps else one
                        for y in range(begin, stop):
                            j1 = y % n1
                            w1 = widths1[j1]
                            above0, below0, above1, below1 = w1 * up, w1 * down, w0 * edges1[j1], w0 * edges1[j1 + 1]
                            w = w0 * w1
                            diagonal = (above0 + below0) + (above1 + below1) + w * (beside + beside + reaction)
                            q = _slot(seat + y, size)
                            mid = here + q * pitch
                            before = row_0 if no_before else here + _slot(q + size - height, size) * pitch
                            after = row_0 if no_after else here + _slot(q + height, size) * pitch
                            north = row_0 if y == 0 and not periodic1 else here + _slot(q + size - 1, size) * pitch
                            south = row_0 if y == n1 - 1 and not periodic1 else here + _slot(q + 1, size) * pitch
                            at = ((b * n0 + j0) * n1 + j1) * n2
                            if s <= n_steps:
                                row = to + _slot(place + y, size) * pitch
                                if s == 1 and start == ZERO:
                                    rows.scaled(stages, uintp(row), flat_f, uintp(at), uintp(n2), omega / diagonal)
                                else:
                                    rows.relax6(stages, uintp(row), uintp(before), uintp(after), uintp(north), uintp(mid),
                                                uintp(south), flat_f, uintp(at), uintp(n2), one - omega, omega / diagonal,
                                                above0, below0, above1, below1, w * beside)  # fmt: skip
                                for x in irregular:
                                    d, r = _irregular(stages, before + x, after + x, north + x, mid + x, south + x,
                                                      flat_f[at + x], above0, below0, above1, below1, w, edges2[x],
                                                      edges2[x + 1], widths2[x], reaction)  # fmt: skip
                                    stages[row + x] = stages[mid + x] + omega * r / d
                                if periodic2:
                                    stages[row - 1], stages[row + n2] = stages[row + n2 - 1], stages[row]
                                if s == n_steps and own and 0 <= y < n1:
                                    solution2 += rows.copy_squared(flat_u, uintp(at), stages, uintp(row), uintp(n2))
                                continue

                            h = row_h + y % 3 * pitch
                            row = row_r if coarsened2 else h
                            total = rows.defect6(stages, uintp(row), uintp(before), uintp(after), uintp(north), uintp(mid),
                                                 uintp(south), flat_f, uintp(at), uintp(n2), diagonal, above0, below0, above1,
                                                 below1, w * beside)  # fmt: skip
                            for x in irregular:
                                total -= np.float64(stages[row + x]) ** 2
                                _, stages[row + x] = _irregular(stages, before + x, after + x, north + x, mid + x, south + x,
                                                                flat_f[at + x], above0, below0, above1, below1, w,
                                                                edges2[x], edges2[x + 1], widths2[x], reaction)  # fmt: skip
                                total += np.float64(stages[row + x]) ** 2
                            if own and 0 <= y < n1:
                                residual2 += total
                            if coarsened2:
                                if periodic2:
                                    stages[row - 1], stages[row + n2] = stages[row + n2 - 1], stages[row]
                                rows.gather(stages, uintp(h), stages, uintp(row_r + first2), uintp(m2), restriction2[0],
                                            restriction2[1], restriction2[2], uintp(0))  # fmt: skip
                            # the rows around which three restricted ones are there now
                            for middle in range(y - 1, y + (1 if y == n1 - 1 and not periodic1 else 0)) if coarsened1 else range(y, y + 1):
                                if middle < 0 or middle >= n1:
                                    continue
                                if coarsened1:
                                    l = (middle - first1) // 2
                                    if (middle - first1) % 2 != 0 or l < 0 or l >= m1:
                                        continue
                                    weights1 = restriction1[0, l], restriction1[1, l], restriction1[2, l]
                                else:
                                    l = middle
                                    weights1 = zero, one, zero
                                row0 = row_0 if middle == 0 and not periodic1 else row_h + (middle - 1) % 3 * pitch
                                row1 = row_h + middle % 3 * pitch
                                row2 = row_0 if middle == n1 - 1 and not periodic1 else row_h + (middle + 1) % 3 * pitch
                                if not coarsened1:
                                    row0 = row2 = row1
                                for d in range(-1, 2):
                                    centre = i - d
                                    if centre < r0 or centre >= r1:
                                        continue
                                    if coarsened0:
                                        k = (centre - first0) // 2
                                        if (centre - first0) % 2 != 0 or k < 0 or k >= m0:
                                            continue
                                        weight = restriction0[d + 1, k]
                                    elif d != 0:
                                        continue
                                    else:
                                        k, weight = i, one
                                    place_c = ((b * m0 + k) * m1 + l) * m2
                                    fresh = d == -1 or not coarsened0 or (d == 0 and centre == 0 and not periodic0)
                                    if fresh:
                                        rows.sum3(flat_coarse, uintp(place_c), stages, uintp(row0), uintp(row1), uintp(row2),
                                                  uintp(m2), weight * weights1[0], weight * weights1[1],
                                                  weight * weights1[2])  # fmt: skip
                                    else:
                                        rows.add3(flat_coarse, uintp(place_c), stages, uintp(row0), uintp(row1), uintp(row2),
                                                  uintp(m2), weight * weights1[0], weight * weights1[1],
                                                  weight * weights1[2])  # fmt: skip

                if strip < strips - 1:
                    for s in range(last + 1):
                        at = ((t - first) * (n_steps + 2) + s) * 2 * pitch
                        for k in range(2):
                            if s <= n_steps:
                                row = ring + (s * size + _slot((t - s) * height % size + height - 2 + k, size)) * pitch
                            else:
                                row = row_h - PAD + (c1 - s - 2 + k) % 3 * pitch
                            rows.copy(kept, uintp(at + k * pitch), stages, uintp(row), uintp(pitch))
        sums[b, 0] += residual2
        sums[b, 1] += solution2


@numba.njit(**rows.ROW)
def _slot(k, size):
    """k, from 0 to 2 size - 1, modulo size."""
    return k - size if k >= size else k


@numba.njit(**rows.ROW)
def _between(i, j, m, periodic, prolongation):
    """The two coarse points around point j = i % n, and their shares in it."""
    if prolongation.shape[1] == 0:
        return j, j, prolongation.dtype.type(1), prolongation.dtype.type(0)
    pair = j // 2
    if j % 2 == 0:
        near, far, a, b = pair - 1, pair, prolongation[0, pair], prolongation[1, pair]
    else:
        near, far, a, b = pair, pair + 1, prolongation[2, pair], prolongation[3, pair]
    if periodic:
        return near % m, far % m, a, b
    return min(max(near, 0), m - 1), min(max(far, 0), m - 1), a, b  # where the share is zero


@numba.njit(**rows.ROW)
def _corrected(y, to, row_e, x, at, e, first, second, third, fourth, n, m, a, b, c, d, periodic, prolongation):
    """y = x + P e on one row: from four coarse rows one, and from that the points."""
    rows.sum4(y, uintp(row_e), e, uintp(first), uintp(second), uintp(third), uintp(fourth), uintp(m), a, b, c, d)
    if prolongation.shape[1] == 0:
        for j in range(n):
            y[to + j] = x[at + j] + y[row_e + j]
        return
    if periodic:
        y[row_e - 1], y[row_e + m] = y[row_e + m - 1], y[row_e]
    pairs = n // 2
    rows.corrected_pairs(y, uintp(to), x, uintp(at), y, uintp(row_e), uintp(pairs), prolongation[0], prolongation[1],
                         prolongation[2], prolongation[3], uintp(0))  # fmt: skip
    if n % 2 == 1:
        j = uintp(row_e + pairs)
        y[to + n - 1] = x[at + n - 1] + prolongation[0, pairs] * y[j - uintp(1)] + prolongation[1, pairs] * y[j]


@numba.njit(**rows.ROW)
def _irregular(x, before, after, north, mid, south, f, above0, below0, above1, below1, w, left, right, width, reaction):
    """Diagonal and residual of one point."""
    u = x[mid]
    flux = above0 * (u - x[before]) + below0 * (u - x[after]) + above1 * (u - x[north]) + below1 * (u - x[south])
    flux = width * flux + w * (left * (u - x[mid - 1]) + right * (u - x[mid + 1]))
    c = w * width * reaction
    return width * ((above0 + below0) + (above1 + below1)) + w * (left + right) + c, f - flux - c * u
