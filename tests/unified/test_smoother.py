"""Smoothers: what a factor does to a residual, and how the slots of a relaxation are filled."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unified import (
    ArgumentError,
    Factor,
    MapCorrection,
    Relaxation,
    chebyshev_roots,
    optimised_roots,
    polynomial,
    residual,
    residual_polynomial,
)

LAMBDA = torch.linspace(0.01, 1, 100, dtype=torch.float64)


def diagonal(x):
    """A with the eigenvalues LAMBDA."""
    return LAMBDA * x


def damped(smoother, A=diagonal):
    """The residual of a one: p(λ) for each λ."""
    f = torch.ones_like(LAMBDA)
    return f - A(smoother(A, None, f))


@given(st.floats(-3, 3), st.floats(-3, 3).filter(lambda b: abs(b) > 0.3), st.integers(0, 9))
def test_a_pair_is_two_complex_richardson_steps(a, b, seed):
    generator = np.random.default_rng(seed)
    A = torch.from_numpy(generator.standard_normal((6, 6)) / 6)
    u, f = torch.from_numpy(generator.standard_normal((2, 6)))
    want = u.to(torch.complex128)
    for rho in (complex(a, b), complex(a, -b)):
        want = want + (f - A.to(want.dtype) @ want) / rho
    got = Relaxation(1, Factor.pair(a, b))(lambda x: A @ x, u, f)
    size = float(want.abs().max())
    assert float(want.imag.abs().max()) <= 1e-12 * size
    assert float((got - want.real).abs().max()) <= 1e-12 * size


@pytest.mark.parametrize(
    "roots",
    [
        [0.7],
        [0.3, 1.0],
        chebyshev_roots(5, 1.0),
        chebyshev_roots(16, 1.0),
        chebyshev_roots(4, 1.0, 0.25, kind=1),
        optimised_roots(6, 1.0),
        [0.5 + 0.4j, 0.9, 0.5 - 0.4j],
        [1j, -1j],
    ],
    ids=str,
)
def test_polynomial_multiplies_by_its_residual_polynomial(roots):
    want = residual_polynomial(roots, LAMBDA.numpy())
    np.testing.assert_allclose(damped(polynomial(roots)).numpy(), want, rtol=0, atol=1e-13)


def test_polynomial_takes_a_step_for_each_factor():
    assert polynomial([0.5 + 0.4j, 0.9, 0.5 - 0.4j, 0.2]).steps == 3


def test_a_double_factor_is_one_plus_alpha_lambda_squared():
    for factor in (Factor(None, -0.5), Factor(0.0, -0.5)):
        torch.testing.assert_close(damped(Relaxation(1, factor)), 1 - 0.5 * LAMBDA**2, rtol=1e-14, atol=0)


def test_a_factor_for_each_channel():
    rho = torch.tensor([0.5, 2.0], dtype=torch.float64)[:, None, None]
    r = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    A = nn.Conv2d(2, 2, 3, padding=1, bias=False, dtype=torch.float64)
    got = Relaxation(1, Factor.pair(rho, 2 * rho))(A, None, r)
    want = 2 / (5 * rho) * r - A(r) / (5 * rho**2)
    torch.testing.assert_close(got, want, rtol=1e-14, atol=1e-14)


def test_a_fixed_factor_is_exact_and_promotes_nothing():
    factor = Factor.root(3.0)
    assert float(factor.c1) == 1 / 3
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        assert factor(diagonal, torch.ones(100, dtype=dtype)).dtype == dtype


def test_trained_roots_are_parameters_of_the_default_dtype():
    smoother = polynomial([0.5 + 0.4j, 0.5 - 0.4j, 0.9], trainable=True)
    assert {p.dtype for p in smoother.parameters()} == {torch.float32}
    assert len(list(smoother.parameters())) == 3
    assert not list(polynomial([0.5, 0.9]).parameters())
    damped(smoother).sum().backward()
    assert all(float(p.grad) != 0 for p in smoother.parameters())


def test_the_gradient_of_a_root():
    """d/dc1 of 1 - c1 λ + c2 λ² is -λ, d/dc2 is λ²."""
    factor = Factor(1.0, 0.5, trainable=True).double()
    damped(Relaxation(1, factor)).sum().backward()
    torch.testing.assert_close(factor.c1.grad, -LAMBDA.sum(), rtol=1e-14, atol=0)
    torch.testing.assert_close(factor.c2.grad, (LAMBDA**2).sum(), rtol=1e-14, atol=0)


def test_none_is_zero_and_its_product_is_not_computed():
    calls = []

    def A(x):
        calls.append(x)
        return diagonal(x)

    f = torch.randn(100, dtype=torch.float64)
    assert residual(A, None, f) is f
    smoother = polynomial([0.2, 0.9])
    from_none = smoother(A, None, f)
    assert len(calls) == 1
    assert torch.equal(from_none, smoother(diagonal, torch.zeros_like(f), f))


class Scale(nn.Module):
    """Multiplies by a weight of its own."""

    def __init__(self, weight):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight, dtype=torch.float64))

    def forward(self, x):
        return self.weight * x


@pytest.mark.parametrize("slot", ["phi", "psi", "tau"])
@pytest.mark.parametrize("filling", ["none", "one", "each", "repeated"])
def test_slots_hold_none_one_or_one_a_step(slot, filling):
    weights = {"none": [1.0] * 3, "one": [0.5] * 3, "each": [2.0, 3.0, 5.0], "repeated": [0.5] * 3}[filling]
    shared = Scale(0.5)
    value = {"none": (), "one": shared, "each": [Scale(w) for w in weights], "repeated": [shared] * 3}[filling]
    factors = [Factor.root(rho) for rho in (2.0, 3.0, 4.0)]
    smoother = Relaxation(3, factors, **{slot: value})

    u, f = torch.randn(2, 100, dtype=torch.float64)
    want = u
    for rho, w in zip((2.0, 3.0, 4.0), weights, strict=True):
        step = (f - diagonal(want)) / rho
        want = w * (want + step) if slot == "tau" else want + w * step
    torch.testing.assert_close(smoother(diagonal, u, f), want, rtol=1e-13, atol=1e-13)

    stored = [key for key in smoother.state_dict() if key.startswith(slot)]
    assert stored == [f"{slot}.{i}.weight" for i in range({"none": 0, "one": 1, "repeated": 1, "each": 3}[filling])]


def test_one_correction_for_all_steps_is_stored_once():
    smoother = Relaxation(4, MapCorrection(Scale(0.5)))
    assert list(smoother.state_dict()) == ["B.0.map.weight"]
    torch.testing.assert_close(damped(smoother), (1 - LAMBDA / 2) ** 4, rtol=1e-13, atol=0)


def test_order_of_the_parts():
    """tau(u + psi(B(phi(f - A u)))), with parts that do not commute."""

    class Add(nn.Module):
        def forward(self, x):
            return x + 1

    class Square(nn.Module):
        def forward(self, x):
            return x * x

    smoother = Relaxation(1, Factor(2.0), phi=Add(), psi=Square(), tau=nn.Sequential(Add(), Square()))
    u, f = torch.tensor([1.0]), torch.tensor([3.0])
    # r = 3 - 5 = -2; phi -1; B -2; psi 4; u + 4 = 5; tau 36
    assert float(smoother(lambda x: 5 * x, u, f)) == 36


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Relaxation(0, Factor(1.0)), "steps: got 0; expected a whole number >= 1"),
        (lambda: Relaxation(2, []), "B: got nothing; expected an AbstractCorrection"),
        (lambda: Relaxation(3, [Factor(1.0)] * 2), "B: got 2 modules; expected none, one or 3"),
        (lambda: Relaxation(2, Factor(1.0), psi=[nn.ReLU() for _ in range(3)]), "psi: got 3 modules"),
        (lambda: Factor(None), "c1, c2: got None, None"),
        (lambda: Factor(float("inf")), "c1: got inf; expected finite values"),
        (lambda: Factor(1.0, torch.tensor([1.0, float("nan")])), "c2: got"),
        (lambda: Factor.root(0), "rho: got 0; expected roots other than 0"),
        (lambda: Factor.pair(0.0, 0.0), "expected roots other than 0"),
        (lambda: Factor.root(torch.tensor([1.0, 0.0])), "rho: got tensor"),
        (lambda: polynomial([]), "roots: got none"),
        (lambda: polynomial([1 + 1j]), "roots: got .*; expected complex roots in conjugate pairs"),
        (lambda: polynomial([1.0, 0.0]), "roots: got 0j; expected finite roots other than 0"),
    ],
    ids=range(13),
)
def test_bad_arguments(make, message):
    with pytest.raises(ArgumentError, match=message):
        make()
