"""Local Fourier analysis against dense periodic cycles, the literature, and the solver's measured rates."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import pde
from pde import lfa
from unified import AbstractSmoother, ArgumentError, Level, StencilConv, execute
from unified.multigrid import State
from unified.program import named


class Circular(nn.Module):
    """A stencil of three points an axis on a periodic grid; with stride 2 its outputs are the even points."""

    def __init__(self, stencil, stride=1):
        super().__init__()
        self.conv, self.ndim = StencilConv(stencil, stride=stride), stencil.ndim

    def forward(self, x):
        return self.conv(F.pad(x, (1, 1) * self.ndim, mode="circular"))


class Dense(nn.Module):
    """A matrix on flattened grids."""

    def __init__(self, matrix, grid):
        super().__init__()
        self.matrix, self.grid = matrix, grid

    def forward(self, x):
        return (x.flatten(1) @ self.matrix.T).reshape(-1, 1, *self.grid)


class PseudoInverse(AbstractSmoother):
    """The solution without a mean of a periodic problem."""

    def __init__(self, A, grid):
        super().__init__()
        self.inverse = Dense(torch.linalg.pinv(matrix(A, grid)), grid)

    def forward(self, A, u, f):
        return self.inverse(f)


def matrix(A, grid):
    """The columns A e_j."""
    n = int(np.prod(grid))
    return A(torch.eye(n, dtype=torch.float64).reshape(n, 1, *grid)).flatten(1).T


def periodic_factor(mg, program, levels, n):
    """The spectral radius of the cycle on a periodic grid of n points an axis, the constant apart."""
    ndim, parts, grid = mg.problem.ndim, [], (n,) * mg.problem.ndim
    for level in mg.levels[: levels - 1]:
        R = Circular(level.R.stencil, stride=2)
        coarse = tuple(k // 2 for k in grid)
        P = Dense(2**ndim * matrix(R, grid).T, grid)
        parts.append(Level(Circular(level.A.stencil), level.pre_smoother, level.pre_smoother, R=R, P=P))
        grid = coarse
    A = Circular(mg.levels[levels - 1].A.stencil)
    parts.append(Level(A, solve=PseudoInverse(A, grid)))
    error = torch.eye(n**ndim, dtype=torch.float64).reshape(-1, 1, *(n,) * ndim)
    after = execute(named(program, levels), parts, State(error, torch.zeros_like(error)))[0].u.flatten(1)
    after = after - after.mean(1, keepdim=True)  # the cycle leaves a constant as it is
    return float(torch.linalg.eigvals(after).abs().max())


def grid_frequencies(n, ndim):
    """Those of a periodic grid of n points an axis, in (-π, π]^d."""
    line = [2 * np.pi * j / n for j in range(-n // 2 + 1, n // 2 + 1)]
    return torch.tensor(list(itertools.product(line, repeat=ndim)), dtype=torch.float64)


@pytest.mark.parametrize(("program", "levels"), [("V", 2), ("V", 3), ("W", 3), ("F", 3)])
@pytest.mark.parametrize(
    "smoother", ["chebyshev4", "jacobi", [0.4, 0.6 + 0.3j, 0.6 - 0.3j]], ids=["cheb", "jac", "pair"]
)
@pytest.mark.parametrize(("ndim", "n"), [(1, 32), (2, 16), (3, 8)])
def test_equals_the_periodic_cycle(program, levels, smoother, ndim, n):
    """On a periodic grid's own frequencies the prediction is exact. The constant, which no cycle changes, is apart."""
    mg = pde.multigrid(pde.Poisson((31,) * ndim), smoother=smoother, degree=2)
    theta = grid_frequencies(n // 2 ** (levels - 1), ndim)
    factors = torch.linalg.eigvals(lfa.propagation(mg, program, levels, theta)).flatten()
    constant = (factors - 1).abs().argmin()
    predicted = float(torch.cat([factors[:constant], factors[constant + 1 :]]).abs().max())
    assert factors[constant] == pytest.approx(1, abs=1e-9)
    assert periodic_factor(mg, program, levels, n) == pytest.approx(predicted, abs=1e-9)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_smoothing_factor_of_first_kind_chebyshev_is_its_minimax(degree):
    """The high frequencies of the 5-point stencil fill [hi/4, hi]: the factor is 1 / T_k((hi + lo)/(hi - lo))."""
    factor = lfa.smoothing_factor(pde.Poisson((1023, 1023)), "chebyshev1", degree, frequencies=256)
    assert factor == pytest.approx(1 / np.cosh(degree * np.arccosh(5 / 3)), abs=2e-3)


def test_smoothing_factor_of_damped_jacobi():
    """ω = 4/5: 3/5 in 2-D (Trottenberg, Oosterlee & Schüller 2001, section 2.1)."""
    assert lfa.smoothing_factor(pde.Poisson((255, 255)), "jacobi", 1, frequencies=256) == pytest.approx(0.6, abs=1e-3)


@pytest.mark.parametrize(("degree", "measured"), [(1, 0.450), (2, 0.158), (3, 0.085), (4, 0.053)])
def test_four_levels_predict_the_measured_rates(degree, measured):
    """measured: the spectral radius of the V-cycle at 255² with Dirichlet values (docs/results/rates.json)."""
    predicted = lfa.cycle_factor(pde.Poisson((255, 255)), "V", "chebyshev4", degree, levels=4, frequencies=16)
    assert predicted == pytest.approx(measured, abs=0.01)


def test_a_w_cycle_has_the_two_grid_factor_and_a_v_cycle_has_not():
    problem = pde.Poisson((255, 255))
    two = lfa.cycle_factor(problem, levels=2)
    assert lfa.cycle_factor(problem, "W", levels=3) == pytest.approx(two, abs=0.005)
    assert lfa.cycle_factor(problem, "V", levels=3) > two + 0.025


def test_anisotropy_ruins_point_smoothing():
    assert lfa.smoothing_factor(pde.Poisson((255, 255), spacing=(1.0, 10.0)), "jacobi", 1) > 0.95


def test_no_smoothing_leaves_the_high_frequencies():
    assert lfa.cycle_factor(pde.Poisson((31,)), pre=0, post=0) == pytest.approx(1, abs=1e-6)


def test_symbol_of_the_laplacian():
    theta = torch.tensor([[0.0, 0.0], [np.pi, np.pi], [np.pi / 2, 0.0]])
    stencil = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    torch.testing.assert_close(lfa.symbol(stencil, theta).real, torch.tensor([0.0, 8, 2]).double(), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": 1}, "levels: got 1; expected a whole number >= 2"),
        ({"levels": 9}, "levels: got 9; expected at most 4, as the problem has"),
        ({"frequencies": 0}, "frequencies: got 0; expected a whole number >= 1"),
        ({"smoother": "sor"}, "smoother: got 'sor'; expected one of"),
        ({"program": "X"}, "program: got 'X'; expected one of"),
    ],
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ArgumentError) as error:
        lfa.cycle_factor(pde.Poisson((31, 31)), **options)
    assert str(error.value).startswith(message)
