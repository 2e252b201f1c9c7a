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
    """Relative residuals `‖f - A u‖₂/‖f - A 0‖₂` of each right-hand side, recomputed in float64 for every dtype.

    f: (B, C, *grid); for a linear A the unit is ‖f‖. Where it is zero the residual itself counts. radius: λmax of A,
    for the rounding floor `eps λmax ‖u‖/‖f‖`: what rounding u alone leaves as a residual.
    """

    def __init__(self, A: TensorMap, f: Tensor, *, radius: float, rtol: float) -> None:
        self.A, self.rtol = A, rtol
        self.f = f.detach().double()
        with torch.no_grad():
            unit = residual(A, torch.zeros_like(self.f), self.f)
        largest = unit.flatten(1).abs().amax(1).reshape(-1, *[1] * (f.ndim - 1))
        self.scale = torch.where(largest == 0, 1, largest)  # so that no square overflows or underflows
        self.size = self._norm(unit)
        self.size[self.size == 0] = 1
        self.unit = torch.finfo(f.dtype).eps * radius
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

    def _norm(self, x: Tensor) -> Tensor:
        return torch.linalg.vector_norm((x / self.scale).flatten(1), dim=1)
