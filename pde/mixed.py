"""Mixed precision: cycles in float32 for residuals in float64 (iterative refinement; Goeddeke et al. 2007)."""

from __future__ import annotations

from dataclasses import replace
from typing import final

import torch
from torch import Tensor, nn

from unified.program import Program
from unified.smoother import TensorMap, residual

from .hierarchy import PoissonMultigrid
from .monitor import Measure
from .operators import Diffusion
from .problems import Poisson


@final
class Mixed(nn.Module):
    """A float32 hierarchy as corrections of a float64 problem: `u <- u + M(f - A u)`, each residual in its own unit.

    Numbers of half the size in a cycle; the error falls by the cycle's factor down to the floor of float64.
    """

    def __init__(self, mg: PoissonMultigrid, A: Diffusion) -> None:
        super().__init__()
        self.mg, self.A = mg, A

    def forward(self, f: Tensor) -> Tensor:
        """The correction for a residual: (B, 1, *grid), float64 -> the same."""
        size = f.detach().flatten(1).abs().amax(1).reshape(-1, *[1] * (f.ndim - 1))
        size = torch.where(size == 0, 1, size)
        out: Tensor = self.mg((f / size).float()).double() * size
        return out

    def improve(self, u: Tensor | None, f: Tensor) -> Tensor:
        """A better u: one run, on the residual."""
        d: Tensor = self(residual(self.product, u, f))
        return d if u is None else u + d

    def with_program(self, program: Program) -> Mixed:
        """The same levels, run by another program."""
        return Mixed(self.mg.with_program(program), self.A)

    @property
    def linear(self) -> bool:
        return self.mg.linear

    @property
    def product(self) -> TensorMap:
        """A of the float64 problem, by the fastest way: fused levels compute it in the dtype of u."""
        fields = any(isinstance(x, Tensor) for x in (self.mg.problem.a, self.mg.problem.c))
        return self.mg.product if self.mg.level == "fused" and not fields else self.A

    @property
    def measure(self) -> Measure | None:
        return self.mg.measure if self.product is not self.A else None

    @property
    def symmetric(self) -> bool:
        """Never quite: float32 rounds."""
        return False

    @property
    def grids(self) -> tuple[object, ...]:
        return self.mg.grids


def single(problem: Poisson) -> Poisson:
    """The same problem in float32."""
    a, c = (x.detach().float() if isinstance(x, Tensor) else x for x in (problem.a, problem.c))
    return replace(problem, a=a, c=c, dtype=torch.float32)
