"""Smoothers by name: each is a choice of the roots of its residual polynomial, from the λmax of a level."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from torch import Tensor

from unified.errors import ArgumentError
from unified.roots import Roots, chebyshev_roots, optimised_roots
from unified.smoother import AbstractSmoother, Factor, Relaxation, TensorMap, polynomial

from . import checks
from .problems import Poisson

Smoother = str | Sequence[float] | Sequence[complex] | Callable[[Poisson], AbstractSmoother]
Factory = Callable[[Poisson], AbstractSmoother]

DAMPING = 0.8  # of Jacobi: the best smoothing factor of the 5-point stencil (Trottenberg et al. 2001, 2.1)


def _jacobi(problem: Poisson, degree: int) -> Roots:
    diagonal = sum(2 / h**2 for h in problem.h)
    return np.full(degree, diagonal / DAMPING)


ROOTS: dict[str, Callable[[Poisson, int], Roots]] = {
    "chebyshev4": lambda problem, degree: chebyshev_roots(degree, problem.radius),
    "chebyshev1": lambda problem, degree: chebyshev_roots(degree, problem.radius, problem.radius / 4, kind=1),
    "optimised4": lambda problem, degree: optimised_roots(degree, problem.radius),
    "jacobi": _jacobi,
}


def factory(smoother: Smoother, degree: int) -> Factory:
    """The map from a level's problem to its smoother.

    smoother: a name of `ROOTS`; roots relative to λmax, real or in conjugate pairs; or such a map itself.
    """
    checks.whole("degree", degree, least=1, usual=2)
    if isinstance(smoother, str):
        checks.one_of("smoother", smoother, ROOTS, note=", a sequence of roots or a function of the problem")
        roots = ROOTS[smoother]
        return lambda problem: polynomial(roots(problem, degree))
    if isinstance(smoother, AbstractSmoother):
        got, expected = f"a {type(smoother).__name__}", "a function of a level's problem: each level has its own"
        do = "e.g. lambda problem: polynomial([problem.radius])"
        raise ArgumentError("smoother", got=got, expected=expected, do=do)
    if callable(smoother):
        return lambda problem: _checked(smoother(problem))
    try:
        relative = np.array([smoother[i] for i in range(len(smoother))], dtype=np.complex128)
    except (TypeError, ValueError) as error:
        expected = "numbers, the roots relative to λmax"
        raise ArgumentError("smoother", got=repr(smoother), expected=expected, do="e.g. [0.35, 0.9]") from error
    return lambda problem: polynomial(relative * problem.radius)


def _checked(smoother: AbstractSmoother) -> AbstractSmoother:
    checks.instance("smoother", smoother, AbstractSmoother, "see unified.polynomial and unified.Relaxation")
    return smoother


def describe(smoother: Smoother, degree: int) -> str:
    """A word for the hierarchy's table."""
    if isinstance(smoother, str):
        return f"{smoother} of degree {degree}"
    if callable(smoother):
        return getattr(smoother, "__name__", type(smoother).__name__)
    return f"{len(smoother)} given root{'' if len(smoother) == 1 else 's'}"


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


def sweeps(smoother: AbstractSmoother, times: int) -> AbstractSmoother | None:
    """None for no sweep, the smoother itself for one."""
    if times == 0:
        return None
    return smoother if times == 1 else Sweeps(smoother, times)


def roots_of(smoother: AbstractSmoother) -> np.ndarray:
    """The roots of a smoother's residual polynomial: complex, factor by factor.

    >>> roots_of(polynomial([2.0, 1 + 1j, 1 - 1j]))
    array([2.+0.j, 1.+1.j, 1.-1.j])
    """
    if isinstance(smoother, Sweeps):
        return np.tile(roots_of(smoother.smoother), smoother.times)
    if isinstance(smoother, Relaxation) and not any(map(len, (smoother.phi, smoother.psi, smoother.tau))):
        factors = [B for B in smoother.B if isinstance(B, Factor) and _is_scalar(B)]
        if len(factors) == len(smoother.B):
            times = smoother.steps // len(factors)  # one factor may serve all steps
            return np.concatenate([_roots_of(B) for B in factors] * times)
    expected = "a polynomial in A, of scalar factors"
    raise ArgumentError("smoother", got=type(smoother).__name__, expected=expected, do="see unified.polynomial")


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
