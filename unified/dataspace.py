"""The same multigrid written for the residual: `r <- r - A d`; u is carried along as the sum of corrections.

For a linear A this is the full approximation scheme in other variables: a state holds (u, r, u0), where
r = f - A u. The coarse residual is then `R r` alone, for `f_c - A_c u_c = R(f - A u)`. With MgNet's parts a
smoothing step is `r <- r - A psi(B(phi(r)))`, a pre-activation residual block (He & Xu 2019, section 4.3;
He et al. 2016).
"""

from __future__ import annotations

from typing import final

from torch import Tensor

from .errors import ArgumentError
from .multigrid import AbstractLevel, Level, State, change
from .smoother import AbstractSmoother, Relaxation, TensorMap


@final
class DataSpaceLevel(AbstractLevel):
    """The data-space form of a `Level` with linear A; it shares the level's modules.

    Smoothers must be `Relaxation`s without tau: tau acts on u itself, which the data-space form never reads.
    So must a solver be, unless it is exact. ends: u alone is read after the level's steps, as where a classifier's way
    down ends; then the last residual, a product with A, is not computed, and the state is left without one.
    """

    def __init__(self, level: Level, *, ends: bool = False) -> None:
        super().__init__()
        parts = dict(zip(("pre", "post", "solve"), (*level.smoothers, level.solver), strict=True))
        for name, part in parts.items():
            exact = part is None or (name == "solve" and not isinstance(part, Relaxation))
            if not exact and (not isinstance(part, Relaxation) or len(part.tau)):
                got = type(part).__name__
                raise ArgumentError(name, got=got, expected="a Relaxation without tau", do="use the level itself")
        self.level, self.ends = level, ends

    @property
    def A(self) -> TensorMap:  # type: ignore[override]  # stored, it would stand twice in the state dict
        return self.level.A

    def pre(self, state: State) -> State:
        return self._relax(self.level.smoothers[0], state)

    def post(self, state: State) -> State:
        return self._relax(self.level.smoothers[1], state)

    def _relax(self, smoother: AbstractSmoother | None, state: State) -> State:
        if isinstance(smoother, Relaxation):
            for step in range(smoother.steps):
                unread = self.ends and step + 1 == smoother.steps
                state = self._add(state, smoother.correction(step, self.A, state.f), unread=unread)
        return state

    def _add(self, state: State, d: Tensor, *, unread: bool = False) -> State:
        u = d if state.u is None else state.u + d
        return state._replace(u=u, f=None if unread else state.f - self.A(d))  # type: ignore[arg-type]

    def solve(self, state: State) -> State:
        d = self.level.solve(State(None, state.f)).u
        assert d is not None
        return self._add(state, d)

    def down(self, state: State, coarse: AbstractLevel) -> State:
        r, Pi = self.level.R, self.level.Pi
        assert r is not None
        u = None if Pi is None or state.u is None else Pi(state.u)
        return State(u, r(state.f), u)

    def up(self, state: State, coarse: State) -> State:
        assert self.level.P is not None
        return self._add(state, self.level.P(change(coarse)))

    def interpolate(self, state: State, coarse: State) -> State:
        u = self.level.interpolate(State(None, state.f), coarse).u
        assert u is not None
        moved = u if state.u is None else u - state.u
        return State(u, state.f - self.A(moved), state.u0)
