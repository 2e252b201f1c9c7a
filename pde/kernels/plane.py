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
from numba import uintp

from . import rows

ZERO, GIVEN, CORRECTED = 0, 1, 2  # where a sweep starts from: u = 0, u, or u + P e


@numba.njit(**rows.ROW)
def sweep(
    batch, slab, width, start, steps, restrict,  # fmt: skip
    source, u, f, above, below, correction, coarse,
    edges0, widths0, periodic0, restriction0, prolongation0, first0,
    edges1, widths1, periodic1, restriction1, prolongation1, first1, irregular,
    reaction, sums,
):
    """u <- S(source + P correction), coarse <- R(f - A u), sums[b] += (‖f - A u‖², ‖u‖²) of the slab.

    batch, slab: (from, to) of right-hand sides and rows. width: of a strip, even. start: `ZERO`, ... steps: (S,), ω of
    each. restrict: whether the residual is computed. source, u, f: (B, n0, n1), source may be u; above, below:
    (B, halo, n1) of source; correction, coarse: (B, m0, m1). edges, widths: see `pde.kernels.plan`; irregular: columns.
    """
    n0, n1 = f.shape[1], f.shape[2]
    m0, m1 = coarse.shape[1], coarse.shape[2]
    r0, r1 = slab
    n_steps = steps.size
    halo = above.shape[1]
    pitch = width + 2 * halo + 8
    depth = n_steps + 3
    stages = np.zeros((3 * (n_steps + 1) + depth + 5) * pitch, f.dtype)
    ring_f = 3 * (n_steps + 1) * pitch
    row_r = ring_f + depth * pitch
    row_e = row_r + pitch
    ring_h = row_e + pitch
    left = np.zeros((r1 - r0) * halo, f.dtype)
    head = np.zeros((r1 - r0) * halo if periodic1 else 0, f.dtype)
    at = np.empty(3 * irregular.size, np.int64)
    which = np.empty(3 * irregular.size, np.int64)
    middle = n1 // 2
    beside = edges1[middle]  # where a column is regular
    coarsened0, coarsened1 = prolongation0.shape[1] > 0, prolongation1.shape[1] > 0
    flat_source, flat_u, flat_f = source.reshape(-1), u.reshape(-1), f.reshape(-1)
    flat_above, flat_below = above.reshape(-1), below.reshape(-1)
    right_side = stages if periodic1 else flat_f
    flat_e, flat_coarse = correction.reshape(-1), coarse.reshape(-1)
    fused = start == CORRECTED and coarsened1
    zero, one = f.dtype.type(0), f.dtype.type(1)

    for b in range(batch[0], batch[1]):
        residual2 = 0.0
        solution2 = 0.0
        for c0 in range(0, n1, width):
            c1 = min(c0 + width, n1)
            origin = halo + 4 - c0  # of column 0 in a row of the ring; even
            rows.fill(stages, uintp(0), uintp(stages.size), zero)
            low = c0 - halo if periodic1 else max(c0 - halo, 0)
            high = c1 + halo if periodic1 else min(c1 + halo, n1)
            # coarse columns that belong to the strip, and those that its prolongation reads
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
                inside = periodic0 or t < n0
                i = t % n0
                if t < r1 + halo and inside:
                    row = 3 * 0 * pitch + (t % 3) * pitch
                    to = row + origin
                    if periodic1:
                        line = (b * n0 + i) * n1
                        row_f = ring_f + (t % depth) * pitch + origin
                        rows.copy(stages, uintp(row_f + max(low, 0)), flat_f, uintp(line + max(low, 0)),
                                  uintp(min(high, n1) - max(low, 0)))  # fmt: skip
                        _wrap(stages, row_f, flat_f, line, low, high, n1)
                    if start != ZERO:
                        if t < r0 or t >= r1:
                            rim = flat_above if t < r0 else flat_below
                            line = (b * halo + (t - r0 + halo if t < r0 else t - r1)) * n1
                            rows.copy(stages, uintp(to + max(low, 0)), rim, uintp(line + max(low, 0)),
                                      uintp(min(high, n1) - max(low, 0)))  # fmt: skip
                            _wrap(stages, to, rim, line, low, high, n1)
                        else:
                            line = (b * n0 + t) * n1
                            saved = (t - r0) * halo
                            if not fused:
                                rows.copy(stages, uintp(to + c0), flat_source, uintp(line + c0),
                                          uintp(min(high, n1) - c0))  # fmt: skip
                            _wrap(stages, to, flat_source, line, low, high, n1)
                            if c0 > 0:
                                rows.copy(stages, uintp(to + c0 - halo), left, uintp(saved), uintp(halo))
                            elif periodic1:
                                rows.copy(head, uintp(saved), flat_source, uintp(line), uintp(min(halo, n1)))
                            if high > n1 and c0 > 0:
                                rows.copy(stages, uintp(to + n1), head, uintp(saved), uintp(high - n1))
                            if c1 < n1:
                                rows.copy(left, uintp(saved), flat_source, uintp(line + c1 - halo), uintp(halo))
                    if start == CORRECTED:
                        done = c0 if fused and r0 <= t < r1 else n1
                        _correct(stages, to, row_e, flat_e, b * m0 * m1, m0, m1, i, n1, low, high, prolongation0,
                                 prolongation1, periodic0, periodic1, flat_source, (b * n0 + i) * n1, done)  # fmt: skip
                elif not periodic0 and t == n0:
                    rows.fill(stages, uintp((t % 3) * pitch), uintp(pitch), zero)

                for s in range(1, n_steps + 1):
                    i = t - s
                    reach = halo - s
                    if i >= r1 + reach or i < r0 - reach:
                        continue
                    if not periodic0:
                        if i == n0:
                            rows.fill(stages, uintp((3 * s + i % 3) * pitch), uintp(pitch), zero)
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
                        rows.scaled(stages, uintp(to + begin), right_side, uintp(row_f + begin), uintp(end - begin),
                                    omega / diagonal)  # fmt: skip
                    else:
                        rows.relax(stages, uintp(to + begin), uintp(before + begin), uintp(mid + begin),
                                   uintp(after + begin), right_side, uintp(row_f + begin), uintp(end - begin), one - omega,
                                   omega / diagonal, up, down, w * beside)  # fmt: skip
                    for k in range(special):
                        x, j = at[k], which[k]
                        if begin <= x < end:
                            d, r = _irregular(stages, before + x, mid + x, after + x, right_side[row_f + x], up, down, w,
                                              edges1[j], edges1[j + 1], widths1[j], reaction)  # fmt: skip
                            stages[to + x] = stages[mid + x] + omega * r / d

                i = t - n_steps
                if r0 <= i < r1:
                    done = (3 * n_steps + i % 3) * pitch + origin + c0
                    if n_steps > 0 or start == CORRECTED:
                        solution2 += rows.copy_squared(flat_u, uintp((b * n0 + i) * n1 + c0), stages, uintp(done),
                                                       uintp(c1 - c0))  # fmt: skip
                if not restrict:
                    continue

                i = t - n_steps - 1
                if i < r0 - 1 or i > r1:
                    continue
                to = ring_h + (i % 3) * pitch + 4
                if not periodic0 and (i < 0 or i >= n0):
                    rows.fill(stages, uintp(to), uintp(pitch - 4), zero)
                else:
                    begin = c0 - 1 if periodic1 else max(c0 - 1, 0)
                    end = c1 + 1 if periodic1 else min(c1 + 1, n1)
                    j = i % n0
                    up, down, w = edges0[j], edges0[j + 1], widths0[j]
                    diagonal = up + down + w * (beside + beside + reaction)
                    base = 3 * n_steps
                    row_f = ring_f + (i % depth) * pitch + origin if periodic1 else (b * n0 + j) * n1
                    mid = (base + i % 3) * pitch + origin
                    before = (base + (i - 1) % 3) * pitch + origin
                    after = (base + (i + 1) % 3) * pitch + origin
                    r = row_r + origin
                    total = rows.defect(stages, uintp(r + begin), uintp(before + begin), uintp(mid + begin),
                                        uintp(after + begin), right_side, uintp(row_f + begin), uintp(end - begin),
                                        diagonal, up, down, w * beside)  # fmt: skip
                    for k in range(special):
                        x, j = at[k], which[k]
                        if begin <= x < end:
                            total -= np.float64(stages[r + x]) ** 2
                            _, stages[r + x] = _irregular(stages, before + x, mid + x, after + x, right_side[row_f + x], up, down,
                                                          w, edges1[j], edges1[j + 1], widths1[j], reaction)  # fmt: skip
                            total += np.float64(stages[r + x]) ** 2
                    if r0 <= i < r1:
                        for x in range(begin, c0):
                            total -= np.float64(stages[r + x]) ** 2
                        for x in range(c1, end):
                            total -= np.float64(stages[r + x]) ** 2
                        residual2 += total
                    if coarsened1:
                        rows.gather(stages, uintp(to), stages, uintp(r + 2 * k0 + first1), uintp(k1 - k0),
                                    restriction1[0], restriction1[1], restriction1[2], uintp(k0))  # fmt: skip
                    else:
                        rows.copy(stages, uintp(to), stages, uintp(r + c0), uintp(c1 - c0))
                if coarsened0:
                    if (i - 1 - first0) % 2 == 0:
                        k = (i - 1 - first0) // 2
                        if r0 <= i - 1 < r1 and 0 <= k < m0:
                            rows.sum3(flat_coarse, uintp((b * m0 + k) * m1 + k0), stages,
                                      uintp(ring_h + ((i - 2) % 3) * pitch + 4), uintp(ring_h + ((i - 1) % 3) * pitch + 4),
                                      uintp(to), uintp(k1 - k0), restriction0[0, k], restriction0[1, k],
                                      restriction0[2, k])  # fmt: skip
                elif r0 <= i < r1:
                    rows.copy(flat_coarse, uintp((b * m0 + i) * m1 + k0), stages, uintp(to), uintp(k1 - k0))
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
def _correct(y, to, row_e, e, at, m0, m1, i, n1, low, high, prolongation0, prolongation1, periodic0, periodic1,
             x, line, done):  # fmt: skip
    """y += P e on one row i: from two coarse rows one, and from that the columns; from column `done` on y = x + P e."""
    coarsened0, coarsened1 = prolongation0.shape[1] > 0, prolongation1.shape[1] > 0
    if coarsened0:
        pair = i // 2
        if i % 2 == 0:
            near, far, a, b = pair - 1, pair, prolongation0[0, pair], prolongation0[1, pair]
        else:
            near, far, a, b = pair, pair + 1, prolongation0[2, pair], prolongation0[3, pair]
        if periodic0:
            near, far = near % m0, far % m0
        near, far = min(max(near, 0), m0 - 1), min(max(far, 0), m0 - 1)  # where the share is zero
    else:
        near, far, a, b = i, i, prolongation0.dtype.type(1), prolongation0.dtype.type(0)
    # coarse columns from k0 to k1, k0 at row_e + 8
    k0, k1 = (low // 2 - 1, high // 2 + 2) if coarsened1 else (low, high)
    base = row_e + 8 - k0
    begin, end = max(k0, 0), min(k1, m1)
    rows.fill(y, uintp(row_e), uintp(k1 - k0 + 16), y.dtype.type(0))
    rows.sum2(y, uintp(base + begin), e, uintp(at + near * m1 + begin), uintp(at + far * m1 + begin),
              uintp(end - begin), a, b)  # fmt: skip
    if periodic1:
        for k in range(k0, 0):
            y[base + k] = a * e[at + near * m1 + k % m1] + b * e[at + far * m1 + k % m1]
        for k in range(m1, k1):
            y[base + k] = a * e[at + near * m1 + k % m1] + b * e[at + far * m1 + k % m1]
    if not coarsened1:
        rows.add(y, uintp(to + low), y, uintp(base + low), uintp(high - low))
        return
    begin, end = max(low, 0) // 2, (min(high, n1, done) + 1) // 2
    rows.add_pairs(y, uintp(to + 2 * begin), y, uintp(base + begin), uintp(end - begin), prolongation1[0],
                   prolongation1[1], prolongation1[2], prolongation1[3], uintp(begin))  # fmt: skip
    if done < n1:
        pairs = (min(high, n1) - done) // 2
        begin = done // 2
        rows.corrected_pairs(y, uintp(to + done), x, uintp(line + done), y, uintp(base + begin), uintp(pairs),
                             prolongation1[0], prolongation1[1], prolongation1[2], prolongation1[3], uintp(begin))  # fmt: skip
        j = done + 2 * pairs
        if j < min(high, n1):
            y[to + j] = x[line + j] + _between(y, base, j, n1, m1, prolongation1)
    if periodic1:
        for j in range(low, 0):
            y[to + j] += _between(y, base, j, n1, m1, prolongation1)
        for j in range(n1, high):
            y[to + j] += _between(y, base, j, n1, m1, prolongation1)


@numba.njit(**rows.ROW)
def _between(y, base, j, n1, m1, prolongation1):
    """P e at one column beyond the ends of a periodic row."""
    x = j % n1
    turns = (j - x) // n1
    k = x // 2 + turns * m1
    if x % 2 == 0:
        return prolongation1[0, x // 2] * y[base + k - 1] + prolongation1[1, x // 2] * y[base + k]
    return prolongation1[2, x // 2] * y[base + k] + prolongation1[3, x // 2] * y[base + k + 1]
