"""Convergence factors, asserted as numbers. All sizes: docs/benchmarks/rates.py, docs/results/rates.json."""

import pytest
import torch

import pde

WAVE = 10 ** (torch.linspace(0, 6.28, 65, dtype=torch.float64).sin() / 2)
CLASSES = {  # and how much more the square leaves
    "odd and even": (pde.Poisson((60, 63)), {}, 0.02),
    "sides": (pde.Poisson((65, 64), bc=["neumann", ("dirichlet", "neumann")]), {}, 0.02),
    "one axis weaker": (pde.Poisson((63, 63), a=(1.0, 1.7)), {}, 0.02),
    "3-D": (pde.Poisson((31, 31, 31)), {}, 0.05),
    "3-D, anisotropic": (pde.Poisson((31, 31, 31), a=(1.0, 1.0, 5.0)), {}, 0.02),
    "field": (pde.Poisson((64, 64), a=torch.outer(WAVE, WAVE)), {}, 0.01),
    "nonlinear": (pde.Poisson((63, 63), g=torch.sinh), {}, 0.02),
    "anisotropic": (pde.Poisson((63, 63), a=(1.0, 30.0)), {}, -0.005),  # one axis coarsened: as good as
    "field, Galerkin": (pde.Poisson((64, 64), a=torch.outer(WAVE, WAVE)), {"coarsening": "strong"}, 0.01),
}


def asymptotic(mg, cycles=40, last=10):
    """Geometric mean of the last reductions of ‖u‖ for f = 0 from a random start, renormalised."""
    f = mg.problem.zeros(1, 1)
    u = torch.randn_like(f)
    product = 1.0
    for i in range(cycles):
        u = mg(f, u / u.norm())
        product *= float(u.norm()) if i >= cycles - last else 1
    return product ** (1 / last)


@pytest.mark.parametrize("n", [31, 127])
@pytest.mark.parametrize(
    ("smoother", "degree", "factor"),
    [
        ("split", 1, 0.282),
        ("split", 2, 0.116),
        ("split", 3, 0.064),
        ("split", 4, 0.046),
        ("chebyshev4", 1, 0.437),
        ("chebyshev4", 2, 0.151),
        ("chebyshev4", 3, 0.081),
        ("chebyshev4", 4, 0.051),
        ("chebyshev1", 1, 0.359),
        ("chebyshev1", 2, 0.153),
        ("chebyshev1", 3, 0.106),
        ("jacobi", 2, 0.182),
    ],
)
def test_asymptotic_factor_is_the_known_one_at_every_size(n, smoother, degree, factor):
    assert asymptotic(pde.multigrid(pde.Poisson((n, n)), "V", smoother, degree)) == pytest.approx(factor, abs=0.006)


@pytest.mark.parametrize(("smoother", "factor"), [("chebyshev1", 0.14), ("chebyshev4", 0.14), ("optimised4", 0.16)])
def test_mean_factor_of_a_solve_is_the_same_at_every_size(smoother, factor):
    rates = []
    for n in (31, 63, 127):
        problem = pde.Poisson((n, n))
        f = torch.randn(n, n, dtype=torch.float64)
        residuals = pde.solve(problem, f, method="mg", smoother=smoother, rtol=1e-10).residuals
        rates.append((residuals[-1] / residuals[0]) ** (1 / (len(residuals) - 1)))
    assert max(rates) <= factor
    assert max(rates) - min(rates) <= 0.01


@pytest.mark.parametrize("smoother", ["split", "chebyshev4", "chebyshev1", "optimised4"])
def test_w_and_f_are_no_slower_than_v(smoother):
    factor = {k: asymptotic(pde.multigrid(pde.Poisson((31, 31)), k, smoother, coarsest=1), 25) for k in "VWF"}
    assert factor["W"] <= factor["V"] + 2e-3
    assert factor["F"] <= factor["V"] + 2e-3


@pytest.mark.parametrize("n", [15, 31, 63, 127])
def test_pcg_needs_at_most_nine_iterations_at_every_size(n):
    problem = pde.Poisson((n, n))
    solution = pde.solve(problem, torch.randn(n, n, dtype=torch.float64), rtol=1e-10, method="pcg")
    assert solution.result.ok
    assert solution.cycles <= 9


@pytest.mark.parametrize("name", CLASSES)
def test_one_polynomial_for_both_ways_is_better_than_a_square(name):
    """The default against the square that makes a cycle symmetric, with as many products with A."""
    problem, options, more = CLASSES[name]
    split, square = (asymptotic(pde.multigrid(problem, "V", s, **options)) for s in ("split", "chebyshev4"))
    assert split < 0.175
    assert square > split + more


def test_elongated_grids_with_square_cells_keep_the_rate():
    mg = pde.multigrid(pde.Poisson((255, 15), spacing=1 / 16))
    assert asymptotic(mg) < 0.16
