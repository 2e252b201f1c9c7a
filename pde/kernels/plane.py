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

from . import rows

# where a sweep starts from: u = 0, u, u + P e, or the coarse solution interpolated to a higher order; that may be
# added to u where there are no steps
ZERO, GIVEN, CORRECTED, NESTED, ADDED = 0, 1, 2, 3, 4


@numba.njit(**rows.SWEEP)
def sweep(
    batch, slab, width, start, steps, restrict, source, u, f, above, below, correction, coarse,
    edges0, widths0, periodic0, restriction0, prolongation0, first0, index0, weights0,
    edges1, widths1, periodic1, restriction1, prolongation1, first1, index1, weights1,
    irregular, reaction, sums,
):  # fmt: skip
    """u <- S(the start), coarse <- R(f - A u), sums[b] += (‖f - A u‖², ‖u‖²) of the slab.

    batch, slab: (from, to) of right-hand sides and rows. width: of a strip, even. steps: (S,), ω of each step.
    restrict: whether the residual is computed. source, u, f: (B, n0, n1), source may be u; above, below:
    (B, S + 2, n1) of source; correction (e, or the coarse solution), coarse: (B, m0, m1). The rest: see
    `pde.kernels.plan`.
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
    stages = np.zeros(row_v + pitch, f.dtype)
    lines = np.zeros(6 * n1 if start >= CORRECTED else 0, f.dtype)  # coarse rows, prolonged along axis 1
    held, needs, places = np.full(6, -1), np.empty(6, np.int64), np.empty(6, np.int64)  # which ones
    shares = np.empty(6, f.dtype)
    left = np.zeros((r1 - r0) * halo, f.dtype)
    head = np.zeros((r1 - r0) * halo if periodic1 else 0, f.dtype)
    at = np.empty(3 * irregular.size, np.int64)
    which = np.empty(3 * irregular.size, np.int64)
    beside = edges1[n1 // 2]  # where a column is regular
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
            special = 0
            for column in irregular:
                for wrapped in (column - n1, column, column + n1):
                    if low <= wrapped < high:
                        at[special], which[special] = wrapped, column
                        special += 1

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
                    if start == GIVEN or start == CORRECTED:  # noqa: SIM109 (a membership is slow to compile)
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
                    elif start >= NESTED:
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
                    up, down, w = edges0[j], edges0[j + 1], widths0[j]
                    diagonal = up + down + w * (beside + beside + reaction)
                    omega = steps[s - 1]
                    base = 3 * (s - 1)
                    to = (3 * s + i % 3) * pitch + origin
                    row_f = ring_f + (i % depth) * pitch + origin if periodic1 else (b * n0 + j) * n1
                    mid = (base + i % 3) * pitch + origin
                    before = (base + (i - 1) % 3) * pitch + origin
                    after = (base + (i + 1) % 3) * pitch + origin
                    if s == 1 and start == ZERO:
                        rows.scaled(stages, to + begin, right_side, row_f + begin, end - begin,
                                    omega / diagonal)  # fmt: skip
                    else:
                        rows.relax(stages, to + begin, before + begin, mid + begin,
                                   after + begin, right_side, row_f + begin, end - begin,
                                   one - omega, omega / diagonal, up, down, w * beside)  # fmt: skip
                    for k in range(special):
                        x_k, j = at[k], which[k]
                        if begin <= x_k < end:
                            d, r = _irregular(stages, before + x_k, mid + x_k, after + x_k, right_side[row_f + x_k],
                                              up, down, w, edges1[j], edges1[j + 1], widths1[j], reaction)  # fmt: skip
                            stages[to + x_k] = stages[mid + x_k] + omega * r / d

                i = t - n_steps
                if r0 <= i < r1 and (n_steps > 0 or start >= CORRECTED):
                    done = (3 * n_steps + i % 3) * pitch + origin + c0
                    line = (b * n0 + i) * n1 + c0
                    if start == ADDED:
                        rows.total(flat_u, line, flat_source, line, stages, done, c1 - c0)
                    else:
                        solution2 += rows.copy_squared(flat_u, line, stages, done, c1 - c0)
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
                        up, down, w = edges0[j], edges0[j + 1], widths0[j]
                        diagonal = up + down + w * (beside + beside + reaction)
                        base = 3 * n_steps
                        mid = (base + i % 3) * pitch + origin
                        before = (base + (i - 1) % 3) * pitch + origin
                        after = (base + (i + 1) % 3) * pitch + origin
                        total = rows.defect(stages, r + begin, before + begin, mid + begin,
                                            after + begin, right_side, row_f + begin,
                                            end - begin, diagonal, up, down, w * beside)  # fmt: skip
                        for k in range(special):
                            x_k, j = at[k], which[k]
                            if begin <= x_k < end:
                                _, stages[r + x_k] = _irregular(stages, before + x_k, mid + x_k, after + x_k,
                                                                right_side[row_f + x_k], up, down, w, edges1[j],
                                                                edges1[j + 1], widths1[j], reaction)  # fmt: skip
                    if r0 <= i < r1:
                        # the sum on the way holds what is mended since, or the columns beside the strip: too much to be
                        # taken away again
                        whole = special == 0 and begin == c0 and end == c1
                        residual2 += total if whole else rows.squares(stages, r + c0, c1 - c0)
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


@numba.njit(**rows.ROW)
def _wrap(y, to, x, at, low, high, n):
    """What lies beyond the ends of a periodic row."""
    for j in range(low, 0):
        y[to + j] = x[at + j % n]
    for j in range(n, high):
        y[to + j] = x[at + j % n]


@numba.njit(**rows.ROW)
def _irregular(x, before, mid, after, f, up, down, w, left, right, width, reaction):
    """Diagonal and residual of one point."""
    u = x[mid]
    flux = width * (up * (u - x[before]) + down * (u - x[after]))
    flux += w * (left * (u - x[mid - 1]) + right * (u - x[mid + 1]))
    c = w * width * reaction
    return width * (up + down) + w * (left + right) + c, f - flux - c * u


@numba.njit(**rows.ROW)
def _gather(y, to, x, at, k0, k1, first1, restriction1):
    """Coarse columns k0 to k1 of one row."""
    if restriction1.shape[1] > 0:
        rows.gather(y, to, x, at + 2 * k0 + first1, k1 - k0, restriction1[0], restriction1[1],
                    restriction1[2], k0)  # fmt: skip
    else:
        rows.copy(y, to, x, at + k0, k1 - k0)


@numba.njit(**rows.ROW)
def _hold(
    lines, held, needs, places, shares, start, i, e, first_row, m0, m1, n1, prolongation0, periodic0, index0, weights0,
    prolongation1, first1, index1, weights1,
):  # fmt: skip
    """Which of `lines` row i takes its values from, and their shares; those missing are made from coarse rows."""
    needs[:], shares[:] = -1, 0
    if start >= NESTED:
        for q in range(6):
            if index0[i, q] >= 0 and weights0[i, q] != 0:
                needs[q], shares[q] = index0[i, q], weights0[i, q]
    elif prolongation0.shape[1] == 0:
        needs[0], shares[0] = i, 1
    else:
        pair, odd = i // 2, i % 2
        for q in range(2):
            k = pair - 1 + odd + q
            if periodic0:
                k = k % m0
            if 0 <= k < m0 and prolongation0[2 * odd + q, pair] != 0:
                needs[q], shares[q] = k, prolongation0[2 * odd + q, pair]
    places[:] = 0
    for q in range(6):
        if needs[q] < 0:
            continue
        place = -1
        for p in range(6):
            if held[p] == needs[q]:
                place = p
        if place < 0:
            for p in range(6):
                used = False
                for other in needs:
                    used = used or (other >= 0 and held[p] == other)
                if not used:
                    place = p
            held[place] = needs[q]
            at = (first_row + needs[q]) * m1
            if start >= NESTED:
                _cubic(lines, place * n1, e, at, m1, n1, first1, index1, weights1)
            else:
                _linear(lines, place * n1, e, at, m1, n1, prolongation1)
        places[q] = place * n1


@numba.njit(**rows.ROW)
def _combine(y, to, lines, needs, places, shares, low, high, n1):
    """y = Σ shares lines, beyond the ends of a periodic row too. places: where each line begins."""
    begin, n = max(low, 0), min(high, n1) - max(low, 0)
    alone = needs[0] >= 0
    for q in range(1, 6):
        alone = alone and needs[q] < 0
    if alone:
        rows.scaled(y, to + begin, lines, places[0] + begin, n, shares[0])
    else:
        rows.sum6(y, to + begin, lines, places, shares, begin, n)
    for part in range(2):
        for j in range(low if part == 0 else n1, 0 if part == 0 else high):
            total = y.dtype.type(0)
            for q in range(6):
                total += shares[q] * lines[places[q] + j % n1]
            y[to + j] = total


@numba.njit(**rows.ROW)
def _linear(y, to, e, at, m1, n1, prolongation1):
    """A coarse row, prolonged along axis 1."""
    if prolongation1.shape[1] == 0:
        rows.copy(y, to, e, at, n1)
        return
    n = prolongation1.shape[1]
    inner = min(n, m1) - 2  # the pairs whose coarse points before and after exist
    if inner > 0:
        rows.pairs(y, to + 2, e, at + 1, inner, prolongation1[0], prolongation1[1],
                   prolongation1[2], prolongation1[3], 1)  # fmt: skip
    for g in range(n):
        if g == 0 or g > max(inner, 0):
            before, mid, after = e[at + (g - 1) % m1], e[at + g % m1], e[at + (g + 1) % m1]
            y[to + 2 * g] = prolongation1[0, g] * before + prolongation1[1, g] * mid
            if 2 * g + 1 < n1:
                y[to + 2 * g + 1] = prolongation1[2, g] * mid + prolongation1[3, g] * after


@numba.njit(**rows.ROW)
def _cubic(y, to, e, at, m1, n1, first1, index1, weights1):
    """A coarse row, interpolated along axis 1. weights1: (6, between)."""
    n = len(index1)
    if n == 0:
        rows.copy(y, to, e, at, n1)
        return
    rows.spread(y, to + first1, e, at, m1)
    # from here on, and up to there, those on both sides are nearest
    begin, end = min(5, n), max(n - 5, 0)
    if end > begin:
        rows.between6(y, to + 1 - first1 + 2 * begin, e, at + index1[begin, 0], end - begin, weights1, begin)
    for g in range(n):
        if g < begin or g >= end:
            total = y.dtype.type(0)
            for q in range(6):
                total += weights1[q, g] * e[at + index1[g, q]]
            y[to + 1 - first1 + 2 * g] = total
