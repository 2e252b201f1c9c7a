"""Local Fourier analysis against dense periodic cycles, the literature, and the solver's measured rates."""

import numpy as np
import pytest
import torch

import pde
from pde import lfa
from pde.modes import closing
from pde.smoothers import gauss_seidel
from unified import ArgumentError

PAIR = [0.4, 0.6 + 0.3j, 0.6 - 0.3j]
FLAT = {"a": (1.0, 25.0)}  # the second axis is coarsened twice before the first is


def dense(mg):
    """What a run makes of errors on the grid, (unknowns, unknowns), and its spectral radius, the constant apart."""
    error = torch.eye(mg.problem.unknowns, dtype=torch.float64).reshape(-1, 1, *mg.problem.shape)
    with torch.no_grad():
        after = mg.improve(error, torch.zeros_like(error)).flatten(1)
    rest = after - after.mean(1, keepdim=True) if mg.problem.singular else after
    return after, float(torch.linalg.eigvals(rest).abs().max())


def grid_frequencies(mg):
    """Those of the coarsest grid, each once: (N, d)."""
    half = closing(mg, len(mg.grids))  # those π away are added
    sizes = [n // 2 if h else n for n, h in zip(mg.grids[-1].shape, half, strict=True)]
    lines = [2 * np.pi / n * torch.arange(m).double() for m, n in zip(sizes, mg.grids[-1].shape, strict=True)]
    return torch.cartesian_prod(*lines).reshape(-1, len(lines))


def predicted(mg, program):
    """The same in modes: (N, H, H), and its spectral radius, the constant, which no cycle changes, apart."""
    matrices = lfa.propagation(mg, program, len(mg.grids), grid_frequencies(mg))
    factors = torch.linalg.eigvals(matrices).flatten()
    if mg.problem.singular:
        constant = (factors - 1).abs().argmin()
        assert factors[constant] == pytest.approx(1, abs=1e-9)
        factors = torch.cat([factors[:constant], factors[constant + 1 :]])
    return matrices, float(factors.abs().max())


CASES = [
    *[
        ((16, 16), {}, smoother, program, coarsest)
        for smoother in ("chebyshev4", "redblack", PAIR)
        for program, coarsest in (("V", 64), ("V", 16), ("W", 16), ("F", 16))
    ],
    ((16, 16), {}, "jacobi", "V", 16),
    ((16, 16), {}, "redblack", "fmg", 16),
    ((12, 12), {}, "redblack", "V", 9),  # the coarsest grid, of three points an axis, begins elsewhere
    ((32,), {}, "chebyshev1", "V", 16),
    ((32,), {}, "redblack", "W", 8),
    ((32,), {}, PAIR, "F", 4),
    ((8, 8, 8), {}, "chebyshev4", "W", 8),
    ((8, 8, 8), {}, "redblack", "V", 8),
    ((8, 32), FLAT, "chebyshev4", "V", 64),
    ((8, 32), FLAT, "redblack", "V", 128),
    ((8, 32), FLAT, "redblack", "F", 16),
    ((4, 8, 8), {"a": (1.0, 9.0, 4.0), "c": 7.0}, "redblack", "V", 32),
    ((16, 16), {"order": 4}, "redblack", "V", 64),  # four colours
    ((16, 8), {"order": 4, "c": 40.0}, "optimised4", "F", 8),
    ((4, 4, 8), {"order": 4, "spacing": 1.0}, "redblack", "V", 16),  # eight
]


@pytest.mark.parametrize(("shape", "options", "smoother", "program", "coarsest"), CASES)
def test_equals_the_periodic_cycle(shape, options, smoother, program, coarsest):
    """On a periodic grid's own frequencies the prediction is exact: the matrix's norm and its spectral radius."""
    problem = pde.Poisson(shape, "periodic", **options)
    mg = pde.multigrid(problem, program, smoother, 2, coarsest=coarsest)
    (matrix, factor), (matrices, expected) = dense(mg), predicted(mg, program)
    assert matrices.shape[0] * matrices.shape[1] == problem.unknowns
    assert factor == pytest.approx(expected, abs=1e-9)
    assert float(matrix.norm()) == pytest.approx(float(matrices.norm()), rel=1e-9)


def measured(problem, *args, **options):
    """The spectral radius of the whole solver's cycle, by power iterations."""
    mg = pde.multigrid(problem, *args, **options)
    u = torch.randn(1, 1, *problem.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    f, size = torch.zeros_like(u), 0.0
    with torch.no_grad():
        for _ in range(16):
            u = mg(f, u - u.mean() if problem.singular else u)
            size, u = float(u.norm()), u / u.norm()
    return size


@pytest.mark.parametrize(
    ("shape", "options", "program", "levels", "frequencies"),
    [
        ((256,), {}, "V", 5, 16),
        ((64, 64), {}, "V", 4, 8),
        ((32, 32), {"a": (1.0, 9.0)}, "W", 3, 8),  # a V-cycle grows worse on each of its levels
        ((64, 64), {"order": 4}, "V", 4, 8),
        ((16, 16, 16), {}, "V", 3, 6),
    ],
    ids=["1d", "2d", "semicoarsened", "compact", "3d"],
)
@pytest.mark.parametrize("smoother", ["chebyshev4", "jacobi", "redblack"])
def test_predicts_what_is_measured(shape, options, program, levels, frequencies, smoother):
    problem = pde.Poisson(shape, "periodic", **options)
    factor = lfa.cycle_factor(problem, program, smoother, 2, levels=levels, frequencies=frequencies)
    assert measured(problem, program, smoother, 2, coarsest=64) == pytest.approx(factor, abs=0.02)


@pytest.mark.parametrize("degree", [1, 2, 3, 4])
def test_smoothing_factor_of_first_kind_chebyshev_is_its_minimax(degree):
    """The high frequencies of the 5-point stencil fill [hi/4, hi]: the factor is 1 / T_k((hi + lo)/(hi - lo))."""
    factor = lfa.smoothing_factor(pde.Poisson((63, 63)), "chebyshev1", degree)
    assert factor == pytest.approx(1 / np.cosh(degree * np.arccosh(5 / 3)), abs=2e-3)


def test_smoothing_factor_of_damped_jacobi():
    """ω = 4/5: 3/5 in 2-D (Trottenberg, Oosterlee & Schüller 2001, section 2.1)."""
    assert lfa.smoothing_factor(pde.Poisson((255, 255)), "jacobi", 1) == pytest.approx(0.6, abs=1e-3)


@pytest.mark.parametrize(("degree", "measured"), [(1, 0.450), (2, 0.158), (3, 0.085), (4, 0.053)])
def test_four_levels_predict_the_measured_rates(degree, measured):
    """measured: the spectral radius of the V-cycle at 255² with Dirichlet values (docs/results/rates.json)."""
    predicted = lfa.cycle_factor(pde.Poisson((255, 255)), "V", "chebyshev4", degree, levels=4, frequencies=16)
    assert predicted == pytest.approx(measured, abs=0.01)


def test_a_w_cycle_has_the_two_grid_factor_and_a_v_cycle_has_not():
    problem = pde.Poisson((255, 255))
    two = lfa.cycle_factor(problem, "V", "chebyshev4", levels=2)
    assert lfa.cycle_factor(problem, "W", "chebyshev4", levels=3) == pytest.approx(two, abs=0.005)
    assert lfa.cycle_factor(problem, "V", "chebyshev4", levels=3) > two + 0.025


@pytest.mark.parametrize(("ndim", "factor"), [(2, 1 / 4), (3, 4 / 9)])
def test_smoothing_factor_of_red_black_gauss_seidel(ndim, factor):
    """((d - 1)/d)² (Yavneh 1996); 1/4 in 2-D: Trottenberg et al. 2001, section 4.5."""
    problem = pde.Poisson((31,) * ndim)
    assert lfa.smoothing_factor(problem, "redblack", 1, frequencies=24) == pytest.approx(factor, abs=0.005)


@pytest.mark.parametrize(("sweeps", "factor"), [(1, 0.250), (2, 0.074), (3, 0.053), (4, 0.041)])
def test_two_grid_factors_of_red_black_gauss_seidel(sweeps, factor):
    """With full weighting, all sweeps in one order (Stüben & Trottenberg 1982; Trottenberg et al. 2001, 4.5)."""
    found = lfa.cycle_factor(pde.Poisson((63, 63)), "V", "redblack", pre=sweeps, post=0, degree=1, frequencies=64)
    assert found == pytest.approx(factor, abs=1e-3)


@pytest.mark.parametrize(("sweeps", "measured"), [(1, 0.112), (2, 0.059), (3, 0.040)])
def test_red_black_gauss_seidel_in_one_order_on_both_ways(sweeps, measured):
    """measured: V(k, k) at 255² with Dirichlet sides. With the order reversed on the way up V(1, 1) has .26."""
    problem = pde.Poisson((255, 255))
    factor = lfa.cycle_factor(problem, "V", lambda A: gauss_seidel(A, sweeps), levels=4, frequencies=8)
    assert factor == pytest.approx(measured, abs=0.005)


def test_coarsening_the_stiff_axis_alone_keeps_a_point_smoother_good():
    for ratio in (2.0, 10.0, 1000.0):
        assert lfa.smoothing_factor(pde.Poisson((255, 255), spacing=(1.0, ratio)), "jacobi", 1) <= 0.61


def test_no_smoothing_leaves_the_high_frequencies():
    assert lfa.cycle_factor(pde.Poisson((31,)), pre=0, post=0) == pytest.approx(1, abs=1e-6)


def test_sides_do_not_matter():
    factors = [lfa.cycle_factor(pde.Poisson((20, 20), bc, spacing=0.1)) for bc in ("dirichlet", "neumann", "periodic")]
    assert factors[0] == factors[1] == factors[2]


def test_fields_are_refused():
    with pytest.raises(ArgumentError, match="problem: got a field for a or c; expected numbers"):
        lfa.cycle_factor(pde.Poisson((31, 31), a=torch.ones(32, 32, dtype=torch.float64)))


@pytest.mark.parametrize(("shape", "bc"), [((31, 31), "dirichlet"), ((31, 32), "periodic")])
def test_a_hierarchy_that_has_no_modes_is_refused(shape, bc):
    with pytest.raises(ArgumentError, match=r"mg: got grids .* expected a periodic problem, even numbers"):
        lfa.propagation(pde.multigrid(pde.Poisson(shape, bc)), "V", 2, torch.zeros(1, 2))


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


@pytest.mark.parametrize("measure", [lfa.cycle_factor, lfa.smoothing_factor])
def test_a_nonlinear_problem_is_refused(measure):
    with pytest.raises(ArgumentError, match="problem: got a nonlinear one; expected a linear one"):
        measure(pde.Poisson((31, 31), g=lambda u: u**3))


def test_the_size_of_the_grid_does_not_count():
    assert lfa.cycle_factor(pde.Poisson((3, 3))) == pytest.approx(lfa.cycle_factor(pde.Poisson((255, 255))), rel=1e-6)
