"""Smoothers by name: each is a choice of the roots of its residual polynomial in `D⁻¹A`, or an order of the points."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from numbers import Number
from typing import NamedTuple, TypeGuard, cast, final

import numpy as np
import torch
from torch import Tensor, nn

from unified.errors import ArgumentError
from unified.roots import Roots, chebyshev_roots, leja, optimised_roots
from unified.smoother import AbstractSmoother, Factor, Relaxation, product

from . import checks
from .operators import Diffusion
from .polynomials import Sweeps, in_units_of_diagonal, sweeps

One = str | Sequence[float] | Sequence[complex] | Callable[[Diffusion], AbstractSmoother]
Smoother = One | Sequence[One]  # one for all levels, or one for each from the finest, the last for all coarser ones


class Pair(NamedTuple):
    """The smoothers of the way down and up: one object, or two; None smooths nothing."""

    pre: AbstractSmoother | None
    post: AbstractSmoother | None


Factory = Callable[[Diffusion, int], Pair]  # of a level's operator and number, the finest being 0

DAMPING = 0.8  # of Jacobi: the best smoothing factor of the 5-point stencil (Trottenberg et al. 2001, 2.1)

ROOTS: dict[str, Callable[[float, int], Roots]] = {  # from λmax of D⁻¹A and the degree
    "chebyshev4": lambda hi, degree: chebyshev_roots(degree, hi),
    "chebyshev1": lambda hi, degree: chebyshev_roots(degree, hi, hi / 4, kind=1),
    "optimised4": lambda hi, degree: optimised_roots(degree, hi),
    "jacobi": lambda hi, degree: np.full(degree, 1 / DAMPING),
}
GAUSS_SEIDEL, SPLIT = "redblack", "split"
NAMES = (*ROOTS, SPLIT, GAUSS_SEIDEL)


def lower(degree: int) -> float:
    """From which part of λmax on a split polynomial is small: at most from where modes begin that a coarse grid lacks.

    By the V-cycles it makes in two and three dimensions: about .2, .15, .1 and .075 are best for degree 2, 4, 6 and 8.
    """
    return min(0.2, 0.6 / degree)


def factory(smoother: Smoother, degree: int, pre: int = 1, post: int = 1, *, relative: bool = False) -> Factory:
    """The map from a level's operator to its smoothers; relative: those of D⁻¹A, to be scaled by who applies them.

    pre, post: how often each is applied.

    smoother: a name of `NAMES`; roots relative to λmax of D⁻¹A, real or in conjugate pairs; a function of the
    operator, whose smoother must be symmetric where conjugate gradients use the cycle; or a sequence of these, one a
    level from the finest, the last for all coarser ones.
    """
    checks.whole("degree", degree, least=1, usual=2)

    def make(A: Diffusion, roots: Roots) -> Pair:
        roots = leja(roots)
        return both(*((product(roots),) if relative else in_units_of_diagonal(A, roots)))

    def both(smoother: AbstractSmoother) -> Pair:
        """One object wherever they are the same."""
        down = sweeps(smoother, pre)
        return Pair(down, down if pre == post else sweeps(smoother, post))

    def halves() -> Factory:
        """Of one polynomial: what an error meets between two coarse grids is the way up and then the way down."""
        n = degree * (pre + post)
        roots = leja(chebyshev_roots(n, 1.0, lower(n), kind=1)).real if n else np.zeros(0)
        parts = [part for part in np.split(roots, [degree * pre]) if len(part)]

        def pair(A: Diffusion, level: int) -> Pair:
            scaled = [part * A.bounds[1] for part in parts]
            made = iter(map(product, scaled) if relative else in_units_of_diagonal(A, *scaled))
            return Pair(next(made) if pre else None, next(made) if post else None)

        return pair

    if isinstance(smoother, str):
        checks.one_of("smoother", smoother, NAMES, note=", numbers (roots) or a function of the operator")
        if smoother == GAUSS_SEIDEL:
            return lambda A, level: both(gauss_seidel(A, degree, relative=relative))
        if smoother == SPLIT:
            return halves()
        roots = ROOTS[smoother]
        return lambda A, level: make(A, roots(A.bounds[1], degree))
    if isinstance(smoother, AbstractSmoother):
        got, expected = f"a {type(smoother).__name__}", "a function of a level's operator: each level has its own"
        do = "e.g. lambda A: polynomial([A.bounds[0]])"
        raise ArgumentError("smoother", got=got, expected=expected, do=do)
    if callable(smoother):
        return lambda A, level: both(_checked(smoother(A)))
    if is_by_level(smoother):
        makes = [factory(cast(One, one), degree, pre, post, relative=relative) for one in smoother]
        return lambda A, level: makes[min(level, len(makes) - 1)](A, level)
    try:
        given = np.array([smoother[i] for i in range(len(smoother))], dtype=np.complex128)
    except (TypeError, ValueError) as error:
        expected = "numbers, the roots relative to λmax"
        raise ArgumentError("smoother", got=repr(smoother), expected=expected, do="e.g. [0.35, 0.9]") from error
    return lambda A, level: make(A, given * A.bounds[1])


def is_by_level(smoother: Smoother) -> TypeGuard[Sequence[One]]:
    """Whether it is a sequence of smoothers and not of roots."""
    sequence = isinstance(smoother, Sequence) and not isinstance(smoother, str)
    return sequence and len(smoother) > 0 and not any(isinstance(one, Number) for one in smoother)


def names(smoother: Smoother) -> list[str]:
    """Those among its smoothers that are names."""
    every = smoother if is_by_level(smoother) else [smoother]
    return [one for one in every if isinstance(one, str)]


def is_function(smoother: Smoother) -> bool:
    """Whether a function makes it, for some level at least."""
    return any(map(callable, smoother)) if is_by_level(smoother) else callable(smoother)


def _checked(smoother: AbstractSmoother) -> AbstractSmoother:
    checks.instance("smoother", smoother, AbstractSmoother, "see unified.polynomial and unified.Relaxation")
    return smoother


def gauss_seidel(A: Diffusion, sweeps: int, *, relative: bool = False) -> AbstractSmoother:
    """Gauss-Seidel by colours, which no two coupled points share: red and black, or 2^d where diagonals couple.

    Each colour is a step of damping 1 on its points alone (Trottenberg et al. 2001, 2.1.3 and 5.4.3). The way up
    takes them in the same order as the way down: in reverse, which alone would make a cycle symmetric, V(1,1) leaves
    .26 instead of .11. Where a periodic axis has an odd number of points, its first and last have one colour and take
    each other's old values.
    """
    diagonal = A.diagonal
    scale = torch.ones_like(diagonal) if relative else 1 / diagonal
    colours = [Masked(mask, scale) for mask in colouring(A)]
    smoother = Relaxation(len(colours), Factor.root(1.0), psi=colours)
    return smoother if sweeps == 1 else Sweeps(smoother, sweeps)


def colouring(A: Diffusion) -> list[Tensor]:
    """Masks (*grid), one a colour."""
    device = A.like.device
    parity = torch.meshgrid(*(torch.arange(n, device=device) % 2 for n in A.shape), indexing="ij")
    if all(sum(map(abs, direction)) == 1 for direction in A.directions):
        total = sum(parity) % 2  # type: ignore[operator]
        return [total == colour for colour in (0, 1)]
    total = sum(2**i * p for i, p in enumerate(parity))
    # the 2^d colours so that opposite ones follow each other
    order = sorted(itertools.product((0, 1), repeat=A.ndim), key=lambda bits: (sum(bits) % 2, bits))
    return [total == sum(2**i * bit for i, bit in enumerate(bits)) for bits in order]


@final
class Masked(nn.Module):
    """`x -> scale x` on the points of a mask, zero elsewhere."""

    scale: Tensor

    def __init__(self, mask: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", mask * scale, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


def describe(smoother: Smoother, degree: int) -> str:
    """A word for the hierarchy's table."""
    if isinstance(smoother, str):
        if smoother == GAUSS_SEIDEL:
            return f"{smoother}, {degree} sweep{'' if degree == 1 else 's'}"
        return f"{smoother} of degree {degree}"
    if callable(smoother):
        return getattr(smoother, "__name__", type(smoother).__name__)
    if is_by_level(smoother):
        return ", then ".join(
            name for name, _ in itertools.groupby(describe(cast(One, one), degree) for one in smoother)
        )
    return f"{len(smoother)} given root{'' if len(smoother) == 1 else 's'}"
