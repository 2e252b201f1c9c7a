"""The small levels of a hierarchy, run in one call: to start a sweep from Python takes longer than a small one."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from unified.multigrid import AbstractLevel, State, execute
from unified.program import Kind, Program

from . import arrays, compiled, threads
from .launch import RUNS, kept, width
from .level import FusedLevel
from .listing import DATA, KEPT, SOLUTION, Listing, Shape, listing
from .tables import Tables, tables

LIMIT = 2**16  # points of a grid that are so few


class Tail:
    """A `rest` (see `unified.multigrid`) by one thread; states are views of an array that it uses again.

    inverse: the coarsest level's; the others are fused. What kernels do not take runs on the first level by itself, and
    so do a level that is entered with a u, and right-hand sides that are worth more threads: the next level's tail may
    take what is left of those.
    """

    def __init__(self, inverse: Tensor) -> None:
        self.inverse = inverse.detach().numpy()
        self._known: tuple[Shape, Tables] | None = None
        self._memory: Tensor | None = None
        self._values: dict[tuple[tuple[int, tuple[Kind, ...]], ...], np.ndarray] = {}

    def __call__(self, levels: Sequence[AbstractLevel], program: Program, state: State) -> list[State]:
        fused = [level for level in levels if isinstance(level, FusedLevel)]
        if self._known is None:
            plans = [level.plan for level in fused]
            self._known = _shape(fused, len(self.inverse)), tables(plans, [width(plan) for plan in plans])
        (shape, numbers), batch = self._known, len(state.f)
        few = state.f.numel() <= max(threads.SINGLE, shape.sizes[0])
        takes = few and state.u is None and fused[0].takes(state)
        found = listing(program, shape, batch) if takes else None
        if found is None:
            return execute(program, levels, state)
        size = shape.total(batch)
        if self._memory is None or len(self._memory) != size:
            self._memory = arrays.empty((size,), self.inverse.dtype)
        states = [self._state(shape, i, batch, found) for i in range(len(found.ends))]
        states[0].f.copy_(state.f)
        x, omegas = self._memory.numpy(), self._omegas(fused, found)
        compiled.check()
        RUNS[len(shape.grids[0])](found.instructions, *numbers, omegas, *[x] * 7, np.zeros((batch, 2)))
        return states

    def _state(self, shape: Shape, i: int, batch: int, found: Listing) -> State:
        def view(level: int, buffer: int) -> Tensor:
            at, grid = shape.place(batch, level, buffer), shape.grids[level]
            assert self._memory is not None
            return self._memory[at : at + batch * math.prod(grid)].view(batch, 1, *grid)

        given, below = found.ends[i]
        return State(view(i, SOLUTION) if given else None, view(i, DATA), None, view(i + 1, KEPT) if below else None)

    def _omegas(self, levels: Sequence[FusedLevel], found: Listing) -> np.ndarray:
        """ω of each sweep's steps, and the inverse after them."""
        if found.values not in self._values:
            each = [levels[i].dampings(kinds) for i, kinds in found.values]
            self._values[found.values] = np.concatenate([*each, self.inverse.reshape(-1)])
        return self._values[found.values]


def _shape(levels: Sequence[FusedLevel], inverses: int) -> Shape:
    plans = [level.plan for level in levels]
    return Shape(
        grids=(*(level.kernels.shape for level in levels), levels[-1].kernels.coarse_shape),
        kept=tuple(kept(plan) for plan in plans),
        wraps=tuple(plan.axes[0].periodic for plan in plans),
        steps=tuple((len(plan.pre), len(plan.post)) for plan in plans),
        extrapolates=tuple(level.order is not None for level in levels),
        inverses=inverses,
    )


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
