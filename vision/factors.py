"""The factors of a polynomial block, `B r = c1 r - c2 A r` with trained coefficients, and where their roots start."""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unified.errors import ArgumentError
from unified.roots import chebyshev_roots
from unified.smoother import AbstractCorrection, Factor, Pair
from unified.spectrum import symbol

from .symbols import kernel

Number = Callable[[float], float | Tensor]  # a coefficient as it is trained: a scalar, or the same for each channel

PAIR = "quadratic"

# One root is given; what is trained: 1/ρ, which may pass through 0 (no smoothing) and change its sign; (a, b); the
# double real root; and α = 1/ρ² of the roots ±ρ, imaginary ones where it is negative.
FACTORS: dict[str, Callable[[complex, Number], AbstractCorrection]] = {
    "linear": lambda root, number: Factor(number((1 / root).real), trainable=True),  # 1 - λ/ρ
    PAIR: lambda root, number: Pair(number(root.real), number(root.imag)),  # 1 - 2a/(a²+b²) λ + λ²/(a²+b²)
    "quadratic-real": lambda root, number: Pair(number(root.real), None),  # (1 - λ/a)²: b = 0, as published
    "double": lambda root, number: Factor(None, number(-(1 / root**2).real), trainable=True),  # 1 - αλ²
}

# The polynomials of the published results (van Betteray, Rottmann & Kahl 2025), by their degree in A.
BLOCKS = {
    "q2": ("linear",) * 2,
    "g4": ("double",) * 2,
    "g6": ("double",) * 2 + (PAIR,),
    "g8": ("double",) * 3 + (PAIR,),
}


def unit(A: nn.Module, channels: int, kinds: Sequence[str]) -> list[complex]:
    """All on the unit circle, where A's spectrum ends at first: real roots at 1, pairs spread over its right half."""
    pairs = kinds.count(PAIR)
    angles = iter([math.pi / 2 * (j + 1) / (pairs + 1) for j in range(pairs)])
    return [cmath.rect(1, next(angles)) if kind == PAIR else 1.0 for kind in kinds]


def uniform(A: nn.Module, channels: int, kinds: Sequence[str]) -> list[complex]:
    """Sizes uniform in [1/2, 3/2]; real roots positive, the angles of pairs uniform in (0, π)."""
    sizes, angles = 0.5 + torch.rand(len(kinds)), math.pi * (0.01 + 0.98 * torch.rand(len(kinds)))
    return [
        cmath.rect(float(size), float(angle) if kind == PAIR else 0)
        for kind, size, angle in zip(kinds, sizes, angles, strict=True)
    ]


def xavier(A: nn.Module, channels: int, kinds: Sequence[str]) -> list[complex]:
    """Inverse roots uniform in ±√3, the bound that Glorot & Bengio 2010 give a weight with one input and one output.

    Of pairs both parts of the inverse; b starts positive.
    """
    real, imaginary = math.sqrt(3) * (2 * torch.rand(2, len(kinds)) - 1)
    inverse = [complex(x, -abs(y) if kind == PAIR else 0) for kind, x, y in zip(kinds, real, imaginary, strict=True)]
    return [1 / z for z in inverse]


def spectrum(A: nn.Module, channels: int, kinds: Sequence[str]) -> list[complex]:
    """From the eigenvalues λ of A's symbol on a periodic grid of 3x3 points, hi = max |λ|.

    Linear factors share the roots of the fourth-kind Chebyshev polynomial on [0, hi], the largest first; ±ρ of double
    ones are ±hi; pairs are Leja points of the complex λ: the largest, then the farthest, in product, from those before
    it.
    """
    values = _eigenvalues(A, channels)
    hi = float(abs(values).max())
    real = [kind for kind in kinds if kind not in (PAIR, "double")]
    line = iter(chebyshev_roots(len(real), hi)[::-1] if real else ())
    pairs = iter(_leja_points(values, kinds.count(PAIR)))
    return [next(pairs) if kind == PAIR else hi if kind == "double" else float(next(line)) for kind in kinds]


ROOTS = {"unit": unit, "spectrum": spectrum, "uniform": uniform, "xavier": xavier}


def _eigenvalues(A: nn.Module, channels: int) -> NDArray[np.complex128]:
    """Of the symbol's matrices at the frequencies 0 and 2π/3 of the first axis: the others are their conjugates."""
    weight = kernel(A, channels)
    if weight is None:
        raise ArgumentError("roots", got="a nonlinear A", expected="a convolution", do="use roots='unit'")
    return torch.linalg.eigvals(symbol(weight, (3, 3))[:2]).numpy().ravel()


def _leja_points(values: NDArray[np.complex128], count: int) -> list[complex]:
    upper = values.real + 1j * abs(values.imag)
    upper = upper[upper.imag > 1e-3 * abs(upper).max()]
    if count and not len(upper):
        raise ArgumentError("roots", got="a real spectrum", expected="complex eigenvalues", do="use linear factors")
    found: list[complex] = []
    score = np.log(abs(upper))
    for _ in range(count):
        found.append(complex(upper[np.argmax(score)]))
        with np.errstate(divide="ignore"):
            near = np.log(abs(upper - found[-1])) + np.log(abs(upper - found[-1].conjugate()))
        score = near if len(found) == 1 else score + near
    return found
