"""Roots: their polynomials' bounds and recurrences, and the order in which rounding leaves them alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unified import (
    ArgumentError,
    Factor,
    Relaxation,
    StencilConv,
    chebyshev_roots,
    leja,
    optimised_roots,
    polynomial,
    residual_polynomial,
)
from unified.roots import _OPTIMISED_BETAS, factors


def inverse_gamma(roots):
    """1/γ, γ the supremum over (0, 1] of λ p²/(1 - p²), which is Lottes' smoothing bound."""
    lam = np.linspace(1e-3, 1, 400_001)
    p2 = residual_polynomial(roots, lam) ** 2
    return min(((1 - p2) / (lam * p2.clip(1e-300))).min(), 2 * np.sum(1 / roots))  # the limit λ -> 0


@pytest.mark.parametrize("k", range(1, 9))
def test_fourth_kind_has_its_bound(k):
    assert inverse_gamma(chebyshev_roots(k, 1.0)) == pytest.approx(4 * k * (k + 1) / 3, rel=1e-7)


@pytest.mark.parametrize(("k", "bound"), [(1, 3.000), (2, 9.472), (3, 19.196), (4, 32.163), (6, 67.827)])
def test_optimised_has_the_published_bound(k, bound):
    assert inverse_gamma(optimised_roots(k, 1.0)) == pytest.approx(bound, abs=6e-4)


@given(st.integers(1, 40), st.floats(1e-6, 1e6))
def test_roots_lie_in_the_spectrum_and_scale_with_it(k, hi):
    kinds = [chebyshev_roots(k, hi), chebyshev_roots(k, hi, hi / 4, kind=1)]
    if k <= 6:
        kinds.append(optimised_roots(k, hi))
    for roots in kinds:
        assert len(roots) == k
        assert (roots > 0).all()
        assert (roots <= hi).all()
        assert (np.diff(roots) > 0).all()
    np.testing.assert_allclose(kinds[0], hi * chebyshev_roots(k, 1.0), rtol=1e-14)


@pytest.mark.parametrize("k", range(1, 9))
def test_first_kind_is_the_smallest_on_its_interval(k):
    """max |p| on [lo, hi] is 1/T_k((hi + lo)/(hi - lo)), and the extremes alternate."""
    lo, hi = 0.25, 1.0
    p = residual_polynomial(chebyshev_roots(k, hi, lo, kind=1), np.linspace(lo, hi, 20_001))
    assert abs(p).max() == pytest.approx(1 / np.cosh(k * np.arccosh((hi + lo) / (hi - lo))), rel=1e-6)


@pytest.mark.parametrize("k", range(1, 7))
@pytest.mark.parametrize("optimised", [False, True])
def test_factors_equal_the_three_term_recurrence(k, optimised):
    """Lottes 2022; Phillips & Fischer 2022, algorithm 3, on a diagonal A."""
    hi = 3.7
    lam = np.linspace(0.0, hi, 200)
    u, r = np.zeros(200), np.random.default_rng(k).standard_normal(200)
    f = r.copy()
    d = 4 / (3 * hi) * r
    for i in range(1, k + 1):
        u += (_OPTIMISED_BETAS[k][i - 1] if optimised else 1.0) * d
        r = r - lam * d
        d = (2 * i - 1) / (2 * i + 3) * d + (8 * i + 4) / ((2 * i + 3) * hi) * r
    smoother = polynomial(optimised_roots(k, hi) if optimised else chebyshev_roots(k, hi))
    got = smoother(lambda x: torch.from_numpy(lam) * x, None, torch.from_numpy(f))
    # the published betas have 15 digits
    np.testing.assert_allclose(got.numpy(), u, rtol=0, atol=1e-12 * abs(u).max())


def lost(order):
    """Relative difference of one smoothing in float32 from float64; A has its spectrum in (0, 1)."""
    A = StencilConv(torch.tensor([-1.0, 2.0, -1.0]) / 4, padding=1)
    smoother = Relaxation(len(order), [Factor.root(float(rho)) for rho in order])
    f = torch.randn(1, 1, 255)
    exact = smoother(A, None, f.double())
    return float((smoother(A, None, f) - exact).norm() / exact.norm())


def test_leja_order_keeps_float32_where_the_natural_orders_lose_it():
    roots = chebyshev_roots(16, 1.0)
    assert 1e-3 < lost(roots) < 1e-1
    assert 1e-3 < lost(roots[::-1]) < 1e-1
    assert lost(leja(roots).real) < 1e-6
    roots = chebyshev_roots(32, 1.0)
    assert lost(roots) > 1e3
    assert lost(leja(roots).real) < 1e-6


@given(
    st.lists(st.floats(0.1, 9), min_size=0, max_size=8, unique=True),
    st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=1, max_size=5, unique=True),
)
def test_leja_reorders_and_keeps_conjugates_side_by_side(real, pairs):
    roots = np.array([*real, *(complex(a, b) for a, b in pairs), *(complex(a, -b) for a, b in pairs)])
    order = leja(roots)
    np.testing.assert_allclose(np.sort_complex(order), np.sort_complex(roots), rtol=1e-14)
    i = 0
    while i < len(order):
        if order[i].imag:
            assert order[i + 1] == order[i].conjugate()
            i += 1
        i += 1


def test_leja_is_greedy():
    assert leja([1.0, 2.0, 3.0, 10.0]).real.tolist() == [10, 1, 3, 2]
    assert leja([2.0, 2.0, 1.0]).real.tolist() == [2, 1, 2]


def test_factors_keep_the_order_given():
    assert factors([2.0, 1 - 1j, 3.0, 1 + 1j]).tolist() == [2, 1 + 1j, 3]


def test_residual_polynomial_is_one_at_zero_and_zero_at_its_roots():
    roots = np.array([0.5, 1 + 2j, 1 - 2j])
    np.testing.assert_array_equal(residual_polynomial(roots, 0.0), 1)
    np.testing.assert_allclose(abs(residual_polynomial(roots, roots)), 0, atol=1e-15)
    assert residual_polynomial(roots, np.linspace(0, 1, 3)).dtype == np.float64


@pytest.mark.parametrize(
    ("function", "arguments", "keywords", "argument"),
    [
        (chebyshev_roots, (0, 1.0), {}, "degree"),
        (chebyshev_roots, (2, 0.0), {}, "hi"),
        (chebyshev_roots, (2, float("inf")), {}, "hi"),
        (chebyshev_roots, (2, float("nan")), {}, "hi"),
        (chebyshev_roots, (2, 1.0), {"kind": 1}, "lo"),
        (chebyshev_roots, (2, 1.0, 2.0), {"kind": 1}, "lo"),
        (chebyshev_roots, (2, 1.0), {"kind": 2}, "kind"),
        (optimised_roots, (7, 1.0), {}, "degree"),
        (optimised_roots, (0, 1.0), {}, "degree"),
        (chebyshev_roots, (2.5, 1.0), {}, "degree"),
        (leja, ([1.0, float("nan")],), {}, "roots"),
        (leja, ([1 + 1j, 1 + 1j],), {}, "roots"),
        (leja, ([],), {}, "roots"),
    ],
)
def test_bad_arguments(function, arguments, keywords, argument):
    with pytest.raises(ArgumentError) as error:
        function(*arguments, **keywords)
    assert error.value.argument == argument
