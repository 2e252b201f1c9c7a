"""Orders of accuracy by manufactured solutions, and full multigrid against the discretisation error."""

import itertools
import math

import pytest
import torch
from scipy.sparse.linalg import cg, spsolve

import pde
from unified import fmg

PI = math.pi


def zero_on_boundary(x, y):
    return torch.sin(PI * x) * torch.sin(2 * PI * y) * torch.exp(x)


def minus_laplacian_of_it(x, y):
    s = torch.sin(2 * PI * y) * torch.exp(x)
    return s * ((5 * PI**2 - 1) * torch.sin(PI * x) - 2 * PI * torch.cos(PI * x))


def general(x, y):
    return torch.cos(2 * x + y) + x * y**3


def minus_laplacian_of_general(x, y):
    return 5 * torch.cos(2 * x + y) - 6 * x * y


CASES = {
    "zero": (zero_on_boundary, minus_laplacian_of_it, None),
    "given": (general, minus_laplacian_of_general, general),
}


def rms(x):
    return float(x.square().mean().sqrt())


@pytest.mark.parametrize("shapes", [[(31, 31), (63, 63), (127, 127)], [(31, 63), (63, 127), (127, 255)]])
@pytest.mark.parametrize("case", CASES)
def test_second_order(case, shapes):
    exact, rhs, boundary = CASES[case]
    errors = []
    for shape in shapes:
        problem = pde.Poisson(shape)
        solution = pde.solve(problem, rhs(*problem.grid()), boundary=boundary, rtol=1e-10)
        assert solution.result.ok
        errors.append(rms(solution.u - exact(*problem.grid())))
    orders = [math.log2(a / b) for a, b in itertools.pairwise(errors)]
    assert orders == pytest.approx([2.0, 2.0], abs=0.1)


@pytest.mark.parametrize("n", [31, 63, 127, 255])
@pytest.mark.parametrize("case", CASES)
def test_full_multigrid_with_two_cycles_reaches_the_discretisation_error(n, case):
    exact, rhs, boundary = CASES[case]
    problem = pde.Poisson((n, n))
    f, u = rhs(*problem.grid()), exact(*problem.grid())
    lift = problem.zeros() if boundary is None else problem.lift(boundary)
    if boundary is not None:
        f = problem.load(f, boundary)
    mg = pde.multigrid(problem, lambda levels: fmg(levels, cycles=2))
    total = rms(mg.improve(lift[None, None], f[None, None])[0, 0] - u)
    discrete = pde.solve(problem, f, rtol=1e-12).u
    assert total <= 1.1 * rms(discrete - u)


def test_the_default_solve_starts_there():
    exact, rhs, boundary = CASES["given"]
    problem = pde.Poisson((127, 127))
    f, u = rhs(*problem.grid()), exact(*problem.grid())
    loose = pde.solve(problem, f, boundary=boundary, rtol=1.0)
    assert loose.cycles == 0
    assert rms(loose.u - u) <= 1.1 * rms(pde.solve(problem, f, boundary=boundary, rtol=1e-12).u - u)


@pytest.mark.parametrize(
    ("shape", "spacing"), [((15, 15), None), ((15, 31), 0.1), ((23, 7), (0.1, 0.2)), ((63,), None)]
)
def test_agrees_with_a_sparse_direct_solver(shape, spacing):
    problem = pde.Poisson(shape, spacing=spacing)
    f = torch.randn(shape, dtype=torch.float64)
    want = torch.from_numpy(spsolve(problem.to_scipy().tocsc(), f.numpy().ravel())).reshape(shape)
    assert rms(pde.solve(problem, f, rtol=1e-12).u - want) < 1e-10 * rms(want)


@pytest.mark.parametrize("shape", [(7,), (5, 9), (4, 3, 5)])
def test_matrix_operator_and_spectrum_are_the_same_thing(shape):
    problem = pde.Poisson(shape, spacing=[0.1 * (i + 1) for i in range(len(shape))])
    u, matrix = torch.randn(1, 1, *shape, dtype=torch.float64), problem.to_scipy()
    assert problem.operator()(u).numpy().ravel() == pytest.approx(matrix @ u.numpy().ravel())
    assert problem.nnz == matrix.nnz
    assert problem.radius == pytest.approx(abs(torch.linalg.eigvalsh(torch.from_numpy(matrix.toarray()))).max())


def test_a_linear_function_is_exact_and_so_is_its_lift():
    problem = pde.Poisson((15, 31))
    g = lambda x, y: 1 + 2 * x - 3 * y + x * y  # noqa: E731
    want = g(*problem.grid())
    assert problem.lift(g).numpy() == pytest.approx(want.numpy())
    assert pde.solve(problem, problem.zeros(), boundary=g).u.numpy() == pytest.approx(want.numpy())


def test_boundary_as_number_tensor_and_function():
    problem = pde.Poisson((7, 15))
    closed = torch.full((9, 17), 3.0, dtype=torch.float64)
    closed[1:-1, 1:-1] = torch.nan  # is not read
    want = pde.solve(problem, problem.zeros(), boundary=3.0).u
    for g in (
        closed,
        closed.expand(2, 1, 9, 17),
        lambda x, y: 3 + 0 * x,
        torch.tensor(3.0, dtype=torch.float64),
    ):
        f = problem.zeros(2)
        assert pde.solve(problem, f, boundary=g).u.numpy() == pytest.approx(want.expand(2, 7, 15).numpy())
    assert want.numpy() == pytest.approx(3.0)


def test_scipy_cg_with_our_preconditioner():
    problem = pde.Poisson((63, 31), spacing=0.1)
    f, count = torch.randn(63 * 31, dtype=torch.float64).numpy(), []
    M = pde.multigrid(problem).aspreconditioner()
    u, info = cg(problem.to_scipy(), f, M=M, rtol=1e-10, callback=lambda _: count.append(1))
    assert info == 0
    assert len(count) <= 9
    assert u == pytest.approx(spsolve(problem.to_scipy().tocsc(), f), abs=1e-8)


@pytest.mark.parametrize(("program", "symmetric"), [("V", True), ("W", True), ("F", False), ("fmg", False)])
def test_the_preconditioner_is_symmetric_where_it_says_so(program, symmetric):
    problem = pde.Poisson((15, 15))
    mg = pde.multigrid(problem, program, "chebyshev4", coarsest=1)  # four levels
    unit = torch.eye(225, dtype=torch.float64).reshape(225, 1, 15, 15)
    M = mg(unit).reshape(225, 225)
    assert mg.symmetric == symmetric
    assert bool((M - M.T).norm() < 1e-12 * M.norm()) == symmetric
    if symmetric:
        assert torch.linalg.eigvalsh(M).min() > 0
