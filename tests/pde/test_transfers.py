"""Transfers axis by axis, on axes of any number of points: exactness, adjoints, gradients, dtypes."""

import math

import numpy as np
import pytest
import torch

from pde.axes import Axis
from pde.transfers import lagrange
from unified import Layout, LineInterpolation, LineProlongation, LineRestriction

SIDES = {
    "DD": ("dirichlet", "dirichlet"),
    "DN": ("dirichlet", "neumann"),
    "ND": ("neumann", "dirichlet"),
    "NN": ("neumann", "neumann"),
    "PP": ("periodic", "periodic"),
}


def parts(n, sides, at=-1, ndim=1):
    """Prolongation, restriction and nested interpolation along one axis; all points, and those kept."""
    axis = Axis.uniform(n, 1 / n, SIDES[sides])
    layout = Layout(at, n, axis.first, axis.periodic)
    left, right = (torch.as_tensor(w).reshape(-1, *[1] * (-at - 1)) for w in axis.weights())
    transfers = (
        LineProlongation(layout, left, right),
        LineRestriction(layout, left, right),
        LineInterpolation(layout, *map(torch.tensor, lagrange(axis))),
    )
    x = torch.arange(n, dtype=torch.float64) + (sides[0] == "D")
    return *transfers, x / n, x[axis.first :: 2] / n


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9, 16, 17])
def test_restriction_is_half_the_transpose(n, sides):
    P, R, _, x, kept = parts(n, sides)
    p, r = (T(torch.eye(len(y), dtype=torch.float64)) for T, y in ((P, kept), (R, x)))
    np.testing.assert_allclose(r, p.T / 2, atol=1e-15)


@pytest.mark.parametrize("sides", ["DD", "DN", "ND", "NN"])
@pytest.mark.parametrize("n", [9, 10, 16, 17])
def test_interpolation_is_exact_for_cubics(n, sides):
    """That vanish on Dirichlet sides, where zero is what is known."""
    *_, fine, x, kept = parts(n, sides)
    end = (n + (sides == "DD")) / n if sides[1] == "D" else None

    def g(x):
        left = x if sides[0] == "D" else 1
        right = (x - end) if sides[1] == "D" else 1
        return left * right * (1 + x) + (0 if "D" in sides else x**3)

    np.testing.assert_allclose(fine(g(kept)), g(x), rtol=1e-12, atol=1e-13)


def test_interpolation_is_of_sixth_order_on_a_periodic_axis():
    def error(n):
        *_, fine, x, kept = parts(n, "PP")
        return float((fine(torch.sin(2 * torch.pi * kept)) - torch.sin(2 * torch.pi * x)).abs().max())

    assert math.log2(error(32) / error(64)) == pytest.approx(6, abs=0.1)


@pytest.mark.parametrize("sides", ["DD", "NN", "PP"])
@pytest.mark.parametrize("at", [-1, -2])
def test_gradients(at, sides):
    P, R, fine, x, kept = parts(7, sides, at)
    for T, y in ((P, kept), (R, x), (fine, kept)):
        shape = [2, 3, 3]
        shape[at] = len(y)
        assert torch.autograd.gradcheck(T, torch.randn(shape, dtype=torch.float64, requires_grad=True))


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["prolongation", "restriction", "interpolation"])
def test_input_is_left_alone_and_may_be_strided(kind):
    *transfers, x, kept = parts(9, "DN")
    T, size = transfers[kind], len(x if kind == 1 else kept)
    wide = torch.randn(size, 2, 3, dtype=torch.float64).movedim(0, -1)
    before = wide.clone()
    assert torch.equal(T(wide), T(wide.contiguous()))
    assert torch.equal(wide, before)
