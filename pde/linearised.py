"""Derivatives of a nonlinear solve: a Newton step at its solution, whose value is nothing and whose derivative is all.

`A(u; θ) = f` gives `du = A'(u)⁻¹ (df - ∂_θ A dθ)`. With r = f - A(u; θ), which is zero there, `u + A'(u)⁻¹ r` has
this derivative, for every θ that r depends on: f and the boundary data, a, c, and what g depends on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, final

import torch
from torch import Tensor

from unified.errors import ArgumentError

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
        ctx.save_for_backward(r)
        return u.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (r,) = ctx.saved_tensors
        with torch.no_grad():
            v = ctx.solve(grad)
        return _First.apply(v, r, grad), None, None


@final
class _First(torch.autograd.Function):
    """v, which depends on r and grad, by a derivative that is not there: it would need that of A'(u)."""

    @staticmethod
    def forward(ctx: Any, v: Tensor, r: Tensor, grad: Tensor) -> Tensor:
        return v.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> NoReturn:
        raise ArgumentError(
            "g",
            got="a second derivative of a nonlinear solve",
            expected="first ones",
            do="linearise: solve with c + g'(u) for c, or take differences of gradients",
        )
