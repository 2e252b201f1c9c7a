"""Trained conjugate pairs, corrections with a map inside, and products of factors taken in turns."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from unified import ArgumentError, Factor, Inside, Pair, Relaxation


def double(x):
    return torch.tensor(x, dtype=torch.float64)


def system(n=6):
    A = torch.randn(n, n, dtype=torch.float64) / n
    return A, *torch.randn(2, n, dtype=torch.float64)


@given(st.floats(-3, 3), st.floats(-3, 3).filter(lambda b: b == 0 or abs(b) > 0.3), st.integers(0, 9))
def test_a_trained_pair_is_two_complex_richardson_steps(a, b, seed):
    if a * a + b * b < 0.1:
        a = 1.0
    torch.manual_seed(seed)
    A, u, f = system()
    want = u.to(torch.complex128)
    for rho in (complex(a, b), complex(a, -b)):
        want = want + (f - A.to(want.dtype) @ want) / rho
    got = Relaxation(1, Pair(double(a), double(b)))(lambda x: A @ x, u, f).detach()
    size = float(want.abs().max())
    assert float((got - want).abs().max()) <= 1e-12 * size


def test_a_pair_without_b_is_two_real_steps():
    A, u, f = system()
    want = Relaxation(2, Factor.root(0.7))(lambda x: A @ x, u, f)
    got = Relaxation(1, Pair(double(0.7), None))(lambda x: A @ x, u, f)
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)
    assert [name for name, _ in Pair(0.7, None).named_parameters()] == ["a"]


def test_both_parts_are_trained_and_b_passes_through_zero():
    """Gradients by finite differences, at b on both sides of 0 and at 0."""
    A, u, f = system()

    def loss(a, b):
        pair = Pair(a, b)
        del pair.a, pair.b
        pair.a, pair.b = a, b  # the tensors themselves, for gradcheck
        return Relaxation(1, pair)(lambda x: A @ x, u, f).square().sum()

    for b in (-0.4, 0.0, 0.4):
        parts = double(0.8).requires_grad_(), double(b).requires_grad_()
        assert torch.autograd.gradcheck(loss, parts)


def test_a_pair_for_each_channel():
    a, b = double([0.5, 2.0])[:, None, None], double([0.1, -1.0])[:, None, None]
    r = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    got = Pair(a, b)(lambda x: 3 * x, r)
    for c in range(2):
        want = Factor.pair(float(a[c]), float(b[c]))(lambda x: 3 * x, r[:, c])
        torch.testing.assert_close(got[:, c], want, rtol=1e-14, atol=1e-14)


def test_inside_maps_the_product_alone():
    A, _, r = system()
    got = Inside(Factor(2.0, 0.5), nn.ReLU())(lambda x: A @ x, r)
    torch.testing.assert_close(got, 2 * r - 0.5 * (A @ r).relu(), rtol=1e-14, atol=1e-14)


def test_a_product_is_taken_in_turns_and_stored_once():
    A, u, f = system()
    roots = [0.7, 1.3]
    product = Relaxation(4, [Factor.root(rho, trainable=True) for rho in roots]).double()
    plain = Relaxation(4, [Factor.root(rho, trainable=True) for rho in roots * 2]).double()
    torch.testing.assert_close(product(lambda x: A @ x, u, f), plain(lambda x: A @ x, u, f), rtol=1e-12, atol=1e-12)
    assert list(product.state_dict()) == ["B.0.c1", "B.1.c1"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Pair(0.0, 0.0), "a² + b²: got 0.0; expected roots"),
        (lambda: Pair(0.0, None), "a² + b²: got 0.0; expected roots other than 0"),
        (lambda: Pair(1.0, float("nan")), "b: got nan; expected finite values"),
        (lambda: Pair(double([1.0, float("inf")]), None), "a: got tensor"),
        (lambda: Relaxation(4, [Factor(1.0)] * 3), "B: got 3 modules; expected none, one or 4"),
    ],
)
def test_bad_input_is_named(make, message):
    with pytest.raises(ArgumentError) as error:
        make()
    assert str(error.value).startswith(message)
