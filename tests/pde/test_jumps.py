"""Coefficients that jump between cells: iterations, and the algebraic cycle that takes over from the grids."""

import copy

import numpy as np
import pytest
import torch
from pyamg import ruge_stuben_solver
from scipy.sparse.linalg import spsolve

import pde
from pde import algebraic
from pde.algebraic import AlgebraicCycle, independent, interpolation, strong_couplings
from unified import Result

HIGH = 1e6
SIDES = ["dirichlet", "neumann", "periodic"]


def field(name, n, ndim=2):
    """(n, ..., n) cells, most of them 1 or HIGH."""
    rng = np.random.default_rng(0)
    i = np.indices((n,) * ndim)
    x = (i + 0.5) / n
    if name.startswith("checkerboard"):
        inside = (i // int(name.split()[1])).sum(0) % 2 == 0
    elif name.startswith("random"):
        inside = rng.random((n,) * ndim) < float(name.split()[1])
    elif name == "log-uniform":
        return torch.from_numpy(10 ** rng.uniform(-3, 3, (n,) * ndim))
    elif name == "discs":
        inside = np.zeros((n,) * ndim, dtype=bool)
        for *centre, r in rng.random((40, ndim + 1)):
            inside |= sum((y - c) ** 2 for y, c in zip(x, centre, strict=True)) < (0.01 + 0.07 * r) ** 2
    elif name == "lines":  # one cell wide
        inside = np.zeros((n,) * ndim, dtype=bool)
        for k in range(30):
            at, (start, end) = rng.integers(n), np.sort(rng.integers(0, n, 2))
            (inside if k % 2 else inside.T)[at, start:end] = True
    elif name == "rectangles":
        inside = np.zeros((n,) * ndim, dtype=bool)
        for k in range(60):
            (p, q), (w, h) = rng.integers(0, n, 2), rng.integers(1, n // 6, 2)
            inside[p : p + w, q : q + h] = k % 3 > 0
    else:  # "stairs": two cells wide, the low ones among high
        inside = i.sum(0) % 16 >= 2
    return torch.from_numpy(np.where(inside, HIGH, 1.0))


def random(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


SHAPES = ["discs", "rectangles", "lines", "stairs"]
CELLS = ["random 0.1", "random 0.5", "random 0.9", "log-uniform"]


@pytest.mark.parametrize("n", [127, 200])
@pytest.mark.parametrize("name", ["checkerboard 1", "checkerboard 3", "checkerboard 13", *SHAPES, *CELLS])
def test_iterations_do_not_depend_on_where_it_jumps(name, n):
    solution = pde.solve(pde.Poisson((n, n), a=field(name, n + 1)), random(n, n), rtol=1e-8)
    assert solution.result is Result.converged
    assert solution.cycles <= 14  # 6 to 12; on grids alone up to 100 and more


@pytest.mark.parametrize("name", ["checkerboard 3", "random 0.5", "log-uniform"])
def test_three_dimensions(name):
    solution = pde.solve(pde.Poisson((23,) * 3, a=field(name, 24, 3)), random(23, 23, 23), rtol=1e-8)
    assert solution.result is Result.converged
    assert solution.cycles <= 16


@pytest.mark.parametrize("sides", SIDES)
def test_pyamg_finds_the_same_solution(sides):
    problem = pde.Poisson((40, 41), bc=[sides, "dirichlet"], a=1.0)
    a = torch.from_numpy(np.where(np.random.default_rng(0).random(problem.cells) < 0.5, HIGH, 1.0))
    problem = pde.Poisson((40, 41), bc=[sides, "dirichlet"], a=a, c=0.5)
    f = random(40, 41)
    u = pde.solve(problem, f, rtol=1e-12).u.numpy().ravel()
    A, b = problem.to_scipy().tocsr(), problem.load(f).numpy().ravel()
    theirs = ruge_stuben_solver(A).solve(b, tol=1e-12, maxiter=200, accel="cg")
    for want in (theirs, spsolve(A.tocsc(), b)):
        error = u - want
        assert error @ (A @ error) <= 1e-16 * abs(want @ (A @ want))


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("batch", [1, 3])
def test_the_cycle_is_symmetric_and_a_batch_is_its_operators_side_by_side(batch, sides):
    shape = (21, 22)
    cells = pde.Poisson(shape, bc=sides).cells
    a = 10 ** random(batch, *cells).mul(2)
    problem, singular = pde.Poisson(shape, bc=sides, a=a), sides != "dirichlet"
    A, x, y = problem.operator(), random(batch, 2, *shape, seed=1), random(batch, 2, *shape, seed=2)
    cycle = AlgebraicCycle(A, singular=singular)
    assert len(cycle.levels) > 1
    if singular:
        x, y = (z - z.mean((-1, -2), keepdim=True) for z in (x, y))
    mx, my = cycle(A, None, x), cycle(A, None, y)
    torch.testing.assert_close((x * my).sum(), (mx * y).sum())
    assert ((x * mx).sum((-1, -2)) > 0).all()
    torch.testing.assert_close(cycle(A, mx, x), mx + cycle(A, None, x - A(mx)))
    for k in range(batch):
        one = pde.Poisson(shape, bc=sides, a=a[k]).operator()
        alone = AlgebraicCycle(one, singular=singular)(one, None, x[k : k + 1])
        if batch == 1:  # ties are broken by chance, otherwise in another batch
            torch.testing.assert_close(alone, mx[k : k + 1])
    u, before = torch.zeros_like(x), x
    for _ in range(12):
        u = cycle(A, u, x)
    assert float((x - A(u)).norm() / before.norm()) < 1e-2


def test_a_batch_of_fields_that_jump():
    a = torch.stack([field("random 0.5", 41), field("checkerboard 3", 41), torch.ones(41, 41, dtype=torch.float64)])
    f = random(3, 40, 40)
    solution = pde.solve(pde.Poisson((40, 40), a=a), f, rtol=1e-12)
    for k in range(3):
        alone = pde.solve(pde.Poisson((40, 40), a=a[k]), f[k], rtol=1e-12)
        torch.testing.assert_close(solution.u[k], alone.u, rtol=1e-7, atol=1e-9)


def test_derivatives_of_a_solve():
    a, f = field("checkerboard 3", 41), random(40, 40)
    problem = pde.Poisson((40, 40), a=a)
    goal = lambda a, f: (pde.solve(pde.Poisson((40, 40), a=a), f, rtol=1e-12).u ** 2).sum()  # noqa: E731
    by_a, by_f = torch.func.grad(goal, argnums=(0, 1))(a, f)
    da, df = a * random(41, 41, seed=1), random(40, 40, seed=2)
    h = 1e-4
    numeric = (goal(a + h * da, f + h * df) - goal(a - h * da, f - h * df)) / (2 * h)
    torch.testing.assert_close((by_a * da).sum() + (by_f * df).sum(), numeric, rtol=1e-5, atol=0)
    each = torch.func.vmap(lambda x: pde.solve(problem, x, rtol=1e-12).u)(torch.stack([f, df]))
    torch.testing.assert_close(each[1], pde.solve(problem, df, rtol=1e-12).u)
    mg = pde.multigrid(problem)
    both = torch.func.vmap(lambda x: mg(x[None, None])[0, 0])(torch.stack([f, df]))
    torch.testing.assert_close(both[1], mg(df[None, None])[0, 0])


def test_derivatives_through_a_cycle_copies_and_single_precision():
    problem = pde.Poisson((40, 40), a=field("random 0.5", 41))
    mg, f = pde.multigrid(problem), random(1, 1, 40, 40).requires_grad_()
    v = random(1, 1, 40, 40, seed=1)
    (gradient,) = torch.autograd.grad((v * mg(f)).sum(), f)
    torch.testing.assert_close(gradient, mg(v))  # it is symmetric
    torch.testing.assert_close(copy.deepcopy(mg)(v), mg(v))
    single = pde.solve(problem, f.detach()[0, 0], rtol=1e-10, precision="mixed")
    assert single.result is Result.converged


def test_grids_are_asked_for_by_name():
    problem = pde.Poisson((40, 40), a=field("random 0.5", 41))
    assert "algebraic" in repr(pde.multigrid(problem))
    assert len(pde.multigrid(problem).grids) == 2
    assert len(pde.multigrid(problem, coarsening="strong").grids) > 3
    smooth = pde.Poisson((40, 40), a=lambda x, y: torch.exp(8 * x * y))
    assert len(pde.multigrid(smooth).grids) > 3
    assert not algebraic.jumps(torch.tensor([[1.0, 99.0]]), 2)
    assert algebraic.jumps(torch.tensor([[1.0, 101.0]]), 2)


def test_one_axis_needs_none():
    solution = pde.solve(pde.Poisson((100,), a=field("random 0.5", 101, 1)), random(100), rtol=1e-6)
    assert solution.result is Result.converged
    assert solution.cycles <= 6


@pytest.mark.parametrize("options", [{"method": "fmg"}, {"method": "mg", "scheme": "fas"}, {"program": "W"}], ids=str)
def test_other_ways_to_solve(options):
    problem = pde.Poisson((60, 60), "neumann", a=field("lines", 59), c=1.0)
    solution = pde.solve(problem, random(60, 60), rtol=1e-8, **options)
    assert solution.result is Result.converged


@pytest.mark.parametrize("name", ["random 0.5", "log-uniform", "checkerboard 3"])
def test_points_kept_and_interpolation(name):
    A = pde.Poisson((30, 31), "neumann", a=field(name, 30)[:29, :]).to_scipy()
    strong = strong_couplings(A)
    kept = independent(strong)
    assert not (strong * strong.T)[kept][:, kept].nnz  # not both of two that need each other
    needed = np.diff(strong.T.tocsr().indptr) > 0
    assert ((strong @ kept.astype(float))[~kept & needed] > 0).all()
    P = interpolation(A, strong, kept)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-10)
    assert np.diff(P.indptr).max() <= algebraic.MOST
    np.testing.assert_array_equal(P[kept].toarray(), np.eye(kept.sum()))


def test_the_table_counts_the_algebraic_levels():
    a = torch.from_numpy(np.where(np.random.default_rng(0).random((101, 78)) < 0.5, HIGH, 1.0))
    mg = pde.multigrid(pde.Poisson((100, 77), a=a))
    below = [(A.shape[0], len(A.entries)) for A in (level.A for level in mg.levels[-1].solver.levels[1:])]
    assert below
    grids = [(grid.unknowns, grid.nnz) for grid in mg.grids]
    unknowns, entries = (sum(x) for x in zip(*grids, *below, strict=True))
    assert mg.grid_complexity == pytest.approx(unknowns / 7700)
    assert mg.operator_complexity == pytest.approx(entries / grids[0][1])
    assert repr(mg).count("algebraic") == len(below) + 1
