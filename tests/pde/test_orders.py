"""Observed orders by manufactured solutions, a selection. All pairs: docs/benchmarks/orders.py."""

import pytest
import torch

from docs.benchmarks.manufactured import Case, boundary, error, errors, manufactured, orders, solve

SECOND = [  # sides, coefficients, intervals of the coarser grid
    ("DD", "a = 1", 64),
    ("NN", "field a", 64),
    ("PP", "jump of a", 64),
    ("ND", "field c", 64),
    ("DN", "g = u³", 64),
    ("DD-DD", "jump of a", 32),
    ("NN-NN", "a = 1", 32),
    ("NN-NN", "field a, level at sides", 32),
    ("PP-PP", "field a", 48),
    ("DN-ND", "a of each axis", 32),
    ("DD-NN", "c = 3", 32),
    ("DD-PP", "fields a, c and g = u³", 16),
    ("NN-PP", "field c", 32),
    ("DN-ND-DN", "jump of a", 12),
    ("DD-NN-PP", "a of each axis", 12),
]
FOURTH = [
    ("NN", "a of each axis", 32),
    ("PP", "c = 3", 32),
    ("DD-DD", "a of each axis", 32),
    ("NN-NN", "a = 1", 32),
    ("DN-ND", "c = 3", 32),
    ("DD-PP", "a = 1", 32),
    ("DD-DD-DD", "a of each axis", 20),
]


def observed(case, intervals):
    return orders(errors(case, intervals), errors(case, 2 * intervals))


@pytest.mark.parametrize(("sides", "coefficients", "intervals"), SECOND)
def test_second_order(sides, coefficients, intervals):
    assert observed(Case(sides, coefficients), intervals) == pytest.approx((2.0, 2.0), abs=0.1)


@pytest.mark.parametrize(("sides", "coefficients", "intervals"), FOURTH)
def test_fourth_order(sides, coefficients, intervals):
    assert observed(Case(sides, coefficients, order=4), intervals) == pytest.approx((4.0, 4.0), abs=0.15)


def test_the_largest_error_has_a_logarithm_where_two_neumann_sides_meet_on_a_slope_of_a():
    case = Case("NN-NN", "field a")
    assert case.logarithmic
    got = observed(case, 64)
    assert got.rms == pytest.approx(2.0, abs=0.1)
    assert 1.8 < got.max < 1.9  # 1.88 between 128 and 256 intervals


@pytest.mark.parametrize(
    ("case", "shape", "most"),
    [
        (Case("DD-DD"), (127, 127), 1.05),
        (Case("NN-NN"), (65, 65), 1.05),
        (Case("PP-PP"), (50, 70), 1.05),
        (Case("DD-DD", "field a"), (63, 63), 1.05),
        (Case("DD-DD", "jump of a"), (63, 63), 1.05),
        (Case("DN-ND-DN"), (32, 32, 32), 1.2),
    ],
    ids=lambda x: f"{x.sides}, {x.coefficients}" if isinstance(x, Case) else None,
)
def test_the_start_of_full_multigrid_is_at_the_discretisation_error(case, shape, most):
    problem = case.on(shape)
    start, solution, _ = solve(case, problem, method="fmg", rtol=1.0)
    assert solution.cycles == 0
    discrete, _, _ = solve(case, problem, rtol=1e-10)
    assert start.rms <= most * discrete.rms
    assert start.max <= most * discrete.max


@pytest.mark.parametrize(("axis", "end", "at"), [(0, 0, (0.0, 0.3)), (1, 1, (0.6, 1.0))])
def test_the_fluxes_of_the_manufactured_solutions_point_outward(axis, end, at):
    """By finite differences of u: the benchmark's own data."""
    case, x = Case("NN-NN", "a of each axis"), torch.tensor(at, dtype=torch.float64)
    step = 1e-5 * torch.eye(2, dtype=torch.float64)[axis]
    before, after = (manufactured(case, tuple(p))[0] for p in (x - step, x + step))
    flux = (0.7, 1.9)[axis] * (after - before) / 2e-5 * (1 if end else -1)
    assert float(boundary(case)[axis][end](*x)) == pytest.approx(float(flux), rel=1e-8)


def test_the_error_of_a_singular_problem_is_up_to_a_constant():
    problem = Case("NN-PP").on((9, 8))
    u = torch.randn(9, 8, dtype=torch.float64)
    assert error(problem, u + 3, u) == pytest.approx((0.0, 0.0), abs=1e-14)
