"""The watch over an iteration: true residuals, and when to stop and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, final

import torch
from torch import Tensor

from unified.smoother import TensorMap, residual
from unified.solution import Result

STALL = 0.5  # a reduction weaker than this near the rounding floor is no progress
NEAR = 10.0  # how many floors are near: the estimate of the floor is good to about this
HUGE = 1e100  # and 1 / HUGE: beyond, squares of numbers may leave the range of float64
GROWTH = 100.0  # above the smallest residual so far: divergence


class Norms(NamedTuple):
    """‖f - A u‖₂ and ‖u‖₂ of each right-hand side: (B,), float64."""

    residual: Tensor
    solution: Tensor


Measure = Callable[[Tensor, Tensor], Norms]  # u, f -> norms


@final
class Monitor:
    """Relative residuals `‖f - A u‖₂/‖f - A u₁‖₂` of each right-hand side, in float64 for every dtype.

    f: (B, C, *grid). lift: u₁, what carries the boundary values, which would count by 1/h² in a unit of ‖f‖; where it
    is None the unit of a linear A is ‖f‖. It is ‖f‖ too where the lift leaves nothing but rounding; where that is zero
    it is the first iterate's residual, or 1 if that is nothing but rounding. radius: λmax of A, for the rounding floor
    `eps λmax ‖u‖`: what rounding u alone leaves as a residual. measure: norms by a faster way than A, for numbers whose
    squares neither over- nor underflow. linear: whether A(0) = 0.
    """

    def __init__(
        self,
        A: TensorMap,
        f: Tensor,
        *,
        radius: float,
        rtol: float,
        lift: Tensor | None,
        measure: Measure | None = None,
        linear: bool = False,
    ) -> None:
        self.A, self.rtol, self.f, self.lift = A, rtol, f.detach(), lift
        self.unit = torch.finfo(f.dtype).eps * radius
        self.measure, self.linear = measure, linear
        self.scale = torch.ones(len(f), *[1] * (f.ndim - 1), dtype=torch.float64, device=f.device)
        self.size: Tensor | None = None
        self.residuals: list[float] = []
        self.last = self.best = torch.full((len(f),), torch.inf, dtype=torch.float64, device=f.device)

    def _begin(self, size: Tensor | None) -> Tensor:
        """The unit of residuals, (B,), zero where nothing is to be solved for. size: ‖f‖, where it is known."""
        given = self.f
        if not self.linear:
            given = residual(self.A, torch.zeros_like(self.f).double(), self.f.double())
            size = None
        size = self._norm(given) if size is None else size
        if not bool(((size < HUGE) & (size > 1 / HUGE)).all()):
            # another unit, in which no square overflows or underflows
            self.measure = None
            largest = torch.linalg.vector_norm(given.flatten(1), torch.inf, dim=1).double()
            self.scale = torch.where(largest == 0, 1, largest).reshape(self.scale.shape)
            size = self._norm(given)
        if self.lift is not None:
            left = self.norms(self.lift.detach())
            size = self._beyond_rounding(left, size)
        return size

    def _beyond_rounding(self, norms: Norms, other: Tensor) -> Tensor:
        """The residual, or another unit where rounding u alone would leave as much."""
        return torch.where(norms.residual > NEAR * self.unit * norms.solution, norms.residual, other)

    @torch.no_grad()
    def norms(self, u: Tensor) -> Norms:
        if self.measure is not None:
            return self.measure(u, self.f)
        u = u.double()
        return Norms(self._norm(residual(self.A, u, self.f.double())), self._norm(u))

    @torch.no_grad()
    def judge(self, u: Tensor, norms: Norms | None = None, size: Tensor | None = None) -> Result | None:
        """Record the residual of u: (B, C, *grid); the reason to stop here, or None to go on.

        norms: of u and its residual, size: ‖f‖, where they are known.
        """
        given = self._begin(size) if self.size is None else self.size
        norms = norms if norms is not None and self.measure is not None else self.norms(u.detach())
        if self.size is None:
            self.size = torch.where(given == 0, self._beyond_rounding(norms, torch.ones_like(given)), given)
        now = norms.residual / self.size
        floor = self.unit * norms.solution / self.size
        near, last, self.last = now <= NEAR * floor, self.last, now
        self.best = torch.minimum(self.best, now)
        self.residuals.append(float(now.max()))
        done = now <= self.rtol
        if not torch.isfinite(now).all():
            return Result.diverged
        if done.all():
            return Result.converged
        if (done | near & (now > STALL * last)).all():
            return Result.stagnated
        return Result.diverged if (~near & (now > GROWTH * self.best)).any() else None

    def _norm(self, x: Tensor) -> Tensor:
        """In units of the scale."""
        x = x if (self.scale == 1).all() else x.double() / self.scale
        if len(x) == 1:  # one number is summed up by all threads
            return torch.linalg.vector_norm(x, dtype=torch.float64).reshape(1)
        return torch.linalg.vector_norm(x.flatten(1), dim=1, dtype=torch.float64)
