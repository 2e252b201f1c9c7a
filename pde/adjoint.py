"""Derivatives of a solve by one more solve: the implicit function theorem, for a symmetric A.

`A u = f` gives `A du = df - dA u` (forward mode); with `A v = grad_u`, grad_f is v and the gradient by a coefficient
of A is `-vᵀ (∂A) u` (reverse mode). Each is one solve with another right-hand side, from zero, which is differentiable
again, so derivatives of every order exist. Of the cycles nothing is saved: memory does not grow with them.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.solution import Result

from .operators import Diffusion


@final
@dataclass(frozen=True)
class Outcome:
    """How a loop ended, and its history of relative residuals."""

    result: Result
    residuals: tuple[float, ...]


# f, start, lift (None is zero): (B, 1, *grid) -> the solution, which is not the start itself, and how it came about
Run = Callable[[Tensor, Tensor | None, Tensor | None], tuple[Tensor, Outcome]]


@final
class GradientWarning(UserWarning):
    """A derivative of `pde.solve` is less exact than asked for: its own solve did not converge."""


def implicit(
    f: Tensor, start: Tensor | None, lift: Tensor | None, run: Run, again: Run, A: Diffusion | None
) -> tuple[Tensor, Outcome]:
    """run(f, start, lift), with derivatives by f and the coefficients of A from `again`; none by start and lift.

    A: the operator that is solved with, where its coefficients may have derivatives; None where they are numbers.
    """
    out: tuple[Tensor, Outcome] = Implicit.apply(f, start, lift, run, again, A, *_coefficients(A))
    return out


def _coefficients(A: Diffusion | None) -> list[Tensor]:
    if A is None:
        return []
    return [*A.edges.values(), *([] if A.reaction is None else [A.reaction])]


def _operator(A: Diffusion, coefficients: Sequence[Tensor]) -> Diffusion:
    """The operator of A's kind with other coefficients."""
    edges = dict(zip(A.directions, coefficients, strict=False))
    reaction = coefficients[-1] if len(coefficients) > len(edges) else None
    return Diffusion(A.shape, edges, reaction, periodic=A.periodic)


@final
class Implicit(torch.autograd.Function):
    """`apply(f, start, lift, run, again, A, *coefficients of A)`, see `implicit`.

    Under torch.func.vmap the mapped dimension joins the batch: one solve, and one outcome, for all.
    """

    @staticmethod
    def forward(
        f: Tensor,
        start: Tensor | None,
        lift: Tensor | None,
        run: Run,
        again: Run,
        A: Diffusion | None,
        *coefficients: Tensor,
    ) -> tuple[Tensor, Outcome]:
        return run(f, start, lift)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Outcome]) -> None:
        _, _, _, _, ctx.again, ctx.A, *coefficients = inputs
        if coefficients:
            ctx.save_for_backward(output[0], *coefficients)
            ctx.save_for_forward(output[0], *coefficients)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: None) -> tuple[Tensor | None, ...]:
        if ctx.A is None:
            return _another("adjoint", ctx.again, grad, None), None, None, None, None, None
        u, *coefficients = ctx.saved_tensors
        A = _operator(ctx.A, coefficients)
        v = _another("adjoint", ctx.again, grad, A)
        by_entry = [*A.edge_gradients(u, v).values(), u * v]
        needed = ctx.needs_input_grad[6:]
        grads = (
            -entry.sum_to_size(x.shape) if wanted else None
            for entry, x, wanted in zip(by_entry, coefficients, needed, strict=False)
        )
        return v, None, None, None, None, None, *grads

    @staticmethod
    def jvp(ctx: Any, df: Any, *others: Any) -> tuple[Tensor, None]:
        if ctx.A is None:
            return _another("tangent", ctx.again, df, None), None
        u, *coefficients = ctx.saved_tensors
        changes = [torch.zeros_like(x) if d is None else d for x, d in zip(coefficients, others[5:], strict=True)]
        change = _operator(ctx.A, changes)(u)
        rhs = -change if df is None else df - change
        return _another("tangent", ctx.again, rhs, _operator(ctx.A, coefficients)), None

    @staticmethod
    def vmap(
        info: Any,
        in_dims: tuple[int | None, ...],
        f: Tensor,
        start: Tensor | None,
        lift: Tensor | None,
        run: Run,
        again: Run,
        A: Diffusion | None,
        *coefficients: Tensor,
    ) -> tuple[tuple[Tensor, Outcome], tuple[int, None]]:
        if any(dim is not None for dim in in_dims[6:]):
            raise ArgumentError(
                "a, c",
                got="fields inside torch.func.vmap",
                expected="plain tensors: the hierarchy is built from their numbers",
                do="give a batch of fields, (B, *cells), to one problem",
            )
        f, start, lift = (
            x if x is None else x.expand(info.batch_size, *x.shape) if dim is None else x.movedim(dim, 0)
            for x, dim in zip((f, start, lift), in_dims, strict=False)
        )
        assert f is not None
        if A is not None and any(x.ndim > A.ndim and x.shape[0] > 1 for x in coefficients):
            # each member of a batch has its own coefficients: one solve after the other
            each = zip(f, *([None] * len(f) if x is None else x for x in (start, lift)), strict=True)
            solved = [Implicit.apply(*one, run, again, A, *coefficients) for one in each]
            worst = max((outcome for _, outcome in solved), key=lambda outcome: outcome.residuals[-1])
            return (torch.stack([u for u, _ in solved]), worst), (0, None)
        flat = (None if x is None else x.flatten(0, 1) for x in (f, start, lift))
        u, outcome = Implicit.apply(*flat, run, again, A, *coefficients)
        return (u.reshape(f.shape), outcome), (0, None)


def _another(kind: str, again: Run, f: Tensor, A: Diffusion | None) -> Tensor:
    """A⁻¹ f."""
    u, outcome = implicit(f, None, None, again, again, A)
    tell(kind, outcome)
    return u


def tell(kind: str, outcome: Outcome) -> None:
    """Warn of a solve for a derivative that did not converge: the user has no `Solution` of it to look at."""
    if not outcome.result.ok:
        finite = math.isfinite(outcome.residuals[0])
        warnings.warn(
            f"the {kind} solve of pde.solve (it gives the gradient) ended {outcome.result.name}, at a relative "
            f"residual of {outcome.residuals[-1]:.0e}, with the rtol, max_cycles and method of the solve itself: "
            + (outcome.result.value if finite else "what came in is not finite; look at the loss"),
            GradientWarning,
            stacklevel=3,
        )
