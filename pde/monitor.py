"""The watch over an iteration: true residuals, and when to stop and why."""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor

from unified.smoother import TensorMap, residual
from unified.solution import Result

STALL = 0.5  # a reduction weaker than this near the rounding floor is no progress
NEAR = 10.0  # how many floors are near: the estimate of the floor is good to about this
GROWTH = 100.0  # above the smallest residual so far: divergence


@final
class Monitor:
    """Relative residuals `‖f - A u‖₂/‖f - A u₁‖₂` of each right-hand side, recomputed in float64 for every dtype.

    f: (B, C, *grid). lift: u₁, what carries the boundary values, which would count by 1/h² in a unit of ‖f‖; where it
    is zero the unit of a linear A is ‖f‖. It is ‖f‖ too where the lift leaves nothing but rounding; where that is
    zero the residual itself counts. radius: λmax of A, for the rounding floor `eps λmax ‖u‖`: what rounding u alone
    leaves as a residual.
    """

    def __init__(self, A: TensorMap, f: Tensor, *, radius: float, rtol: float, lift: Tensor) -> None:
        self.A, self.rtol = A, rtol
        self.f = f.detach().double()
        self.unit = torch.finfo(f.dtype).eps * radius
        with torch.no_grad():
            given = residual(A, torch.zeros_like(self.f), self.f)
            self.scale = self._largest(given)  # so that no square overflows or underflows
            self.size = self._norm(given)
            carried = lift.detach().double()
            left = self._norm(residual(A, carried, self.f))
            self.size = torch.where(left > NEAR * self.unit * self._norm(carried), left, self.size)
        self.size[self.size == 0] = 1
        self.residuals: list[float] = []
        self.last = self.best = torch.full_like(self.size, torch.inf)

    @torch.no_grad()
    def judge(self, u: Tensor) -> Result | None:
        """Record the residual of u: (B, C, *grid); the reason to stop here, or None to go on."""
        u = u.detach().double()
        now = self._norm(residual(self.A, u, self.f)) / self.size
        floor = self.unit * self._norm(u) / self.size
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

    @staticmethod
    def _largest(x: Tensor) -> Tensor:
        largest = x.flatten(1).abs().amax(1).reshape(-1, *[1] * (x.ndim - 1))
        return torch.where(largest == 0, 1, largest)

    def _norm(self, x: Tensor) -> Tensor:
        return torch.linalg.vector_norm((x / self.scale).flatten(1), dim=1)
