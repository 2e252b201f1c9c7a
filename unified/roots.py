"""Roots of residual polynomials: Chebyshev of the first and the fourth kind, optimised, and their ordering.

A smoother with roots ρ multiplies the residual's component of eigenvalue λ by `p(λ) = ∏ (1 - λ/ρ)`.
Everything here is NumPy in float64: it is set-up, done once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import ArgumentError, whole

Roots = Sequence[float] | Sequence[complex] | NDArray[np.float64] | NDArray[np.complex128]

# Phillips & Fischer 2022 (arXiv 2210.03179), table 1: the weights β_1..β_k that minimise the two-level bound.
_OPTIMISED_BETAS: dict[int, tuple[float, ...]] = {
    1: (1.125,),
    2: (1.02387287570313, 1.26408905371085),
    3: (1.00842544782028, 1.08867839208730, 1.33753125909618),
    4: (1.00391310427285, 1.04035811188593, 1.14863498546254, 1.38268869241000),
    5: (1.00212930146164, 1.02173711549260, 1.07872433192603, 1.19810065292663, 1.41322542791682),
    6: (
        1.00128517255940,
        1.01304293035233,
        1.04678215124113,
        1.11616489419675,
        1.23829020218444,
        1.43524297106744,
    ),
}


def chebyshev_roots(degree: int, hi: float, lo: float = 0.0, *, kind: Literal[1, 4] = 4) -> NDArray[np.float64]:
    """Roots of the Chebyshev residual polynomial: kind 1 on [lo, hi], kind 4 on [0, hi].

    Kind 1: the polynomial with p(0) = 1 that is smallest on [lo, hi]; roots
    `(hi + lo)/2 + (hi - lo)/2 · cos((2j - 1)π / 2k)`. Kind 4 (Lottes 2022, arXiv 2202.08830): it minimises
    `λ^½ p(λ)` on [0, hi]; roots `hi · sin²(πj / (2k + 1))`. Returned in increasing order.

    >>> chebyshev_roots(1, 3.0).round(12)
    array([2.25])
    """
    _check(degree, hi)
    j = np.arange(1, degree + 1)
    if kind == 4:
        return hi * np.sin(np.pi * j / (2 * degree + 1)) ** 2
    if kind == 1:
        if not 0 < lo < hi:
            raise ArgumentError("lo", got=lo, expected=f"0 < lo < hi = {hi}", do="use lo = hi/4 to smooth in 2-D")
        return np.sort((hi + lo) / 2 + (hi - lo) / 2 * np.cos((2 * j - 1) * np.pi / (2 * degree)))
    raise ArgumentError("kind", got=kind, expected="1 or 4", do="use kind=4, which needs no lo")


def optimised_roots(degree: int, hi: float) -> NDArray[np.float64]:
    """Roots of the optimised fourth-kind polynomial (Phillips & Fischer 2022), degree 1 to 6, increasing.

    With W_i the fourth-kind residual polynomials, weights β give
    `p = (1-β_1) W_0 + Σ (β_i - β_{i+1}) W_i + β_k W_k`; its roots are the eigenvalues
    of the comrade matrix of the three-term recurrence, so nothing is expanded into monomials.

    >>> optimised_roots(1, 3.0).round(12)
    array([2.])
    """
    _check(degree, hi)
    if degree not in _OPTIMISED_BETAS:
        raise ArgumentError("degree", got=degree, expected="1 to 6", do="use chebyshev_roots for higher degrees")
    beta = np.array([1.0, *_OPTIMISED_BETAS[degree], 0.0])
    # weights of the unscaled Chebyshev polynomials, whose value at λ = 0 is 2i + 1
    weights = (beta[:-1] - beta[1:]) / (2 * np.arange(degree + 1) + 1)
    # x W_0 = (W_1 - W_0)/2, x W_i = (W_{i+1} + W_{i-1})/2; x = 1 - 2λ/hi; W_k is eliminated by p = 0
    comrade = (np.eye(degree, k=1) + np.eye(degree, k=-1)) / 2
    comrade[0, 0] = -0.5
    comrade[-1] -= weights[:-1] / weights[-1] / 2
    x = np.linalg.eigvals(comrade)
    return np.sort(hi * (1 - x.real) / 2)


def factors(roots: Roots) -> NDArray[np.complex128]:
    """One root a factor, in the order given: a real one, or that of a pair whose imaginary part is positive.

    Raises ArgumentError where a complex root lacks its conjugate, is zero or not finite.
    """
    rest = list(np.asarray(roots, dtype=np.complex128).ravel())
    out = []
    if not rest:
        raise ArgumentError("roots", got="none", expected="at least one root", do="give the roots of p")
    while rest:
        rho = rest.pop(0)
        if not np.isfinite(rho) or rho == 0:
            raise ArgumentError("roots", got=rho, expected="finite roots other than 0", do="p(0) must be 1")
        if abs(rho.imag) <= 1e-14 * abs(rho):
            out.append(complex(rho.real))
            continue
        partner = next((i for i, z in enumerate(rest) if abs(z - rho.conjugate()) <= 1e-12 * abs(rho)), None)
        if partner is None:
            raise ArgumentError(
                "roots", got=rho, expected="complex roots in conjugate pairs", do=f"add {rho.conjugate()}"
            )
        rest.pop(partner)
        out.append(complex(rho.real, abs(rho.imag)))
    return np.array(out)


def leja(roots: Roots) -> NDArray[np.complex128]:
    """The roots in Leja order, conjugates side by side: each is farthest, in product, from those before it.

    Applied one after the other in this order, no partial product grows large (Reichel 1990): at degree 16 in
    float32, decreasing order loses 1e-2 on a 1-D stencil, this one 1e-7.
    """
    heads = factors(roots)
    order: list[complex] = []
    left = list(heads)
    while left:
        with np.errstate(divide="ignore"):
            score = [sum(np.log(abs(z - w)) for w in order) if order else abs(z) for z in left]
        head = left.pop(int(np.argmax(score)))
        order += [head] if head.imag == 0 else [head, head.conjugate()]
    return np.array(order)


def residual_polynomial(roots: Roots, lam: ArrayLike) -> NDArray[np.float64]:
    """`p(λ) = ∏ (1 - λ/ρ)` at real or complex λ; real for real λ.

    >>> float(residual_polynomial([2.0, 4.0], 1.0))
    0.375
    """
    lam = np.asarray(lam)
    p = np.prod([1 - lam / rho for rho in np.asarray(roots, dtype=np.complex128).ravel()], axis=0)
    return p if np.iscomplexobj(lam) else p.real


def _check(degree: int, hi: float) -> None:
    whole("degree", degree, do="use degree=2")
    if not (np.isfinite(hi) and hi > 0):
        raise ArgumentError(
            "hi", got=hi, expected="a finite upper bound of the spectrum, > 0", do="see unified.spectrum"
        )
