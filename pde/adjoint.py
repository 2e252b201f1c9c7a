"""Derivatives of a solve by one more solve: the implicit function theorem, for a symmetric A.

`u = A⁻¹ f` gives `du = A⁻¹ df` (forward mode) and `grad_f = A⁻ᵀ grad_u = A⁻¹ grad_u` (reverse mode): the same
solve with another right-hand side, from zero. It is differentiable again, so derivatives of every order exist.
Nothing is saved on the way: memory does not grow with the cycles.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from unified.solution import Result


@final
@dataclass(frozen=True)
class Outcome:
    """How a loop ended, and its history of relative residuals."""

    result: Result
    residuals: tuple[float, ...]


# f, start: (B, 1, *grid) -> the solution, which is not the start itself, and how it came about
Run = Callable[[Tensor, Tensor], tuple[Tensor, Outcome]]


@final
class GradientWarning(UserWarning):
    """A derivative of `pde.solve` is less exact than asked for: its own solve did not converge."""


@final
class Implicit(torch.autograd.Function):
    """`apply(f, start, run, again)`: run(f, start), its derivatives by `again`, none to the start.

    Under torch.func.vmap the mapped dimension joins the batch: one solve, and one outcome, for all.
    """

    @staticmethod
    def forward(f: Tensor, start: Tensor, run: Run, again: Run) -> tuple[Tensor, Outcome]:
        return run(f, start)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: object) -> None:
        ctx.again = inputs[-1]

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: None) -> tuple[Tensor | None, ...]:
        return _another("adjoint", ctx.again, grad), None, None, None

    @staticmethod
    def jvp(ctx: Any, df: Tensor, *_: object) -> tuple[Tensor, None]:
        return _another("tangent", ctx.again, df), None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, ...], f: Tensor, start: Tensor, run: Run, again: Run
    ) -> tuple[tuple[Tensor, Outcome], tuple[int, None]]:
        f, start = (
            x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
            for x, dim in zip((f, start), in_dims, strict=False)
        )
        u, outcome = Implicit.apply(f.flatten(0, 1), start.flatten(0, 1), run, again)
        return (u.reshape(f.shape), outcome), (0, None)


def _another(kind: str, again: Run, f: Tensor) -> Tensor:
    """A⁻¹ f; the user has no `Solution` of it to look at, so a failure is told here."""
    u, outcome = Implicit.apply(f, torch.zeros_like(f), again, again)
    if not outcome.result.ok:
        finite = math.isfinite(outcome.residuals[0])
        warnings.warn(
            f"the {kind} solve of pde.solve (it gives the gradient) ended {outcome.result.name}, at a relative "
            f"residual of {outcome.residuals[-1]:.0e}, with the rtol, max_cycles and method of the solve itself: "
            + (outcome.result.value if finite else "what came in is not finite; look at the loss"),
            GradientWarning,
            stacklevel=2,
        )
    return u
