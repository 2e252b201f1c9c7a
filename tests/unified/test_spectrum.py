"""Bounds on matrices whose eigenvalues are known; symbols against dense periodic matrices."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from unified import (
    ArgumentError,
    StencilConv,
    chebyshev_roots,
    lanczos_bounds,
    polynomial,
    power_bound,
    symbol,
    symbol_radius,
)
from unified.spectrum import ritz_values

FIVE_POINT = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]], dtype=torch.float64)


def laplacian_extremes(n):
    """4 sin²(πj h/2) + 4 sin²(πk h/2), the eigenvalues of the five-point stencil, at j = k = 1 and n."""
    return tuple(8 * math.sin(math.pi * j / (2 * (n + 1))) ** 2 for j in (1, n))


@pytest.mark.parametrize("n", [3, 15, 63])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bounds_of_the_laplacian(n, seed):
    A, like = StencilConv(FIVE_POINT, padding=1), torch.empty(1, 1, n, n, dtype=torch.float64)
    lo, hi = laplacian_extremes(n)
    below, bounds = power_bound(A, like, seed=seed), lanczos_bounds(A, like, seed=seed)
    assert 0.9 * hi <= below <= hi * (1 + 1e-14)
    assert hi * (1 - 1e-13) <= bounds.hi <= 1.12 * hi
    assert bounds.lo >= lo * (1 - 1e-10)


@settings(max_examples=25)
@given(st.integers(0, 2**31), st.integers(30, 200))
def test_lanczos_bound_is_an_upper_one(seed, n):
    lam = torch.from_numpy(np.random.default_rng(seed).uniform(-1, 3, n))
    bounds = lanczos_bounds(lambda x: lam * x, lam, seed=seed)
    least, greatest = float(lam.min()), float(lam.max())
    assert greatest - 1e-12 <= bounds.hi <= greatest + 0.25 * (greatest - least)
    assert bounds.lo >= least - 1e-12


def test_lanczos_bound_holds_where_the_start_hardly_sees_the_largest():
    """One eigenvalue far outside: its own Ritz value alone comes from below."""
    lam = torch.linspace(0, 1, 1001, dtype=torch.float64)
    lam[500] = 1.1
    for seed in range(20):
        assert lanczos_bounds(lambda x: lam * x, lam, steps=10, seed=seed).hi >= 1.1


@settings(max_examples=25)
@given(st.integers(0, 99), st.integers(1, 20))
def test_lanczos_is_exact_after_as_many_steps_as_unknowns(seed, n):
    lam = torch.from_numpy(np.random.default_rng(seed).uniform(0.5, 3, n))
    bounds = lanczos_bounds(lambda x: lam * x, lam)
    np.testing.assert_allclose(bounds, (float(lam.min()), float(lam.max())), rtol=1e-9)


def test_multiples_of_the_identity_and_zero():
    like = torch.empty(2, 3, 4, 4, dtype=torch.float64)
    np.testing.assert_allclose(lanczos_bounds(lambda x: 3 * x, like), (3, 3), rtol=1e-14)
    np.testing.assert_allclose(power_bound(lambda x: -3 * x, like), 3, rtol=1e-14)
    assert lanczos_bounds(torch.zeros_like, like) == (0, 0)
    assert power_bound(torch.zeros_like, like) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bounds_in_low_precision(dtype):
    A, hi = StencilConv(FIVE_POINT, padding=1), laplacian_extremes(31)[1]
    bounds = lanczos_bounds(A, torch.empty(1, 1, 31, 31, dtype=dtype))
    assert hi * (1 - 4 * torch.finfo(dtype).eps) <= bounds.hi <= 1.12 * hi


def test_bounds_do_not_track_gradients_nor_touch_the_random_state():
    conv = torch.nn.Conv2d(1, 1, 3, padding=1, bias=False)
    before = torch.get_rng_state()
    lanczos_bounds(conv, torch.empty(1, 1, 8, 8))
    power_bound(conv, torch.empty(1, 1, 8, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert conv.weight.grad is None


def test_a_smoother_on_the_bound_converges():
    A, like = StencilConv(FIVE_POINT, padding=1), torch.empty(1, 1, 15, 15, dtype=torch.float64)
    smoother = polynomial(chebyshev_roots(3, lanczos_bounds(A, like).hi))
    u = torch.randn_like(like)
    after = u
    for _ in range(20):
        after = smoother(A, after, torch.zeros_like(u))
    assert float((after * A(after)).sum()) < 0.05 * float((u * A(u)).sum())


def periodic_matrix(weight, grid):
    """The dense matrix of the convolution on a torus."""
    out, channels, *kernel = weight.shape
    n = channels * math.prod(grid)
    x = torch.eye(n, dtype=weight.dtype).reshape(n, channels, *grid)
    # F.pad goes round once; the kernels here are no wider than the grid
    pad = [k // 2 for k in reversed(kernel) for _ in range(2)]
    conv = {1: F.conv1d, 2: F.conv2d}[len(grid)]
    return conv(F.pad(x, pad, mode="circular"), weight).reshape(n, out * math.prod(grid)).T


CASES = [
    ((2, 2, 3, 3), (4, 5)),
    ((1, 1, 3, 3), (6, 4)),
    ((3, 3, 5, 3), (5, 6)),
    ((2, 2, 3), (7,)),
    ((1, 1, 1, 1), (3, 3)),
]


@pytest.mark.parametrize(("shape", "grid"), CASES, ids=str)
def test_symbol_has_the_eigenvalues_of_the_periodic_matrix(shape, grid):
    weight = torch.randn(shape, dtype=torch.float64)
    got = torch.linalg.eigvals(symbol(weight, grid)).flatten().numpy()
    want = torch.linalg.eigvals(periodic_matrix(weight, grid)).numpy()
    apart = abs(got[:, None] - want[None, :])
    assert len(got) == len(want)
    assert apart[linear_sum_assignment(apart)].max() <= 1e-12 * abs(want).max()
    assert symbol_radius(weight, grid) == pytest.approx(abs(want).max(), rel=1e-12)


@pytest.mark.parametrize("channels", [(2, 3), (3, 2)], ids=str)
def test_symbol_has_the_singular_values_of_the_periodic_matrix(channels):
    weight, grid = torch.randn(*channels, 3, 3, dtype=torch.float64), (4, 5)
    matrices = symbol(weight, grid)
    assert matrices.shape == (4, 5, *channels)
    got = torch.linalg.svdvals(matrices).flatten().sort().values
    want = torch.linalg.svdvals(periodic_matrix(weight, grid)).sort().values
    torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-12)


def test_symbol_is_what_a_wave_is_multiplied_by():
    """A correlation: Σ_k w[k] e^{iω(x + k)}, not its conjugate."""
    weight = torch.tensor([[[1.0, 2.0, 5.0]]], dtype=torch.float64)
    omega = 2 * math.pi / 8
    want = 1 * np.exp(-1j * omega) + 2 + 5 * np.exp(1j * omega)
    assert complex(symbol(weight, (8,))[1, 0, 0]) == pytest.approx(want, rel=1e-14)


def test_symbol_of_the_laplacian():
    got = symbol(FIVE_POINT[None, None], (4, 4))[..., 0, 0]
    assert float(got.imag.abs().max()) < 1e-15
    line = 2 - 2 * torch.cos(torch.pi / 2 * torch.arange(4, dtype=torch.float64))
    torch.testing.assert_close(got.real, line[:, None] + line, rtol=0, atol=1e-14)
    assert symbol_radius(FIVE_POINT[None, None], (4, 4)) == pytest.approx(8, rel=1e-14)


def test_a_kernel_wider_than_the_grid_goes_round():
    weight = torch.tensor([[[1.0, 2.0, 4.0, 8.0, 16.0]]])
    assert complex(symbol(weight, (2,))[0, 0, 0]) == 31
    assert complex(symbol(weight, (2,))[1, 0, 0]) == pytest.approx(1 - 2 + 4 - 8 + 16, abs=1e-5)


def test_symbol_can_be_read_as_numpy():
    assert symbol(FIVE_POINT[None, None], (4, 4)).numpy().dtype == np.complex128


@pytest.mark.parametrize(("shape", "grid"), [((1, 1, 2, 2), (4, 4)), ((1, 1, 3), (4, 4))], ids=str)
def test_bad_kernels(shape, grid):
    with pytest.raises(ArgumentError, match="weight: got kernel"):
        symbol(torch.ones(shape), grid)


@pytest.mark.parametrize("bound", [power_bound, lanczos_bounds])
def test_no_steps_give_no_bound(bound):
    with pytest.raises(ArgumentError, match="steps: got 0; expected a whole number >= 1"):
        bound(lambda x: x, torch.ones(3), steps=0)


def test_ritz_values_of_all_steps_are_the_eigenvalues():
    matrix = torch.diag(torch.arange(1.0, 9.0, dtype=torch.float64))
    values = ritz_values(lambda x: x @ matrix, torch.empty(1, 8, dtype=torch.float64), steps=8)
    np.testing.assert_allclose(values, np.arange(1, 9), rtol=1e-10)
