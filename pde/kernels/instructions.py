"""A pass of a level as a line of whole numbers: what a compiled program is a list of."""

from __future__ import annotations

from collections.abc import Sequence

import numba

from . import rows

# kinds: all that a level does between two transfers (`wavefront`, `volume`), and what belongs to nested iteration
SWEEP, DIFFERENCE, COPY, FILL, SOLVE = range(5)
# columns: a level; the start of a sweep, the place of its first ω and how many; whether the residual is restricted;
# places of what is read and written, and of what the first has beside a slab; right-hand sides and rows, from and to
KIND, LEVEL, START, VALUES, COUNT, RESTRICT, SOURCE, U, F, E, COARSE, ABOVE, BELOW = range(13)
BATCH, SLAB, COLUMNS = 13, 15, 17

Line = tuple[int, ...]


def line(kind: int, **columns: int | tuple[int, int]) -> Line:
    """An instruction, from columns by name; those left out are zero. BATCH and SLAB: from and to."""
    out = [kind] + [0] * (COLUMNS - 1)
    for name, value in columns.items():
        at = globals()[name]
        if isinstance(value, tuple):
            out[at : at + 2] = value
        else:
            out[at] = int(value)
    return tuple(out)


def differences(
    batch: int,
    fine: Sequence[int],
    coarse: Sequence[int],
    kept: Sequence[tuple[int, int]],
    order: int,
    slab: tuple[int, int],
    **places: int,
) -> list[Line]:
    """DIFFERENCE of two grids, a line for each plane, in rows of a slab of the last axis but one.

    kept: of each axis the first point, and how many further on the next one is. places: SOURCE, E and U.
    """
    n0, n1, n2 = (*[1] * (3 - len(fine)), *fine)
    m0, m1, m2 = (*[1] * (3 - len(fine)), *coarse)
    (f0, s0), (f1, s1), (f2, s2) = (*[(0, 1)] * (3 - len(fine)), *kept)
    source, e, u = (places.get(name, 0) for name in ("SOURCE", "E", "U"))
    how = {"START": s2, "VALUES": s1 * n2, "COUNT": m2, "RESTRICT": order, "SLAB": slab}
    lines = []
    for k in range(batch * m0):
        at, plane = source + ((k // m0 * n0 + f0 + s0 * (k % m0)) * n1 + f1) * n2 + f2, k * m1 * m2
        lines.append(line(DIFFERENCE, SOURCE=at, E=e + plane, U=u + plane, **how))
    return lines


@numba.njit(inline="always")
def simple(one, values, source, e, x):
    """What is no sweep, with x for u.

    COPY and FILL (with zeros): COUNT numbers. SOLVE: u <- the inverse at VALUES, of COUNT points,
    times f, which is in x too; START: how many inverses there are. DIFFERENCE: u <- (source - e) / 2^RESTRICT, in the
    rows of SLAB, each COUNT numbers, of every START-th number in rows of VALUES of the source.
    """
    kind, n, u, step = one[KIND], one[COUNT], one[U], one[START]
    if kind == COPY:
        rows.copy(x, u, source, one[SOURCE], n)
    elif kind == FILL:
        rows.fill(x, u, n, x.dtype.type(0))
    elif kind == SOLVE:
        for b in range(one[BATCH + 1]):
            inverse = one[VALUES] + b % step * n * n
            rows.fill(x, u + b * n, n, x.dtype.type(0))
            for i in range(n):  # symmetric: its rows are its columns
                rows.add_scaled(x, u + b * n, values, inverse + i * n, n, x[one[F] + b * n + i])
    elif kind == DIFFERENCE:
        for k in range(one[SLAB], one[SLAB + 1]):
            rows.less(x, u + k * n, source, one[SOURCE] + k * one[VALUES], step, e, one[E] + k * n, n,
                      x.dtype.type(2.0 ** -one[RESTRICT]))  # fmt: skip
