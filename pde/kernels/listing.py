"""From the ops of a program to instructions: `pde.kernels.level`'s passes, all of them in one list."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from unified.program import Kind, Program, passes

from . import instructions as ins
from .start import ADDED, CORRECTED, GIVEN, NESTED, ZERO
from .sweeps import sweeps

BUFFERS = 4  # of a level: f, u, the solution that the finer level was interpolated from, and one to work in
DATA, SOLUTION, KEPT, WORK = range(BUFFERS)


class Shape(NamedTuple):
    """Of levels, finest first.

    grids: points; kept: see `launch.kept`; wraps: whether axis 0 is periodic; steps: how many on the way down and up;
    extrapolates: for each whether nested iteration extrapolates what it starts from; inverses: of the coarsest level,
    one or one a right-hand side.
    """

    grids: tuple[tuple[int, ...], ...]
    kept: tuple[tuple[tuple[int, int], ...], ...]
    wraps: tuple[bool, ...]
    steps: tuple[tuple[int, int], ...]
    extrapolates: tuple[bool, ...]
    inverses: int

    @property
    def sizes(self) -> list[int]:
        return [math.prod(grid) for grid in self.grids]

    def total(self, batch: int) -> int:
        """Numbers in all: those of the levels, and room for rows beside a grid, as its longest sweep reads them."""
        rows = (
            (sum(steps) + 2) * math.prod(grid[1:])
            for grid, steps, wraps in zip(self.grids, self.steps, self.wraps, strict=False)
            if wraps
        )
        return batch * (BUFFERS * sum(self.sizes) + 2 * max(rows, default=0))

    def place(self, batch: int, level: int, buffer: int) -> int:
        """Of a buffer, each (batch, *grid)."""
        return batch * (BUFFERS * sum(self.sizes[:level]) + buffer * self.sizes[level])


class Listing(NamedTuple):
    """instructions; what `values` are to be: of a level the ω of these ops, one after the other, and then the inverse;
    and of each level visited whether it ends with a u and with a `below`."""

    instructions: np.ndarray
    values: tuple[tuple[int, tuple[Kind, ...]], ...]
    ends: tuple[tuple[bool, bool], ...]


@functools.lru_cache(64)
def listing(program: Program, shape: Shape, batch: int) -> Listing | None:
    """From an f of the finest level on; None for a program that smooths on the coarsest, or more often than a cycle."""
    return _Writer(shape, batch).list(program)


class _Writer:
    """It knows of each level whether it has a u, and a `below`."""

    def __init__(self, shape: Shape, batch: int) -> None:
        self.shape, self.batch, self.sizes = shape, batch, shape.sizes
        self.given, self.below = ([False] * len(shape.grids) for _ in range(2))
        self.values: dict[tuple[int, tuple[Kind, ...]], int] = {}  # and where they begin
        self.n_values = 0
        self.lines: list[ins.Line] = []

    def list(self, program: Program) -> Listing | None:
        last = len(self.sizes) - 1
        for kinds, i in passes(program):
            if (i == last) != (set(kinds) == {"solve"}):
                return None
            if i < last and any(self.count(i, tuple(part)) > sum(self.shape.steps[i]) for part in sweeps(kinds)):
                return None
            if i == last:
                self.line(ins.SOLVE, i, START=self.shape.inverses, COUNT=self.sizes[i])
                self.given[i] = True
                continue
            for part in sweeps(kinds):
                self.sweep(i, tuple(part))
        lines = np.array(self.lines, np.int64)
        lines[lines[:, ins.KIND] == ins.SOLVE, ins.VALUES] = self.n_values
        lowest = max(op.level + (op.kind in ("down", "up", "interpolate")) for op in program)
        ends = zip(self.given[: lowest + 1], self.below[: lowest + 1], strict=True)
        return Listing(lines, tuple(self.values), tuple(ends))

    def sweep(self, i: int, part: tuple[Kind, ...]) -> None:
        """What one pass does, as `FusedLevel.run`."""
        steps = tuple(kind for kind in part if kind in ("pre", "post"))
        count = self.count(i, part)
        down, e, start = part[-1] == "down", 0, GIVEN if self.given[i] else ZERO
        if part[0] == "interpolate":
            e, start = self.best(i), NESTED
            size = self.batch * self.sizes[i + 1]
            self.line(ins.COPY, i + 1, COUNT=size, SOURCE=self.at(i + 1, SOLUTION), U=self.at(i + 1, KEPT))
            self.below[i] = True
        elif part[0] == "up":
            e, start = self.at(i + 1, SOLUTION), CORRECTED
            if not self.given[i]:
                self.line(ins.FILL, i, COUNT=self.batch * self.sizes[i])
        writes = count > 0 or start in (CORRECTED, NESTED)
        if writes or down:
            out = self.at(i + 1, DATA) if down else 0
            at, beside = self.omegas(i, steps, count), {}
            if self.shape.wraps[i] and start in (GIVEN, CORRECTED):
                beside = self.around(i, count + 2)
            self.line(ins.SWEEP, i, START=start, VALUES=at, COUNT=count, RESTRICT=down, E=e, COARSE=out, **beside)
        self.given[i] = self.given[i] or writes or part[0] == "interpolate"
        if down:
            self.given[i + 1] = self.below[i + 1] = False

    def count(self, i: int, part: tuple[Kind, ...]) -> int:
        """Steps of a pass."""
        return sum(self.shape.steps[i][kind == "post"] for kind in part if kind in ("pre", "post"))

    def around(self, i: int, halo: int) -> dict[str, int]:
        """Copies of the `halo` rows before the first and after the last, and where they are."""
        n, *others = self.shape.grids[i]
        row, u, start = math.prod(others), self.at(i, SOLUTION), self.batch * BUFFERS * sum(self.sizes)
        places = start, start + self.batch * halo * row
        for place, first in zip(places, (n - halo, 0), strict=True):
            for b in range(self.batch):
                done = 0
                while done < halo:  # rows that follow each other, to the end of the grid
                    at = (first + done) % n
                    some = min(halo - done, n - at)
                    source, out = u + (b * n + at) * row, place + (b * halo + done) * row
                    self.line(ins.COPY, i, COUNT=some * row, SOURCE=source, U=out)
                    done += some
        return dict(zip(("ABOVE", "BELOW"), places, strict=True))

    def best(self, i: int) -> int:
        """Where the coarse solution is, as well as it is known: `AbstractFusedLevel.best`."""
        u = self.at(i + 1, SOLUTION)
        if not (self.shape.extrapolates[i] and self.below[i + 1]):
            return u
        difference, best = self.at(i + 2, WORK), self.at(i + 1, WORK)
        grids = *self.shape.grids[i + 1 : i + 3], self.shape.kept[i + 1]
        places = {"SOURCE": u, "E": self.at(i + 2, KEPT), "U": difference}
        self.lines += ins.differences(self.batch, *grids, 2, (0, grids[1][-2]), **places)
        self.line(ins.SWEEP, i + 1, START=ADDED, E=difference, U=best)
        return best

    def omegas(self, i: int, steps: tuple[Kind, ...], count: int) -> int:
        key = i, steps
        if key not in self.values:
            self.values[key] = self.n_values
            self.n_values += count
        return self.values[key]

    def at(self, level: int, buffer: int) -> int:
        return self.shape.place(self.batch, level, buffer)

    def line(self, kind: int, level: int, **columns: int) -> None:
        """Of the whole grid and all right-hand sides, with the level's f and u, where columns do not say otherwise."""
        u, f = self.at(level, SOLUTION), self.at(level, DATA)
        tabled = level < len(self.shape.steps)  # others need no table
        usual = {"LEVEL": level if tabled else 0, "SOURCE": u, "U": u, "F": f, "BATCH": (0, self.batch)}
        usual["SLAB"] = 0, self.shape.grids[level][0]
        self.lines.append(ins.line(kind, **(usual | columns)))
