"""The small levels of a hierarchy, run in one call: to start a sweep from Python takes longer than a small one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import numpy as np
from torch import Tensor

from unified.multigrid import AbstractLevel, State, execute
from unified.program import Kind, Program

from ..coarse import DirectSolve
from ..coarsening import Extrapolation
from . import arrays, threads
from .launch import RUNS, kept, width
from .level import FusedLevel
from .listing import DATA, KEPT, SOLUTION, Listing, Shape, listing
from .tables import Tables, tables

LIMIT = 2**16  # points of a grid that are so few


class Tail:
    """A `rest` (see `unified.multigrid`) by one thread; states are views of an array that it uses again.

    levels: fused ones and the coarsest, solved by `solver`. What kernels do not take runs on this level by itself, and
    so do a level that is entered with a u, and right-hand sides that are worth more threads: the next level's tail may
    take what is left of those.
    """

    def __init__(self, levels: Sequence[AbstractLevel], solver: DirectSolve) -> None:
        self.levels = levels
        self.fused = [level for level in levels if isinstance(level, FusedLevel)]
        self.plans = [level.plan for level in self.fused]
        self.grids = [*(level.kernels.shape for level in self.fused), self.fused[-1].kernels.coarse_shape]
        self.inverse = solver.inverse.detach().numpy()
        self._memory: Tensor | None = None
        self._values: dict[tuple[tuple[int, tuple[Kind, ...]], ...], np.ndarray] = {}

    @cached_property
    def tables(self) -> Tables:
        return tables(self.plans, [width(plan) for plan in self.plans])

    @cached_property
    def shape(self) -> Shape:
        return Shape(
            grids=tuple(self.grids),
            kept=tuple(kept(plan) for plan in self.plans),
            wraps=tuple(plan.axes[0].periodic for plan in self.plans),
            steps=tuple((len(plan.pre), len(plan.post)) for plan in self.plans),
            extrapolates=tuple(isinstance(level.composed.extrapolation, Extrapolation) for level in self.fused),
            inverses=len(self.inverse),
        )

    def __call__(self, program: Program, state: State) -> list[State]:
        batch = len(state.f)
        few = state.f.numel() <= max(threads.SINGLE, math.prod(self.grids[0]))
        takes = few and state.u is None and self.fused[0].takes(state)
        found = listing(program, self.shape, batch) if takes else None
        if found is None:
            return execute(program, self.levels, state)
        size = self.shape.total(batch)
        if self._memory is None or len(self._memory) != size:
            self._memory = arrays.empty((size,), self.inverse.dtype)
        states = [self._state(i, batch, found) for i in range(len(found.ends))]
        states[0].f.copy_(state.f)
        x = self._memory.numpy()
        RUNS[len(self.grids[0])](found.instructions, *self.tables, self._omegas(found), *[x] * 7, np.zeros((batch, 2)))
        return states

    def _state(self, i: int, batch: int, found: Listing) -> State:
        given, below = found.ends[i]
        u = self._view(batch, i, SOLUTION) if given else None
        return State(u, self._view(batch, i, DATA), None, self._view(batch, i + 1, KEPT) if below else None)

    def _view(self, batch: int, i: int, buffer: int) -> Tensor:
        at, grid = self.shape.place(batch, i, buffer), self.grids[i]
        assert self._memory is not None
        return self._memory[at : at + batch * math.prod(grid)].view(batch, 1, *grid)

    def _omegas(self, found: Listing) -> np.ndarray:
        """ω of each sweep's steps, and the inverse after them."""
        if found.values not in self._values:
            each = [self.fused[i].dampings(kinds) for i, kinds in found.values]
            self._values[found.values] = np.concatenate([*each, self.inverse.reshape(-1)])
        return self._values[found.values]


def small(levels: Sequence[AbstractLevel]) -> list[int]:
    """Those of all levels, but the coarsest, that a tail can begin with.

    Levels whose transfers are no product over axes have none, nor those that count a periodic
    coarse axis from elsewhere.
    """
    found = []
    for i, level in reversed(list(enumerate(levels[:-1]))):
        if not isinstance(level, FusedLevel) or level.plan.boxes or level.plan.shifts:
            break
        if math.prod(level.kernels.shape) <= LIMIT and i > 0:
            found.append(i)
    return found
