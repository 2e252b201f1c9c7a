"""A fused level on a CPU: the ops that follow each other on it, in one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, final

import numpy as np
import torch
from torch import Tensor, nn

from unified.multigrid import AbstractLevel, Level, State, change, solution
from unified.program import Kind

from ..monitor import Norms
from ..transfers import Transfers
from . import arrays
from .abstract import AbstractFusedLevel
from .launch import Kernels
from .plain import has_graph, is_array
from .plan import Plan
from .start import ADDED, CORRECTED, GIVEN, NESTED, ZERO
from .sweeps import sweeps

FUSED = {"pre", "post", "down", "up", "interpolate"}


@final
class FusedLevel(AbstractFusedLevel):
    """A level on NumPy arrays, its sweeps on all threads."""

    def __init__(self, level: Level, transfers: Transfers | None, plan: Plan, *, finest: bool) -> None:
        super().__init__(level, transfers, plan.order, finest=finest)
        self.plan, self.kernels = plan, Kernels(plan)
        self._dtype = torch.from_numpy(plan.pre).dtype
        self._steps: dict[tuple[Kind, ...], np.ndarray] = {}
        self._work: dict[str, Tensor] = {}
        self._norms: Norms | None = None

    @property
    def norms_of_down(self) -> Norms | None:
        return self._norms

    def release(self) -> None:
        self._norms = None
        if self.finest:
            self._work.pop("u", None)

    def run(
        self, kinds: Sequence[Kind], state: State, below: State | None, coarse: AbstractLevel | None
    ) -> tuple[State, State | None]:
        read = [*(below if below and kinds[0] in ("up", "interpolate") else ())]
        if not FUSED.issuperset(kinds) or not self.takes(state, *read):
            return self.composed.run(kinds, state, below, coarse)
        for part in sweeps(kinds):
            begins, steps, out = part[0], self.dampings(tuple(part)), None
            if begins == "interpolate" and self.plan.boxes:
                state, begins = self._interpolated(state, cast(State, below)), "pre"
            batch = len(state.f)
            if part[-1] == "down":
                out = self._buffer("f", batch, self.kernels.coarse_shape)
            if begins == "interpolate":
                last, e = self._kept(solution(cast(State, below))), self.best(cast(State, below), coarse)
                u = self._swept(NESTED, None, state.f, steps, self._moved(e, -1), out)
                state = State(u, state.f, None, last)
            elif begins == "up":
                e = self._prolonged(change(cast(State, below)))
                u = self._target(batch).zero_() if state.u is None else state.u
                state = state._replace(u=self._swept(CORRECTED, u, state.f, steps, e, out))
            else:
                start = ZERO if state.u is None else GIVEN
                state = state._replace(u=self._swept(start, state.u, state.f, steps, None, out))
            if out is not None:
                below = State(None, self._restricted(out))
        return state, below

    def norms(self, u: Tensor, f: Tensor) -> Norms:
        return _norms(self.kernels.residual(_array(u), _array(f)))

    def product(self, u: Tensor) -> Tensor:
        fields = self.plan.fields
        fits = fields is None or (u.dtype == self._dtype and fields.batch in (1, len(u)))
        if not fits or not self._takes(u, u.dtype):
            return cast(Tensor, self.A(u))
        x = _array(u)
        out = arrays.empty(u.shape, x.dtype)
        self.kernels.residual(x, None, _array(out))
        return out

    def extended(self, u: Tensor, coarse: Tensor) -> Tensor:
        if self.plan.boxes:
            return u + cast(nn.Module, self.composed.interpolation)(coarse)
        best = self._buffer("best", len(u), self.kernels.shape)
        x, y, e = (_array(z) for z in (u, best, self._moved(coarse, -1)))
        self.kernels.sweep(ADDED, self.plan.pre[:0], x, y, x, e)
        return best

    def difference(self, order: int, u: Tensor, below: Tensor) -> Tensor | None:
        if self.plan.boxes or self.plan.shifts:
            return None
        out = self._buffer("difference", len(u), self.kernels.coarse_shape)
        self.kernels.difference(_array(u), _array(below), order, _array(out))
        return out

    def takes(self, state: State, *others: Tensor | None) -> bool:
        """Whether kernels take these."""
        fields, read = self.plan.fields, [state.u, state.f, *others]
        fits = fields is None or fields.batch in (1, len(state.f))
        return fits and all(x is None or self._takes(x, self._dtype) for x in read)

    def _takes(self, x: Tensor, dtype: torch.dtype) -> bool:
        return is_array(x) and x.dtype == dtype and not has_graph(x)

    def dampings(self, kinds: tuple[Kind, ...]) -> np.ndarray:
        """ω of all steps of a sweep."""
        if kinds not in self._steps:
            each = {"pre": self.plan.pre, "post": self.plan.post}
            parts = [each[kind] for kind in kinds if kind in each]
            self._steps[kinds] = np.concatenate([self.plan.pre[:0], *parts])
        return self._steps[kinds]

    def _swept(
        self, start: int, u: Tensor | None, f: Tensor, steps: np.ndarray, e: Tensor | None, out: Tensor | None
    ) -> Tensor | None:
        """The new u, in place where u is this level's own; and the restricted residual, in out."""
        writes = len(steps) > 0 or e is not None
        if not writes and out is None:
            return u
        new = self._target(len(f)) if writes and (u is None or u is not self._work.get("u")) else u
        rhs = _array(f)
        x, y = (rhs if z is None else _array(z) for z in (u, new))  # neither read nor written where there is none
        correction, residual = (None if z is None else _array(z) for z in (e, out))
        squares = self.kernels.sweep(start, steps, x, y, rhs, correction, residual)
        if out is not None:
            self._norms = _norms(squares)
        return new

    def _interpolated(self, state: State, below: State) -> State:
        """From the coarse solution, by the composed level's interpolation."""
        made = self.composed.interpolate(state, below)
        return made._replace(below=self._kept(cast(Tensor, made.below)))

    def _kept(self, u: Tensor) -> Tensor:
        """A coarse solution that later extrapolation reads, while the cycles that follow write to it."""
        return u if self.finest else self._buffer("below", len(u), tuple(u.shape[2:])).copy_(u)

    def _restricted(self, residual: Tensor) -> Tensor:
        """What the coarse level gets of what a sweep restricted."""
        return cast(nn.Module, self.composed.R)(residual) if self.plan.boxes else self._moved(residual, 1)

    def _prolonged(self, change: Tensor) -> Tensor:
        """What a sweep prolongs of what the coarse level changed."""
        return cast(nn.Module, self.composed.P)(change) if self.plan.boxes else self._moved(change, -1)

    def _moved(self, x: Tensor, sign: int) -> Tensor:
        """A coarse tensor as this level counts its points (-1), or as the coarse level does."""
        for axis, by in self.plan.shifts:
            x = x.roll(sign * by, axis)
        return x

    def _target(self, batch: int) -> Tensor:
        if self.finest:
            self._work.pop("u", None)
        return self._buffer("u", batch, self.kernels.shape)

    def _buffer(self, name: str, batch: int, shape: tuple[int, ...]) -> Tensor:
        if name not in self._work or len(self._work[name]) != batch:
            self._work[name] = arrays.empty((batch, 1, *shape), self.kernels.dtype)
        return self._work[name]


def _array(x: Tensor) -> np.ndarray:
    """(B, 1, *grid) -> (B, *grid), a view of what is contiguous."""
    return x.detach().contiguous().numpy()[:, 0]  # type: ignore[no-any-return]


def _norms(squares: np.ndarray) -> Norms:
    return Norms(*torch.from_numpy(np.sqrt(squares)).unbind(1))
