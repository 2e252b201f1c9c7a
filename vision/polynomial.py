"""The residual polynomial of a smoother whose corrections are polynomials in A."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from unified.smoother import AbstractCorrection, Factor, Inside, Pair, Relaxation


@dataclass(frozen=True, eq=False)
class Polynomial:
    """`q(λ) = ∏ (1 - c1 λ + c2 λ²)`, a factor a step. c1, c2: (steps, K); K is 1, or one polynomial a channel."""

    c1: NDArray[np.float64]
    c2: NDArray[np.float64]

    def __call__(self, lam: ArrayLike) -> NDArray[np.complex128]:
        """(K, *lam.shape)"""
        lam = np.asarray(lam)
        c1, c2 = (c.reshape(*c.shape, *[1] * lam.ndim) for c in (self.c1, self.c2))
        return np.prod(1 - c1 * lam + c2 * lam**2, axis=0)

    @property
    def roots(self) -> list[NDArray[np.complex128]]:
        """Those of each of the K polynomials. A coefficient 0 lowers the degree."""
        square = self.c1**2 - 4 * self.c2  # 1/ρ are the roots of x² - c1 x + c2
        square = np.where(abs(square) <= 1e-12 * self.c1**2, 0, square)  # a double root, which rounding split
        spread = np.where(self.c2 == 0, self.c1, np.sqrt(square + 0j))  # exactly: else a 0 may not be one
        inverse = np.concatenate([self.c1 + spread, self.c1 - spread]) / 2
        return [1 / x[x != 0] for x in inverse.T]


def residual_polynomial_of(smoother: Relaxation) -> Polynomial | None:
    """q of a smoother without bn and relu, wherever they stand; None where a correction is no polynomial in A."""
    every = [coefficients(B) for B in smoother.B]
    known = [c for c in every if c is not None]
    if len(known) < len(every):
        return None
    pairs = [known[step % len(known)] for step in range(smoother.steps)]
    c1, c2 = (torch.stack(torch.broadcast_tensors(*c)).numpy() for c in zip(*pairs, strict=True))
    return Polynomial(*np.broadcast_arrays(c1, c2))


def coefficients(B: AbstractCorrection) -> tuple[Tensor, Tensor] | None:
    """(c1, c2) of `B r = c1 r - c2 A r`, each of one number, or one a channel, float64; None for another correction."""
    if isinstance(B, Inside):  # bn or relu on A r
        return coefficients(B.correction)
    if isinstance(B, Factor):
        c1, c2 = (torch.zeros(1) if c is None else c for c in (B.c1, B.c2))
        return _flat(c1), _flat(c2)
    if isinstance(B, Pair):
        a, b = _flat(B.a), torch.zeros(1) if B.b is None else _flat(B.b)
        c2 = 1 / (a * a + b * b)
        return 2 * a * c2, c2
    return None


def _flat(c: Tensor) -> Tensor:
    return c.detach().to("cpu", torch.float64).flatten()
