"""Polynomial smoothers known by their roots: made of them in units of a diagonal, and read back from what was made."""

from __future__ import annotations

from typing import cast, final

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.roots import Roots
from unified.smoother import AbstractSmoother, Factor, Relaxation, Scaled, TensorMap, product

from .kernels.plain import outside_modes
from .operators import Diffusion


def in_units_of_diagonal(A: Diffusion, *each: Roots) -> list[AbstractSmoother]:
    """Polynomials in D̃⁻¹A by their roots, in order; see `l1_diagonal`."""
    inverse = InverseDiagonal(A)
    return [OverDiagonal(np.asarray(roots), inverse) for roots in each]


@final
class InverseDiagonal:
    """1/D̃ of an operator, computed when it is needed and once for all who need it; number: D̃ where that is one."""

    def __init__(self, A: Diffusion) -> None:
        self.operator = A
        self._known: Tensor | None = None
        diagonal = A.l1_diagonal if A.survey is None else None
        self.number = float(diagonal) if diagonal is not None and diagonal.numel() == 1 else None

    def __call__(self) -> Tensor:
        like = self.operator.like
        if self._known is None or (self._known.dtype, self._known.device) != (like.dtype, like.device):
            self._known = 1 / self.operator.l1_diagonal
        return self._known


@final
class OverDiagonal(AbstractSmoother):
    """The polynomial in D̃⁻¹A that has these roots, factor by factor.

    The factors, and D̃ where it is a field, are made when they are first applied: a fused level has no use for them, and
    to make them would take a fourth of its set-up. A diagonal that is one number goes into the roots.
    """

    def __init__(self, roots: np.ndarray, inverse: InverseDiagonal) -> None:
        super().__init__()
        self.roots, self.inverse = roots, inverse
        self._made: tuple[AbstractSmoother, torch.dtype, torch.device] | None = None  # in no state dict

    @property
    def operator(self) -> Diffusion:
        return self.inverse.operator

    def make(self) -> AbstractSmoother:
        number, like = self.inverse.number, self.operator.like
        one: AbstractSmoother = product(self.roots if number is None else self.roots * number)
        one = one if number is not None else Scaled(one, self.inverse())
        if like.device.type != "cpu":
            one = one.to(like.device)
        self._made = one, like.dtype, like.device
        return one

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        like, made = self.operator.like, self._made
        if made is not None and made[1:] == (like.dtype, like.device):
            smoother = made[0]
        else:
            smoother = outside_modes(self.make)
        out: Tensor = smoother(A, u, f)
        return out


@final
class Sweeps(AbstractSmoother):
    """A smoother, `times` times."""

    def __init__(self, smoother: AbstractSmoother, times: int) -> None:
        super().__init__()
        self.smoother, self.times = smoother, times

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        for _ in range(self.times):
            u = self.smoother(A, u, f)
        assert u is not None
        return u


def plain(smoother: AbstractSmoother | None) -> AbstractSmoother | None:
    """Of factors, as a composed level applies it, where it is known by its roots."""
    if isinstance(smoother, Sweeps):
        return sweeps(cast(AbstractSmoother, plain(smoother.smoother)), smoother.times)
    return smoother.make() if isinstance(smoother, OverDiagonal) else smoother


def sweeps(smoother: AbstractSmoother, times: int) -> AbstractSmoother | None:
    """None for no sweep, the smoother itself for one."""
    if times == 0:
        return None
    return smoother if times == 1 else Sweeps(smoother, times)


def roots_of(smoother: AbstractSmoother) -> np.ndarray:
    """The roots of a smoother's residual polynomial, in A or (see `Scaled`) in D⁻¹A: complex, factor by factor.

    >>> from unified import polynomial
    >>> roots_of(polynomial([2.0, 1 + 1j, 1 - 1j]))
    array([2.+0.j, 1.+1.j, 1.-1.j])
    """
    if isinstance(smoother, Sweeps):
        return np.tile(roots_of(smoother.smoother), smoother.times)
    if isinstance(smoother, OverDiagonal):
        number = smoother.inverse.number
        return (smoother.roots if number is None else smoother.roots * number).astype(complex)
    if isinstance(smoother, Scaled):
        return roots_of(smoother.smoother)
    if isinstance(smoother, Relaxation) and not any(map(len, (smoother.phi, smoother.psi, smoother.tau))):
        factors = [B for B in smoother.B if isinstance(B, Factor) and _is_scalar(B)]
        if len(factors) == len(smoother.B):
            times = smoother.steps // len(factors)  # one factor may serve all steps
            return np.concatenate([_roots_of(B) for B in factors] * times)
    expected = "a polynomial in A, of scalar factors"
    raise ArgumentError("smoother", got=type(smoother).__name__, expected=expected, do="see unified.polynomial")


def scale_of(smoother: AbstractSmoother) -> Tensor | None:
    """What a smoother multiplies A by, None for one in A itself."""
    if isinstance(smoother, Sweeps):
        return scale_of(smoother.smoother)
    if isinstance(smoother, OverDiagonal):
        return smoother.inverse() if smoother.inverse.number is None else None
    return smoother.scale if isinstance(smoother, Scaled) else None


def _is_scalar(factor: Factor) -> bool:
    return all(c is None or c.numel() == 1 for c in (factor.c1, factor.c2))


def _roots_of(factor: Factor) -> np.ndarray:
    """Of `1 - c1 λ + c2 λ²`."""
    c1, c2 = (0.0 if c is None else float(c.detach()) for c in (factor.c1, factor.c2))
    if c2 == 0:
        return np.array([1 / c1] if c1 else [], dtype=complex)
    middle = c1 / (2 * c2)
    half = np.emath.sqrt(complex(middle**2 - 1 / c2))
    return np.array([middle + half, middle - half])
