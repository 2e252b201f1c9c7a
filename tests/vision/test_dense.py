"""The V-cycle for dense outputs: counts, sizes, and the same numbers as a multigrid solver with a solver's stencils."""

import itertools

import pytest
import torch
from torch import nn

import pde
import vision
from unified import ArgumentError, Level, cycle, testing
from unified.app.dualities import as_network
from unified.testing import check_level_equal
from vision.dense import DenseLevel, prolongation


@pytest.mark.parametrize("share_B", [True, False])
@pytest.mark.parametrize(("steps", "c"), [((2,), (4,)), ((2, 1, 3), (4, 6, 6))])
def test_weights_follow_the_formula_of_the_docstring(steps, c, share_B):
    model = vision.dense_mgnet(steps, c, share_B=share_B, classes=3, in_channels=2)
    expected = 9 * 2 * c[0] + 2 * c[0] + 3 * (c[0] + 1)
    for i, (n, w) in enumerate(zip(steps, c, strict=True)):
        b, v = 1 if share_B else n, 1 if i == len(c) - 1 else 2
        expected += 9 * w**2 * (1 + v * b) + 4 * v * n * w
    expected += sum(27 * p * w + 4 * w for p, w in itertools.pairwise(c))
    assert vision.count_weights(model) == expected


@pytest.mark.parametrize("size", [(16, 16), (13, 10), (4, 31), (5, 4)])
def test_any_size_comes_back(size):
    model = vision.dense_mgnet((1, 1, 1), 4, classes=2)
    assert model(torch.randn(2, 3, *size)).shape == (2, 2, *size)


def test_it_runs_a_v_cycle_and_learns_an_image():
    torch.manual_seed(0)
    model = vision.dense_mgnet((1, 1), 8, in_channels=1)
    assert model.program == cycle("V", 2)
    x = torch.randn(4, 1, 8, 8)
    target = nn.functional.avg_pool2d(x, 3, stride=1, padding=1)
    optimizer = torch.optim.Adam(model.parameters(), 0.01)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = (model(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.2 * losses[0]


@torch.no_grad()
@pytest.mark.parametrize("smoother", ["chebyshev4", "chebyshev1", "jacobi"])
@pytest.mark.parametrize("shape", [(31, 31), (15, 63)])
def test_with_a_solvers_stencils_it_is_the_solvers_v_cycle(smoother, shape):
    """A, R and P as convolutions, no bn, no relu, the solver's smoothers and its exact solve: equal to rounding."""
    degree = 1 if smoother == "jacobi" else 2
    mg = pde.multigrid(pde.Poisson(shape), "V", smoother=smoother, degree=degree, level="composed")
    levels = []
    for net, level in zip(as_network(mg).levels, mg.levels, strict=True):
        P = None if net.R is None else transpose(net.R)
        levels.append(Level(net.A, *level.smoothers, R=net.R, P=P, solve=level.solver))
    network = vision.DenseMgNet(nn.Identity(), levels, nn.Identity(), smallest=3)
    f = torch.randn(3, 1, *shape, dtype=torch.float64)
    got, want = network(f), mg(f)
    assert float((got - want).norm() / want.norm()) < 1e-13
    testing.check_linear(network, f)


def transpose(R):
    """P = 4 Rᵀ."""
    P = nn.ConvTranspose2d(1, 1, R.kernel_size, R.stride, bias=False, dtype=torch.float64)
    scale = 2 ** sum(k == 3 for k in R.kernel_size)
    P.weight.data = scale * R.weight.data
    return P


def test_a_dense_level_is_its_level_where_sizes_are_even():
    level = Level(nn.Conv2d(2, 2, 1, bias=False), R=nn.AvgPool2d(2), Pi=nn.AvgPool2d(2), P=prolongation(2, 2))
    like, below = torch.randn(3, 2, 8, 6), torch.randn(3, 2, 4, 3)
    check_level_equal(DenseLevel(level), level, like, like, coarse=(level, below))


def test_prolongation_starts_as_bilinear_interpolation():
    x = torch.ones(1, 3, 4, 4)
    inside = prolongation(3, 2)(x)[..., :-1, :-1]
    assert torch.equal(inside, torch.ones(1, 2, 7, 7))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vision.dense_mgnet((1, 1, 1), 4)(torch.zeros(1, 3, 3, 8)), "images: got shape (1, 3, 3, 8); expected"),
        (lambda: vision.dense_mgnet((1, 1), (4,)), "channels: got 1 levels; expected 2, as steps"),
        (lambda: vision.dense_mgnet((1, 0)), "steps: got (1, 0); expected at least one level"),
        (lambda: vision.dense_mgnet(transfers="none"), "transfers: got 'none'; expected one of learned, fixed"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ArgumentError) as error:
        call()
    assert str(error.value).startswith(message)
