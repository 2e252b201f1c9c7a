"""Derivatives of a nonlinear solve: a Newton step at its solution, whose value is nothing and whose derivative is all.

`A(u; θ) = f` gives `du = A'(u)⁻¹ (df - ∂_θ A dθ)`. With r = f - A(u; θ), which is zero there, `u + A'(u)⁻¹ r` has
this derivative, for every θ that r depends on: f and the boundary data, a, c, and what g depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .nonlinear import Nonlinear
from .problems import Poisson


def newton_step(problem: Poisson, u: Tensor, f: Tensor, solve: Callable[[Tensor], Tensor]) -> Tensor:
    """u, with first derivatives. u, f: (B, 1, *grid), u the solution, without a graph; solve: A'(u)⁻¹."""
    if problem.g is None or not torch.is_grad_enabled():
        return u
    r = f - Nonlinear(problem.operator(), problem.g, problem.weights[None, None])(u)
    if not r.requires_grad:
        return u
    out: Tensor = _Step.apply(r, u, solve)
    return out


@final
class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, r: Tensor, u: Tensor, solve: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.solve = solve
        return u.clone()

    @staticmethod
    @once_differentiable  # a second derivative would need that of A'(u)
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.solve(grad), None, None
