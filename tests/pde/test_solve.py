"""`solve` as users meet it: shapes, batches, methods, stopping, precision, gradients, compilation."""

import numpy as np
import pytest
import torch

import pde
from unified import ArgumentError, Relaxation, Result, polynomial
from unified.multigrid import State

METHODS = ["auto", "fmg", "mg", "pcg"]


@pytest.fixture
def problem():
    return pde.Poisson((31, 15), spacing=0.1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [(), (2,), (2, 1)])
def test_shapes_in_are_shapes_out_and_a_batch_is_its_members(problem, method, batch):
    f = torch.randn(*batch, 31, 15, dtype=torch.float64)
    solution = pde.solve(problem, f, method=method, rtol=1e-10)
    assert solution.result is Result.converged
    assert solution.u.shape == f.shape
    for u, one in zip(solution.u.reshape(-1, 31, 15), f.reshape(-1, 31, 15), strict=True):
        alone = pde.solve(problem, one, method=method, rtol=1e-10).u
        assert (u - alone).norm() <= 1e-9 * alone.norm()


@pytest.mark.parametrize("method", METHODS)
def test_the_residuals_are_true(problem, method):
    f = torch.randn(31, 15, dtype=torch.float64)
    solution = pde.solve(problem, f, method=method, boundary=1.0)
    b = problem.load(f, 1.0).flatten().numpy()
    r = b - problem.to_scipy() @ solution.u.flatten().numpy()
    unit = b - problem.to_scipy() @ np.ones_like(b)  # what the lift of the boundary values leaves
    assert solution.residuals[-1] == pytest.approx((r**2).sum() ** 0.5 / (unit**2).sum() ** 0.5, rel=1e-6)
    assert solution.residuals[-1] <= 1e-8
    assert list(solution.seconds) == ["setup", "start", "cycles"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("g", [None, lambda u: 0 * u])
def test_large_boundary_values_do_not_hide_f(method, g):
    if g and method == "pcg":
        return
    problem = pde.Poisson((63, 63), g=g)
    f = problem.zeros() + 1
    plain = pde.solve(problem, f).u
    raised = pde.solve(problem, f, boundary=1e4, method=method)
    assert (raised.u - 1e4 - plain).abs().max() < 1e-6 * plain.max()


def test_a_hierarchy_does_not_follow_fields_that_are_changed_in_place():
    a = torch.ones(16, 16, dtype=torch.float64)
    problem = pde.Poisson((15, 15), a=a)
    mg = pde.multigrid(problem)
    a.mul_(10)
    with pytest.raises(ArgumentError, match="mg: got a hierarchy of another problem: another field a"):
        pde.solve(problem, problem.zeros() + 1, mg=mg)


def test_a_hierarchy_that_was_moved_is_told():
    problem = pde.Poisson((15, 15), bc="neumann", c=1.0)
    with pytest.raises(ArgumentError, match=r"mg: got a hierarchy in torch\.float32"):
        pde.solve(problem, problem.zeros(), mg=pde.multigrid(problem).float())


@pytest.mark.parametrize("method", ["fmg", "mg", "pcg"])
def test_a_callback_sees_the_solution_of_mean_zero(method):
    problem, seen = pde.Poisson((16, 16), bc="neumann"), []
    x, _ = problem.grid()
    solution = pde.solve(
        problem, torch.cos(torch.pi * x), u0=problem.zeros() + 7, method=method, callback=lambda it: seen.append(it.u)
    )
    assert torch.equal(seen[-1], solution.u)


@pytest.mark.parametrize("method", METHODS)
def test_zero_f_is_solved_by_zero(problem, method):
    solution = pde.solve(problem, problem.zeros(2), method=method)
    assert solution.result is Result.converged
    assert solution.cycles == 0
    assert not solution.u.any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_size_of_f_does_not_matter(problem, method, size):
    f = torch.randn(31, 15, dtype=torch.float64)
    solution = pde.solve(problem, size * f, method=method)
    assert solution.result.ok
    assert solution.u / size == pytest.approx(pde.solve(problem, f, method=method).u, rel=1e-6)


def test_conjugate_gradients_apply_the_cycle_once_an_iteration(problem):
    mg, calls = pde.multigrid(problem), []
    mg.register_forward_hook(lambda *_: calls.append(1))
    solution = pde.solve(problem, torch.randn(31, 15, dtype=torch.float64), method="pcg", mg=mg)
    assert len(calls) == solution.cycles


def test_numpy_numbers_are_numbers(problem):
    f = torch.randn(31, 15, dtype=torch.float64)
    options = {"rtol": np.float32(1e-5), "max_cycles": np.int64(20), "boundary": np.float32(1), "degree": np.int64(2)}
    plain = {name: value.item() for name, value in options.items()}
    assert torch.equal(pde.solve(problem, f, **options).u, pde.solve(problem, f, **plain).u)


def test_the_preconditioner_keeps_the_imaginary_part(problem):
    M = pde.multigrid(problem).aspreconditioner()
    x, y = np.random.default_rng(0).standard_normal((2, problem.unknowns))
    assert M @ (x + 1j * y) == pytest.approx(M @ x + 1j * (M @ y))


@pytest.mark.parametrize("method", METHODS)
def test_a_zero_member_does_not_disturb_its_batch(problem, method):
    f = torch.randn(2, 31, 15, dtype=torch.float64)
    f[0] = 0
    solution = pde.solve(problem, f, method=method)
    assert solution.result.ok
    assert not solution.u[0].any()


@pytest.mark.parametrize("method", METHODS)
def test_a_good_start_is_used(problem, method):
    f = torch.randn(31, 15, dtype=torch.float64)
    u = pde.solve(problem, f, rtol=1e-11).u
    solution = pde.solve(problem, f, u0=u, method=method)
    assert solution.cycles == 0
    assert solution.u.data_ptr() != u.data_ptr()


@pytest.mark.parametrize("method", METHODS)
def test_rough_boundary_values(problem, method):
    solution = pde.solve(problem, problem.zeros(), boundary=torch.randn(33, 17, dtype=torch.float64), method=method)
    assert solution.result.ok
    assert solution.cycles <= 12


def test_strided_f(problem):
    f = torch.randn(15, 31, dtype=torch.float64)
    want = pde.solve(problem, f.T.contiguous()).u
    assert torch.equal(pde.solve(problem, f.T).u, want)


@pytest.mark.parametrize("method", METHODS)
def test_float32_stops_at_its_floor_and_says_so(method):
    problem = pde.Poisson((127, 127), dtype=torch.float32)
    solution = pde.solve(problem, torch.ones(127, 127), method=method)
    assert solution.result is Result.stagnated
    assert 1e-8 < solution.residuals[-1] < 1e-2
    assert solution.cycles < 20


def test_too_few_cycles(problem):
    solution = pde.solve(problem, problem.zeros() + 1, method="mg", max_cycles=2)
    assert solution.result is Result.maximum_cycles
    assert solution.cycles == 2


@pytest.mark.parametrize("method", ["fmg", "mg"])
def test_roots_below_the_spectrum_diverge(problem, method):
    assert pde.solve(problem, problem.zeros() + 1, smoother=[0.2], method=method).result is Result.diverged


def test_a_hierarchy_can_be_used_again_and_a_smoother_be_given(problem):
    mg = pde.multigrid(problem, "W", lambda p: polynomial([0.4 * p.radius, 0.9 * p.radius]))
    f = torch.randn(31, 15, dtype=torch.float64)
    assert pde.solve(problem, f, mg=mg, method="mg").result.ok
    assert isinstance(mg.levels[0].pre_smoother, Relaxation)
    assert len(mg.state_dict()) == 2 * len(mg.levels)  # two factors a level: pre and post are one object


@pytest.mark.parametrize("bc", ["dirichlet", "neumann"])  # a diagonal of one number, a field
def test_smoothers_by_name_follow_their_level_to_another_dtype(bc):
    problem = pde.Poisson((31, 15), c=1.0, bc=bc)
    f = torch.randn(1, 1, 31, 15, dtype=torch.float64)
    mg = pde.multigrid(problem)
    want = mg(f)
    for dtype in (torch.float32, torch.float64):  # mg(f) refuses another than the problem's
        found = mg.to(dtype).run(State(None, f.to(dtype)))[0].u
        assert found.dtype == dtype
        assert (found - want).abs().max() < 1e-6 * want.abs().max()


def test_the_hierarchy_prints_as_a_table():
    text = repr(pde.multigrid(pde.Poisson((63, 31)), "F", [0.4, 0.9]))
    assert text.startswith("PoissonMultigrid: F, correction scheme, 2 given roots")
    assert "63 x 31        1953" in text
    assert text.endswith("grid complexity 1.637, operator complexity 1.626")


def test_gradients_flow_through_a_cycle():
    mg = pde.multigrid(pde.Poisson((7, 7)))
    f, u = (torch.randn(1, 1, 7, 7, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(mg, (f, u), fast_mode=True)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_flow_through_solve(method):
    problem = pde.Poisson((7, 7))
    f = torch.randn(7, 7, dtype=torch.float64, requires_grad=True)
    g = torch.randn(9, 9, dtype=torch.float64, requires_grad=True)
    w = torch.randn(7, 7, dtype=torch.float64)
    solution = pde.solve(problem, f, boundary=g, method=method, rtol=1e-12)
    (solution.u * w).sum().backward()
    adjoint = pde.solve(problem, w, rtol=1e-12).u  # A is symmetric: the gradient solves the same equation
    assert f.grad.numpy() == pytest.approx(adjoint.numpy(), abs=1e-8)
    assert g.grad[1:-1, 0].numpy() == pytest.approx(64 * adjoint[:, 0].numpy(), abs=1e-6)
    assert not g.grad[1:-1, 1:-1].any()


def test_no_graph_without_need(problem):
    assert pde.solve(problem, problem.zeros() + 1).u.grad_fn is None


def test_compiles_as_one_graph():
    mg = pde.multigrid(pde.Poisson((15, 15)), "W", degree=1)
    f = torch.randn(1, 1, 15, 15, dtype=torch.float64)
    assert torch.allclose(torch.compile(mg, fullgraph=True, backend="eager")(f), mg(f), rtol=1e-12, atol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("method", METHODS)
def test_a_device_gives_the_same(method):
    f = torch.randn(2, 63, 63, dtype=torch.float64)
    here, there = pde.Poisson((63, 63)), pde.Poisson((63, 63), device="cuda")
    u = pde.solve(there, f.cuda(), boundary=1.0, method=method, rtol=1e-10).u
    assert u.is_cuda
    assert torch.allclose(u.cpu(), pde.solve(here, f, boundary=1.0, method=method, rtol=1e-10).u, rtol=1e-7)


@pytest.mark.parametrize("a", [1e-12, 1.0, 1e12])
@pytest.mark.parametrize("method", ["mg", "pcg"])
def test_of_a_zero_f_the_start_is_the_unit_of_the_tolerance(method, a):
    """An absolute one would take the start for the solution, or not, as a has another unit."""
    problem = pde.Poisson((9, 9), a=a)
    f = problem.zeros(2)
    f[1] = a
    one = torch.ones(2, 9, 9, dtype=torch.float64)
    solution = pde.solve(problem, f, u0=one, method=method)
    assert solution.result.ok
    assert solution.cycles > 3
    assert float(solution.u[0].abs().max()) < 1e-7
    torch.testing.assert_close(solution.u[1], pde.solve(problem, f[1]).u, rtol=1e-6, atol=0)


def test_of_a_zero_f_a_start_that_is_a_solution_needs_no_cycle():
    problem = pde.Poisson((9, 9), bc="neumann")
    solution = pde.solve(problem, problem.zeros(), u0=problem.zeros() + 7, method="mg")
    assert (solution.result, solution.cycles) == (Result.converged, 0)


def test_what_no_u_balances_is_printed():
    problem = pde.Poisson((9,), bc="neumann")
    f = torch.tensor([1.0] * 5 + [-0.2] * 4, dtype=torch.float64)
    assert "imbalance 7.3e-01" in str(pde.solve(problem, f))
    assert "imbalance" not in str(pde.solve(problem, f - (f * problem.weights).sum() / problem.weights.sum()))
