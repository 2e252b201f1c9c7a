"""From the ops of a program to the instructions of `pde.kernels.gpu.block`."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import triton.language as tl

from unified.program import Op

from . import block

BUFFERS = 4  # of a level: f, and of u what is read, what is written, and what nested iteration keeps


class Instruction(NamedTuple):
    """kind: one of `pde.kernels.gpu.block`'s. level: whose axes. given: 0 for u = 0.

    x: place of u; y: of f, or of the coarse u; out: of what is written, all in the buffer. number: of ω, the inverse or
    a factor.
    """

    kind: int
    level: int
    given: int
    x: int
    y: int
    out: int
    number: int = 0


class Numbers(NamedTuple):
    """Places of what instructions read besides: for each level ω of the steps down and up, and the factor of its
    extrapolated start, None where it has none; the coarsest inverse."""

    steps: Sequence[tuple[Sequence[int], Sequence[int]]]
    factors: Sequence[int | None]
    inverse: int


class Compiler:
    """It knows, level by level, which buffer has u and whether it is zero, and which one nested iteration keeps.

    sizes: of a level's arrays, for all right-hand sides.
    """

    def __init__(self, sizes: Sequence[int], numbers: Numbers) -> None:
        self.sizes, self.numbers = sizes, numbers
        self.starts = list(itertools.accumulate((BUFFERS * size for size in sizes), initial=0))
        self.buffer, self.given = [1] * len(sizes), [0] * len(sizes)
        self.kept: list[int | None] = [None] * len(sizes)  # the solution that the finer level was interpolated from

    def place(self, level: int, buffer: int = 0) -> int:
        """Of f, or a buffer of u."""
        return self.starts[level] + buffer * self.sizes[level]

    def u(self, level: int) -> int:
        return self.place(level, self.buffer[level])

    def instructions(self, op: Op) -> Iterator[Instruction]:
        kind, i = op
        if kind in ("pre", "post"):
            for omega in self.numbers.steps[i][kind == "post"]:
                out = self._free(i)
                yield self._one(block.RELAX, i, self.place(i), self.place(i, out), omega)
                self.buffer[i], self.given[i] = out, 1
        elif kind == "down":
            yield self._one(block.RESTRICT, i, self.place(i), self.place(i + 1))
            self.buffer[i + 1], self.given[i + 1] = self._free(i + 1), 0
            self.kept[i + 2 : i + 3] = [None] * len(self.kept[i + 2 : i + 3])  # the state there is a new one
        elif kind == "solve":
            yield self._one(block.SOLVE, i, self.place(i), self.u(i), self.numbers.inverse)
        elif kind == "up":
            yield self._one(block.CORRECT, i, self.u(i + 1), self.u(i))
        else:
            yield from self._interpolation(i)
        if kind in ("solve", "up", "interpolate"):
            self.given[i] = 1

    def _interpolation(self, i: int) -> Iterator[Instruction]:
        """Of the coarse solution, extrapolated first where the one below it is known (`pde.coarsening`)."""
        c, factor, below = self.u(i + 1), self.numbers.factors[i], (*self.kept, None)[i + 2]
        if factor is not None and below is not None:
            d, best = self.place(i + 2, self._free(i + 2)), self.place(i + 1, self._free(i + 1))
            yield self._one(block.DIFFERENCE, i + 1, self.place(i + 2, below), d, factor)
            yield self._one(block.INTERPOLATE, i + 1, d, best)
            c = best
        yield self._one(block.INTERPOLATE, i, c, self.u(i))._replace(given=0)
        self.kept[i + 1] = self.buffer[i + 1]

    def _free(self, level: int) -> int:
        """A buffer that has neither u nor what is kept."""
        return next(k for k in range(1, BUFFERS) if k not in (self.buffer[level], self.kept[level]))

    def _one(self, kind: tl.constexpr, i: int, y: int, out: int, number: int = 0) -> Instruction:
        return Instruction(kind.value, i, self.given[i], self.u(i), y, out, number)
