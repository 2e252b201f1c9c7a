"""What fused levels of any device share: the composed level beside them, single ops, the start of nested iteration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import cast

from torch import Tensor, nn

from unified.multigrid import AbstractLevel, Level, State, solution

from ..monitor import Norms
from ..transfers import Extrapolation, Transfers
from .plain import outside_modes


class AbstractFusedLevel(AbstractLevel, ABC):
    """What `composed` does, to rounding, in fewer passes over memory.

    That one runs for inputs that need a graph, or that were moved to another dtype or device. transfers: from its grid
    to the next. order: see `Plan`. finest: its u leaves the hierarchy, and is a new tensor in each run; else u is
    written in place by those ops of a run that follow the first. All other arrays are made once and used again, so a
    level is for one run at a time.
    """

    def __init__(self, level: Level, transfers: Transfers | None, order: int | None, *, finest: bool) -> None:
        super().__init__()
        if transfers is not None and transfers.weights is not None:
            transfers.connect(level)  # kernels stand between those that follow a field; they are moved as A is
            transfers = None
        self.level, self.transfers, self.order, self.finest = level, transfers, order, finest

    @property
    def composed(self) -> Level:
        """The level of maps; those to other levels, which kernels have no use for, are made when it is asked for."""
        if self.transfers is not None:
            outside_modes(partial(self.transfers.connect, self.level))
            self.transfers = None
        return self.level

    @property
    def A(self) -> nn.Module:  # type: ignore[override]
        return cast(nn.Module, self.level.A)

    @property
    @abstractmethod
    def norms_of_down(self) -> Norms | None:
        """Of u and its residual, as the last "down" found them."""

    @abstractmethod
    def norms(self, u: Tensor, f: Tensor) -> Norms:
        """Of f - A u and u, in float64 for a float32 level too: (B, 1, *grid) -> (B,)."""

    @abstractmethod
    def product(self, u: Tensor) -> Tensor:
        """A u, in one pass, for float64 on a float32 level too: (B, 1, *grid) -> the same."""

    @abstractmethod
    def extended(self, u: Tensor, coarse: Tensor) -> Tensor:
        """u and the interpolation of a coarse tensor, in another array: of coarse solutions, (B, 1, *coarse grid)."""

    def difference(self, order: int, u: Tensor, below: Tensor) -> Tensor | None:
        """What the solution here and that of the next coarser level tell of the error there, as `Extrapolation` does.

        None where kernels do not find it.
        """
        return None

    def pre(self, state: State) -> State:
        return self.run(["pre"], state, None, None)[0]

    def post(self, state: State) -> State:
        return self.run(["post"], state, None, None)[0]

    def down(self, state: State, coarse: AbstractLevel) -> State:
        return cast(State, self.run(["down"], state, None, coarse)[1])

    def up(self, state: State, coarse: State) -> State:
        return self.run(["up"], state, coarse, None)[0]

    def interpolate(self, state: State, coarse: State) -> State:
        return self.run(["interpolate"], state, coarse, None)[0]

    def solve(self, state: State) -> State:
        return self.composed.solve(state)

    def best(self, below: State, coarse: AbstractLevel | None) -> Tensor:
        """The coarse solution, as well as it is known: what is to be interpolated."""
        u = solution(below)
        if self.order is None or below.below is None:
            return u
        if not isinstance(coarse, AbstractFusedLevel):
            return cast(Extrapolation, self.composed.extrapolation)(u, below.below)  # type: ignore[no-any-return]
        difference = coarse.difference(self.order, u, below.below)
        if difference is None:
            difference = cast(Extrapolation, self.composed.extrapolation).difference(u, below.below)
        return coarse.extended(u, difference)
