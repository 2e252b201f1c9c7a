"""Problems with a function g of u, `-∇·(a ∇u) + c u + g(u) = f`: the parts of a level in the full approximation scheme.

The smoother takes the steps of a linear one in units of the diagonal of the Jacobian at its start (Newton-Jacobi, or
Newton-Gauss-Seidel by colours; Trottenberg et al. 2001, 5.3.2). The coarsest level is solved by Newton's method.
"""

from __future__ import annotations

from typing import final

import torch
from torch import Tensor, nn

from unified.errors import ArgumentError
from unified.smoother import AbstractSmoother, Factor, Relaxation, Scaled, TensorMap

from .coefficients import Pointwise, derivative
from .operators import Diffusion
from .polynomials import Sweeps
from .smoothers import Pair

NEWTON_STEPS = 30  # on the coarsest level, each halved up to as many times
ENOUGH = 1e-12  # of the residual there


@final
class Nonlinear(nn.Module):
    """`A(u) = L u + w g(u)`: L a linear operator, w the control volumes of its points, (1, 1, *grid)."""

    volumes: Tensor

    def __init__(self, linear: Diffusion, g: Pointwise, volumes: Tensor) -> None:
        super().__init__()
        self.linear, self._g = linear, [g]  # in a list: a module's parameters are the user's, not the hierarchy's
        self.register_buffer("volumes", volumes, persistent=False)

    def forward(self, u: Tensor) -> Tensor:
        out: Tensor = self.linear(u) + self.volumes * self._g[0](u)
        return out

    @property
    def bounds(self) -> tuple[float, float]:
        """Of the linear part."""
        return self.linear.bounds

    def slope(self, u: Tensor) -> Tensor:
        """w g'(u): what the Jacobian adds to the diagonal."""
        return self.volumes * derivative(self._g[0], u)


@final
class Newton(AbstractSmoother):
    """A smoother of `D⁻¹A` with D the diagonal of the Jacobian (see `l1_diagonal`) at the u that comes in."""

    linear: Tensor

    def __init__(self, relative: AbstractSmoother, A: Nonlinear) -> None:
        super().__init__()
        self.relative, self.operator = relative, [A]  # in a list: the level holds it, not its smoother
        self.register_buffer("linear", A.linear.l1_diagonal, persistent=False)
        _check_real(relative)

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        u = torch.zeros_like(f) if u is None else u
        (operator,) = self.operator
        # no step upwards in energy where the slope outweighs the diagonal (a coarse grid, g' < 0)
        diagonal = torch.maximum(self.linear + operator.slope(u), 0.1 * self.linear)
        out: Tensor = Scaled(self.relative, 1 / diagonal)(A, u, f)
        return out


def _check_real(smoother: AbstractSmoother) -> None:
    inner = smoother.smoother if isinstance(smoother, Sweeps) else smoother
    factors = [B for B in inner.B if isinstance(B, Factor)] if isinstance(inner, Relaxation) else []
    if any(factor.c2 is not None for factor in factors):
        raise ArgumentError(
            "smoother",
            got="complex roots",
            expected="real ones, where g is not linear: a pair of complex roots applies A to a residual",
            do='use smoother="chebyshev4"',
        )


def newton(pair: Pair, A: Nonlinear) -> Pair:
    """The smoothers of `D⁻¹L` as smoothers of A."""
    pre, post = (None if one is None else Newton(one, A) for one in pair)
    return Pair(pre, pre if pair.pre is pair.post else post)


@final
class NewtonSolve(AbstractSmoother):
    """Newton's method with a dense Jacobian, from the u that comes in, each step halved until the residual falls."""

    matrix: Tensor

    def __init__(self, A: Nonlinear) -> None:
        super().__init__()
        self.register_buffer("matrix", A.linear.dense(), persistent=False)
        self.operator = [A]

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        (operator,) = self.operator
        u = torch.zeros_like(f) if u is None else u
        r = f - A(u)
        goal = ENOUGH * (_norm(f) + _norm(r) + torch.finfo(f.dtype).tiny)
        for _ in range(NEWTON_STEPS):
            if not (_norm(r) > goal).any():
                break
            jacobian = self.matrix + torch.diag_embed(operator.slope(u).reshape(u.shape[0], -1))
            d = (torch.linalg.pinv(jacobian, hermitian=True) @ r.reshape(r.shape[0], -1, 1)).reshape(r.shape)
            u, r, moved = _step(A, u, f, r, d)
            if not moved:
                break
        return u


def _step(A: TensorMap, u: Tensor, f: Tensor, r: Tensor, d: Tensor) -> tuple[Tensor, Tensor, bool]:
    """The longest of d, d/2, d/4, ... that makes the residual of each right-hand side smaller, or none."""
    length = torch.ones_like(_norm(r))
    for _ in range(NEWTON_STEPS):
        new = f - A(u + length * d)
        worse = ~(_norm(new) < _norm(r))
        if not worse.any():
            break
        length = torch.where(worse, length / 2, length)
    length = torch.where(worse, 0, length)  # at the rounding floor nothing is better
    u = u + length * d
    return u, f - A(u), bool(length.any())


def _norm(x: Tensor) -> Tensor:
    """Of each right-hand side: (B, 1, .., 1), without squares that underflow or overflow."""
    shape = (-1, *[1] * (x.ndim - 1))
    largest = x.abs().flatten(1).amax(1).reshape(shape)
    unit = torch.where(largest > 0, largest, 1)
    return torch.linalg.vector_norm((x / unit).flatten(1), dim=1).reshape(shape) * unit
