"""Random problems -div(a grad u) = f on the unit square, u = 0 on its sides: log-normal fields a, random f, solved."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

import pde

MODES = 64


class Family(NamedTuple):
    """What problems are drawn from.

    spread: standard deviation of log a. waves: its spectrum, `exp(-|k|²/(2 waves²))`, k in half waves a side. load: the
    same of f: each f has its own from this range, log-uniform; None is an independent normal number at each point.
    """

    spread: float = 0.5
    waves: float = 3.0
    load: tuple[float, float] | None = (2.0, 8.0)


class Batch(NamedTuple):
    """So many problems, and their solutions by `pde.solve`. All float64."""

    a: Tensor  # (B, n + 1, n + 1): one number a cell
    f: Tensor  # (B, 1, n, n)
    u: Tensor  # (B, 1, n, n)

    @property
    def problem(self) -> pde.Poisson:
        return pde.Poisson(self.f.shape[2:], a=self.a)


def draw(family: Family, count: int, n: int, generator: torch.Generator, rtol: float = 1e-7) -> Batch:
    """On n² points, solved to the relative residual rtol. A seed gives the same fields on every grid (not white f)."""
    plain = pde.Poisson((n, n))
    centres, points = plain.cell_centres()[0][:, 0], plain.grid()[0][:, 0]
    a = (family.spread * _smooth(centres, torch.full((count,), family.waves), generator)).exp()
    if family.load is None:
        f = torch.randn(count, n, n, generator=generator, dtype=torch.float64)
    else:
        low, high = family.load
        f = _smooth(points, low * (high / low) ** torch.rand(count, generator=generator), generator)
    solution = pde.solve(pde.Poisson((n, n), a=a), f, rtol=rtol)
    assert solution.result.ok
    return Batch(a, f[:, None], solution.u[:, None])


def _smooth(x: Tensor, waves: Tensor, generator: torch.Generator) -> Tensor:
    """Σ c_kl cos πkx cos πly at x (n,) in both directions: (B, n, n), c normal, of mean square 1 over all fields."""
    k = torch.arange(MODES, dtype=torch.float64)
    size = torch.exp(-(k[:, None] ** 2 + k**2) / (4 * waves.double()[:, None, None] ** 2))  # the root of the spectrum
    size[:, 0, 0] = 0
    half = 1 / (1 + (k > 0))  # the mean square of cos πkx
    size = size / (size**2 * half[:, None] * half).sum((1, 2), keepdim=True).sqrt()
    c = size * torch.randn(size.shape, generator=generator, dtype=torch.float64)
    cosines = torch.cos(torch.pi * k * x[:, None])
    return cosines @ c @ cosines.T
