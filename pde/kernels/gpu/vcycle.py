"""A V-cycle of kernels on buffers of its own, which a graph can replay."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from unified.program import cycle

from . import tail
from .device import DevicePlan
from .launch import same
from .sweep import CORRECTED, GIVEN, ZERO, sweep


class VCycle:
    """Put f into `f` and a start into `u`, call, and read `u`. `sums`, (B, 2): ‖f - A u‖² and ‖u‖² on the way down.

    plans: finest first; inverse: (N, N), of the coarsest level. alone: from which level on one launch runs all, None
    for the first of at most `pde.kernels.gpu.tail.LIMIT` points.
    """

    def __init__(
        self, plans: Sequence[DevicePlan], inverse: Tensor, batch: int = 1, *, alone: int | None = None
    ) -> None:
        small = (i for i, plan in enumerate(plans) if math.prod(plan.shape) <= tail.LIMIT)
        alone = min(next(small, len(plans)), len(plans) - 1) if alone is None else alone
        self.plans = list(plans[:alone])
        self.tail = tail.Tail(plans[alone:], inverse, cycle("V", len(plans) - alone), batch, given=alone == 0)
        shapes = [(batch, 1, *plan.shape[3 - plan.ndim :]) for plan in self.plans]
        self._u, self._work, self._f = ([inverse.new_zeros(shape) for shape in shapes] for _ in range(3))
        self._f.append(self.tail.f)
        self.f, self.u = self._f[0], self._u[0] if self.plans else self.tail.start
        self.sums: Tensor | None = None

    def __call__(self) -> Tensor:
        at: list[Tensor] = []
        for i, plan in enumerate(self.plans):
            u, start = self._u[i], GIVEN if i == 0 else ZERO
            down = sweep(plan, start, plan.pre, u, u, self._work[i], self._f[i], None, self._f[i + 1], sums=i == 0)
            at.append(u.zero_() if down.u is None else down.u)
            self.sums = down.sums if i == 0 else self.sums
        e = self.tail()
        for i, plan in reversed(list(enumerate(self.plans))):
            e = _given(sweep(plan, CORRECTED, plan.post, at[i], self._u[i], self._work[i], self._f[i], e).u)
        return self.u if same(e, self.u) else self.u.copy_(e)


def _given(u: Tensor | None) -> Tensor:
    assert u is not None
    return u
