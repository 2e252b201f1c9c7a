"""A fused level on a CUDA device: the ops that follow each other on it, in few launches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, final

import numpy as np
import torch
from torch import Tensor

from unified.multigrid import AbstractLevel, Level, State, change, solution
from unified.program import Kind
from unified.smoother import AbstractSmoother

from ...monitor import Norms
from ...transfers import Transfers
from ..abstract import AbstractFusedLevel
from ..plain import has_graph, is_array
from ..plan import Plan
from ..sweeps import sweeps
from .device import move
from .memory import Memory
from .nested import interpolate
from .sweep import CORRECTED, GIVEN, ZERO, defect, product, sweep, total


@final
class CudaLevel(AbstractFusedLevel):
    """A level on tensors of a CUDA device. Its arrays are in `memory`. Nothing waits for the device."""

    def __init__(
        self,
        level: Level,
        transfers: Transfers | None,
        plan: Plan,
        device: torch.device,
        memory: Memory,
        *,
        finest: bool,
    ) -> None:
        super().__init__(level, transfers, plan.order, finest=finest)
        self.memory = memory
        self._key = object()  # of its own arrays there: the level itself would keep itself alive
        self.plan = move(plan, device)
        self.exact = move(plan, device, np.dtype(float)) if finest else self.plan
        self._steps: dict[tuple[Kind, ...], Tensor] = {}
        self._parts: Tensor | None = None  # sums of the last "down"
        self._batch = 0  # of it

    @property
    def solver(self) -> AbstractSmoother | None:
        """Of the coarsest level."""
        return self.level.solver  # type: ignore[return-value]

    @property
    def norms_of_down(self) -> Norms | None:
        return None if self._parts is None else _norms(self._parts, self._batch)

    def release(self) -> None:
        self._parts = None
        if self.finest:
            self.memory.kept.pop((self._key, "u"), None)

    def run(
        self, kinds: Sequence[Kind], state: State, below: State | None, coarse: AbstractLevel | None
    ) -> tuple[State, State | None]:
        read = [state.u, state.f, *(below if below and kinds[0] in ("up", "interpolate") else ())]
        if "solve" in kinds or not all(x is None or self.takes(x) for x in read):
            return self.composed.run(kinds, state, below, coarse)
        state = state._replace(f=state.f.contiguous())
        for part in sweeps(kinds):
            start, u, e, out = ZERO if state.u is None else GIVEN, state.u, None, None
            if part[0] == "up":
                start, e = CORRECTED, change(cast(State, below)).contiguous()
                u = self._own(None, len(e)).zero_() if u is None else u
            elif part[0] == "interpolate":
                last, best = solution(cast(State, below)), self.best(cast(State, below), coarse)
                work = self._buffer("work", len(last))
                start, u = GIVEN, interpolate(self.plan, self._own(None, len(last)), best.contiguous(), work)
                if not self.finest:  # it is written to by the cycles that follow
                    last = self._buffer("below", len(last), coarse=True).copy_(last)
                state = State(u, state.f, None, last)
            if part[-1] == "down":
                out = self._buffer("f", len(state.f), coarse=True)
                below = State(None, out)
            state = state._replace(u=self._swept(start, u, state.f, self._dampings(tuple(part)), e, out))
        return state, below

    def norms(self, u: Tensor, f: Tensor) -> Norms:
        return _norms(cast(Tensor, defect(self.exact, None, u.contiguous(), f.contiguous(), sums=True)), len(u))

    def product(self, u: Tensor) -> Tensor:
        plan = self.exact if u.dtype == torch.float64 else self.plan
        if not self.takes(u, plan.reaction.dtype):
            return cast(Tensor, self.A(u))
        return product(plan, torch.empty_like(u, memory_format=torch.contiguous_format), u.contiguous())

    def extended(self, u: Tensor, coarse: Tensor) -> Tensor:
        best, work = (self._buffer(name, len(u)) for name in ("best", "work"))
        return interpolate(self.plan, best, coarse.contiguous(), work).add_(u)

    def takes(self, x: Tensor, dtype: torch.dtype | None = None) -> bool:
        """Whether x is an array on the level's device that needs no graph, of the level's dtype or that given."""
        like = self.plan.reaction
        return is_array(x, like.device) and x.dtype == (dtype or like.dtype) and not has_graph(x)

    def _dampings(self, kinds: tuple[Kind, ...]) -> Tensor:
        """ω of all steps of a sweep."""
        if kinds not in self._steps:
            each = {"pre": self.plan.pre, "post": self.plan.post}
            self._steps[kinds] = torch.cat([self.plan.pre[:0], *(each[kind] for kind in kinds if kind in each)])
        return self._steps[kinds]

    def _swept(
        self, start: int, u: Tensor | None, f: Tensor, steps: Tensor, e: Tensor | None, out: Tensor | None
    ) -> Tensor | None:
        """The new u, in place where u is this level's own; and the restricted residual, in out."""
        writes = len(steps) > 0 or e is not None
        if not writes and out is None:
            return u
        batch = len(f)
        work = self._buffer("work", batch)
        source, own = (f if u is None else u.contiguous()), self._own(u, batch) if writes else work
        swept = sweep(self.plan, start, steps, source, own, work, f, e, out, sums=out is not None)
        if writes and swept.u is work:  # each takes the place of the other
            self.memory.kept[self._key, "u"], self.memory.kept[self._key, "work"] = work, own
        if out is not None:
            self._parts, self._batch = swept.parts, batch
        return swept.u if writes else u

    def _own(self, u: Tensor | None, batch: int) -> Tensor:
        """u if this level made it in this run, else what it may write to."""
        if self.finest and (u is None or u is not self.memory.kept.get((self._key, "u"))):
            self.memory.kept.pop((self._key, "u"), None)
        return self._buffer("u", batch)

    def _buffer(self, name: str, batch: int, *, coarse: bool = False) -> Tensor:
        return self.memory.get(batch, (self._key, name), lambda: self.plan.tensor(batch, coarse=coarse))


def _norms(parts: Tensor, batch: int) -> Norms:
    return Norms(*total(parts, batch).sqrt().unbind(1))
