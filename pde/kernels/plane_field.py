"""The sweep of a level in two dimensions whose coefficients are fields: `plane`'s, with an edge for each two points.

Edges are read as they are needed, once from memory; 1/D is computed once for all steps and waits in a ring.
"""

from __future__ import annotations

import numba
import numpy as np

from . import field_rows, rows
from .plane import CORRECTED, GIVEN, NESTED, ZERO, _combine, _gather, _hold, _wrap


@numba.njit(**rows.SWEEP)
def sweep(
    batch, slab, width, start, steps, restrict, source, u, f, above, below, correction, coarse,
    periodic0, restriction0, prolongation0, first0, index0, weights0,
    periodic1, restriction1, prolongation1, first1, index1, weights1,
    edges0, edges1, reaction, sums,
):  # fmt: skip
    """u <- S(the start), coarse <- R(f - A u), sums[b] += (‖f - A u‖², ‖u‖²) of the slab.

    edges0: (B or 1, n0 + 1, pad + n1 + pad), edges1: (B or 1, n0, pad + n1 + 1 + pad), reaction: (B or 1, n0,
    pad + n1 + pad), or of no element. The pad is that of a periodic axis, S + 2 columns of the other end. The other
    arguments are those of `plane.sweep`.
    """
    n0, n1 = f.shape[1], f.shape[2]
    m0, m1 = coarse.shape[1], coarse.shape[2]
    r0, r1 = slab
    n_steps = steps.size
    halo = n_steps + 2
    pitch = min(width, n1) + 2 * halo + 16
    depth = n_steps + 3
    n_rows = 3 * (n_steps + 1)
    ring_f = n_rows * pitch
    ring_r = ring_f + (depth * pitch if periodic1 else 0)
    row_v = ring_r + 3 * pitch
    ring_d = row_v + pitch
    stages = np.zeros(ring_d + depth * pitch, f.dtype)
    lines = np.zeros(6 * n1 if start >= CORRECTED else 0, f.dtype)  # coarse rows, prolonged along axis 1
    held, needs, places = np.full(6, -1), np.empty(6, np.int64), np.empty(6, np.int64)  # which ones
    shares = np.empty(6, f.dtype)
    left = np.zeros((r1 - r0) * halo, f.dtype)
    head = np.zeros((r1 - r0) * halo if periodic1 else 0, f.dtype)
    flat0, flat1, flat_c = edges0.reshape(-1), edges1.reshape(-1), reaction.reshape(-1)
    pad = (edges0.shape[2] - n1) // 2
    pitch0, pitch1 = n1 + 2 * pad, n1 + 1 + 2 * pad
    reacting = reaction.size > 0
    coarsened0, coarsened1 = prolongation0.shape[1] > 0, prolongation1.shape[1] > 0
    flat_source, flat_u, flat_f = source.reshape(-1), u.reshape(-1), f.reshape(-1)
    flat_above, flat_below = above.reshape(-1), below.reshape(-1)
    flat_e, flat_coarse = correction.reshape(-1), coarse.reshape(-1)
    right_side = stages if periodic1 else flat_f
    zero, one = f.dtype.type(0), f.dtype.type(1)

    for b in range(batch[0], batch[1]):
        residual2 = 0.0
        solution2 = 0.0
        held[:] = -1
        field = b if len(edges0) > 1 else 0
        field_c = b if len(reaction) > 1 else 0
        for c0 in range(0, n1, width):
            c1 = min(c0 + width, n1)
            origin = halo + 8 - c0  # of column 0 in a row of the ring
            rows.fill(stages, 0, stages.size, zero)
            low = c0 - halo if periodic1 else max(c0 - halo, 0)
            high = c1 + halo if periodic1 else min(c1 + halo, n1)
            low_in, high_in = max(low, 0), min(high, n1)
            # coarse columns that belong to the strip
            k0 = (c0 - first1 + 1) // 2 if coarsened1 else c0
            k1 = min((c1 - first1 + 1) // 2, m1) if coarsened1 else c1

            first = r0 - halo if periodic0 else max(r0 - halo, 0)
            for t in range(first, r1 + halo + 1):
                # row t of the start
                if not periodic0 and t == n0:
                    rows.fill(stages, (t % 3) * pitch, pitch, zero)
                elif t < r1 + halo and (periodic0 or t < n0):
                    i = t % n0
                    to = (t % 3) * pitch + origin
                    line = (b * n0 + i) * n1
                    if periodic1:
                        row_f = ring_f + (t % depth) * pitch + origin
                        rows.copy(stages, row_f + low_in, flat_f, line + low_in, high_in - low_in)
                        _wrap(stages, row_f, flat_f, line, low, high, n1)
                    done = low_in  # columns from here on are not read yet
                    if start in (GIVEN, CORRECTED):
                        x = flat_source
                        if t < r0:
                            x, line = flat_above, (b * halo + t - r0 + halo) * n1
                        elif t >= r1:
                            x, line = flat_below, (b * halo + t - r1) * n1
                        elif c0 > 0:
                            done = c0
                        saved = (t - r0) * halo
                        _wrap(stages, to, x, line, low, high, n1)
                        if done == c0 and c0 > 0:
                            rows.copy(stages, to + c0 - halo, left, saved, halo)
                            if high > n1:
                                rows.copy(stages, to + n1, head, saved, high - n1)
                        if r0 <= t < r1 and periodic1 and c0 == 0:
                            rows.copy(head, saved, x, line, min(halo, n1))
                        if r0 <= t < r1 and c1 < n1:
                            rows.copy(left, saved, x, line + c1 - halo, halo)
                        if start == GIVEN:
                            rows.copy(stages, to + done, x, line + done, high_in - done)
                    if start >= CORRECTED:
                        _hold(lines, held, needs, places, shares, start, i, flat_e, b * m0, m0, m1, n1, prolongation0,
                              periodic0, index0, weights0, prolongation1, first1, index1, weights1)  # fmt: skip
                        p0, p1, a0, a1 = places[0], places[1], shares[0], shares[1]
                    if start == CORRECTED:
                        rows.corrected(stages, to + low_in, stages, to + low_in, lines, p0 + low_in,
                                       p1 + low_in, done - low_in, a0, a1)  # fmt: skip
                        rows.corrected(stages, to + done, x, line + done, lines, p0 + done,
                                       p1 + done, high_in - done, a0, a1)  # fmt: skip
                        for j in range(low, 0):
                            stages[to + j] += a0 * lines[p0 + j % n1] + a1 * lines[p1 + j % n1]
                        for j in range(n1, high):
                            stages[to + j] += a0 * lines[p0 + j % n1] + a1 * lines[p1 + j % n1]
                    elif start == NESTED:
                        _combine(stages, to, lines, needs, places, shares, low, high, n1)

                for s in range(1, n_steps + 1):
                    i = t - s
                    reach = halo - s
                    if i >= r1 + reach or i < r0 - reach:
                        continue
                    if not periodic0:
                        if i == n0:
                            rows.fill(stages, (3 * s + i % 3) * pitch, pitch, zero)
                        if i < 0 or i >= n0:
                            continue
                    begin = c0 - reach if periodic1 else max(c0 - reach, 0)
                    end = c1 + reach if periodic1 else min(c1 + reach, n1)
                    j = i % n0
                    north = (field * (n0 + 1) + j) * pitch0 + pad + begin
                    west = (field * n0 + j) * pitch1 + pad + begin
                    at_c = (field_c * n0 + j) * pitch0 + pad + begin
                    gain = ring_d + (i % depth) * pitch + origin + begin
                    if s == 1 and reacting:
                        field_rows.inverse_reacting(stages, gain, flat0, north, north + pitch0, flat1, west,
                                                    flat_c, at_c, end - begin)  # fmt: skip
                    elif s == 1:
                        field_rows.inverse(stages, gain, flat0, north, north + pitch0, flat1, west,
                                           end - begin)  # fmt: skip
                    omega = steps[s - 1]
                    base = 3 * (s - 1)
                    to = (3 * s + i % 3) * pitch + origin
                    row_f = ring_f + (i % depth) * pitch + origin if periodic1 else (b * n0 + j) * n1
                    mid = (base + i % 3) * pitch + origin
                    before = (base + (i - 1) % 3) * pitch + origin
                    after = (base + (i + 1) % 3) * pitch + origin
                    if s == 1 and start == ZERO:
                        field_rows.scaled(stages, to + begin, gain, right_side, row_f + begin, end - begin,
                                          omega)  # fmt: skip
                    else:
                        field_rows.relax(stages, to + begin, before + begin, mid + begin, after + begin, gain,
                                         right_side, row_f + begin, flat0, north, north + pitch0, flat1, west,
                                         end - begin, one - omega, omega)  # fmt: skip

                i = t - n_steps
                if r0 <= i < r1 and (n_steps > 0 or start >= CORRECTED):
                    done = (3 * n_steps + i % 3) * pitch + origin + c0
                    solution2 += rows.copy_squared(flat_u, (b * n0 + i) * n1 + c0, stages, done,
                                                   c1 - c0)  # fmt: skip
                i -= 1
                if not restrict or i < r0 - 1 or i > r1:
                    continue

                # the residual one row behind, and the coarse row that it completes
                r = ring_r + (i % 3) * pitch + origin
                if not periodic0 and (i < 0 or i >= n0):
                    rows.fill(stages, r - origin, pitch, zero)
                else:
                    begin = c0 - 1 if periodic1 else max(c0 - 1, 0)
                    end = c1 + 1 if periodic1 else min(c1 + 1, n1)
                    j = i % n0
                    row_f = ring_f + (i % depth) * pitch + origin if periodic1 else (b * n0 + j) * n1
                    if start == ZERO and n_steps == 0:
                        total = rows.copy_squared(stages, r + begin, right_side, row_f + begin,
                                                  end - begin)  # fmt: skip
                    else:
                        base = 3 * n_steps
                        mid = (base + i % 3) * pitch + origin
                        before = (base + (i - 1) % 3) * pitch + origin
                        after = (base + (i + 1) % 3) * pitch + origin
                        north = (field * (n0 + 1) + j) * pitch0 + pad + begin
                        west = (field * n0 + j) * pitch1 + pad + begin
                        total = field_rows.defect(stages, r + begin, before + begin, mid + begin, after + begin,
                                                  right_side, row_f + begin, flat0, north, north + pitch0, flat1, west,
                                                  end - begin)  # fmt: skip
                        if reacting:
                            at_c = (field_c * n0 + j) * pitch0 + pad + begin
                            total = field_rows.react(stages, r + begin, mid + begin, flat_c, at_c,
                                                     end - begin)  # fmt: skip
                    if r0 <= i < r1:
                        for j in range(begin, c0):
                            total -= np.float64(stages[r + j]) ** 2
                        for j in range(c1, end):
                            total -= np.float64(stages[r + j]) ** 2
                        residual2 += total
                if not coarsened0:
                    if r0 <= i < r1:
                        _gather(flat_coarse, (b * m0 + i) * m1 + k0, stages, r, k0, k1, first1, restriction1)
                elif (i - 1 - first0) % 2 == 0:
                    k = (i - 1 - first0) // 2
                    if r0 <= i - 1 < r1 and 0 <= k < m0:
                        begin = c0 - 1
                        rows.sum3(stages, row_v + origin + begin, stages,
                                  ring_r + ((i - 2) % 3) * pitch + origin + begin,
                                  ring_r + ((i - 1) % 3) * pitch + origin + begin, r + begin,
                                  c1 + 1 - begin, restriction0[0, k], restriction0[1, k],
                                  restriction0[2, k])  # fmt: skip
                        _gather(flat_coarse, (b * m0 + k) * m1 + k0, stages, row_v + origin, k0, k1, first1,
                                restriction1)  # fmt: skip
        sums[b, 0] += residual2
        sums[b, 1] += solution2
