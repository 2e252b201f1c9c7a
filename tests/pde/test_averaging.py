"""Coarse operators of mild fields: they are those of constant coefficients there, and multigrid converges as there."""

import itertools
import math

import numpy as np
import pytest
import torch

import pde
from pde.averaging import MILD, averaged, averages, is_mild
from pde.coefficients import copied, extremes
from pde.discretise import line
from pde.kernels import choice
from pde.transfers import layout
from unified.lines import LineRestriction

SIDES = [
    ("dirichlet", "dirichlet"),
    ("neumann", "neumann"),
    "periodic",
    ("dirichlet", "neumann"),
    ("neumann", "dirichlet"),
]


def problem(shape, bc="dirichlet", a=None, **options):
    """With a field a of cells, ones by default; a function of coordinates in (0, 1)."""
    plain = pde.Poisson(shape, bc=bc)
    x = [(torch.arange(n, dtype=torch.float64) + 0.5) / n for n in plain.cells]
    field = torch.ones(plain.cells, dtype=torch.float64)
    if a is not None:
        field = field * a(*torch.meshgrid(*x, indexing="ij"))
    return pde.Poisson(shape, bc=bc, a=field, **options)


def wave(contrast):
    """Varies smoothly by that factor."""

    def field(*x):
        return torch.exp(math.log(contrast) / 2 * math.prod(torch.sin(2 * math.pi * y + 0.3) for y in x))

    return field


def scattered(ratio):
    """1 or the ratio, cell by cell."""
    return lambda *x: torch.where(torch.rand(x[0].shape, generator=torch.Generator().manual_seed(1)) < 0.5, 1.0, ratio)


def half(ratio):
    return lambda *x: torch.where(x[0] < 0.4, 1.0, ratio)


def rate(mg, cycles=12):
    torch.manual_seed(0)
    u = torch.randn(1, 1, *mg.problem.shape, dtype=torch.float64)
    norms = []
    for _ in range(cycles):
        u = mg(torch.zeros_like(u), u)
        norms.append(float(u.norm()))
        u = u / norms[-1]
    return float(np.exp(np.mean(np.log(norms[-5:]))))


def restrictions(axes, chosen, dtype=torch.float64):
    return {
        i: LineRestriction(layout(axes[i], i - 2), *(line(w, i, 2).to(dtype) for w in axes[i].weights()))
        for i in chosen
    }


@pytest.mark.parametrize("sides", list(itertools.product(SIDES, SIDES)), ids=str)
def test_a_constant_field_is_discretised_anew(sides):
    for shape in [(17, 12), (32, 15), (10, 33)]:
        h = {"spacing": (0.1, 0.1), "c": 1.0}
        field = pde.Poisson(shape, bc=list(sides), a=torch.ones(pde.Poisson(shape, bc=list(sides)).cells).double(), **h)
        one, other = (pde.multigrid(x, level="composed") for x in (pde.Poisson(shape, bc=list(sides), **h), field))
        for x, y in zip(one.grids, other.grids, strict=True):
            assert set(y.A.directions) == {(1, 0), (0, 1)}
            np.testing.assert_allclose(y.A.to_scipy().toarray(), x.A.to_scipy().toarray(), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("sides", list(itertools.product(SIDES, SIDES)), ids=str)
def test_kernels_set_up_what_torch_does(sides, monkeypatch):
    """Edges from cells, mildness and averages, along both axes or one, for a batch of fields too."""
    torch.manual_seed(0)
    for shape, dtype in itertools.product([(9, 8), (12, 31)], [torch.float64, torch.float32]):
        cells = pde.Poisson(shape, bc=list(sides)).cells
        given = pde.Poisson(shape, bc=list(sides), a=1 + torch.rand(2, *cells, dtype=dtype), c=1.0, dtype=dtype)
        results = []
        for least in (0, 10**9):
            monkeypatch.setattr(choice, "LEAST", least)
            A = given.operator()
            parts = [A, *(averaged(A, restrictions(given.axes, chosen, dtype)) for chosen in [(0, 1), (0,), (1,)])]
            numbers = [is_mild(A, given.axes), *A.bounds]
            results.append((parts, numbers))
        for one, other in zip(*(parts for parts, _ in results), strict=True):
            for direction in one.directions:
                torch.testing.assert_close(one.edges[direction], other.edges[direction], rtol=1e-6, atol=0)
        np.testing.assert_allclose(*(numbers for _, numbers in results), rtol=1e-6)


@pytest.mark.parametrize(
    "field", [wave(10.0), wave(100.0), scattered(2.0), half(2.0)], ids=["10", "100", "cells", "half"]
)
@pytest.mark.parametrize("bc", ["dirichlet", "neumann", ["periodic", "dirichlet"]], ids=str)
@pytest.mark.parametrize("shape", [(63, 63), (64, 50)])
def test_rates(shape, bc, field):
    mg = pde.multigrid(problem(shape, bc, field, c=1.0), level="composed")
    assert set(mg.grids[1].A.directions) == {(1, 0), (0, 1)}
    assert rate(mg) < 0.23


def test_three_dimensions():
    mg = pde.multigrid(problem((15, 16, 17), a=scattered(2.0)), level="composed")
    assert len(mg.grids[-1].A.directions) == 3
    assert rate(mg) < 0.25


def test_the_rule():
    """Up to a ratio of `MILD` between neighbours, on each level anew; the grid's own ratios do not count."""
    assert MILD == 2.0
    for bc, shape in itertools.product(["dirichlet", "neumann", "periodic"], [(16, 17), (31, 30)]):
        for ratio in (2.0, 2.1):
            given = problem(shape, bc, scattered(ratio), c=1.0)
            assert is_mild(given.operator(), given.axes) == (ratio == 2.0)
            assert averages(given.a, 2) == (ratio == 2.0)
    mg = pde.multigrid(problem((63, 63), a=wave(1e3)), level="composed")
    kinds = [len(grid.A.directions) for grid in mg.grids]
    assert kinds == sorted(kinds)  # averages, then products
    assert set(kinds) == {2, 4}
    for how in ("strong", "full"):
        mg = pde.multigrid(problem((15, 15)), coarsening=how)
        assert len(mg.grids[1].A.directions) == 4


@pytest.mark.parametrize(("contrast", "method"), [(10.0, "fmg"), (99.0, "fmg"), (200.0, "pcg")])
def test_method(contrast, method):
    given = problem((127, 127), a=wave(contrast))
    solution = pde.solve(given, torch.ones(127, 127, dtype=torch.float64))
    assert solution.result.name == "converged"
    assert solution.method == method


def test_gradients_pass_averages():
    torch.manual_seed(0)
    a = (1 + torch.rand(10, 10, dtype=torch.float64)).requires_grad_()
    f = torch.rand(9, 9, dtype=torch.float64)
    grads = []
    for coarsening in ("auto", "strong"):
        solution = pde.solve(pde.Poisson((9, 9), a=a), f, rtol=1e-13, coarsening=coarsening)
        grads.append(torch.autograd.grad(solution.u.sum(), a)[0])
    torch.testing.assert_close(*grads, rtol=1e-10, atol=1e-12)


def test_a_periodic_seam_counts():
    """Cells that vary little one by one, and by much where the axis closes: averages would lose the seam."""
    steps = torch.arange(16, dtype=torch.float64)
    field = (1.3**steps)[:, None] * torch.ones(16, dtype=torch.float64)
    for bc, directions in (("periodic", 4), ("neumann", 2)):
        shape = (16, 16) if bc == "periodic" else (17, 17)
        mg = pde.multigrid(pde.Poisson(shape, bc=bc, a=field), level="composed", coarsest=20)
        assert averages(field, 2)
        assert len(mg.grids[1].A.directions) == directions


def test_what_is_known_of_a_field_goes_to_its_copy(monkeypatch):
    """And no further: what is written to either is looked at again."""
    a = torch.tensor([2.0, 1.0, 5.0])
    assert extremes(a) == (1.0, 5.0)
    copy = copied(a)
    with monkeypatch.context() as without:
        without.setattr(torch, "aminmax", None)
        assert extremes(copy) == (1.0, 5.0)
    copy[1] = 0.5
    assert (extremes(copy), extremes(a)) == ((0.5, 5.0), (1.0, 5.0))
    a[0] = 7.0
    assert extremes(copied(a)) == (1.0, 7.0)
    with torch.inference_mode():
        assert extremes(copied(torch.tensor([3.0, 4.0]))) == (3.0, 4.0)
        assert extremes(copied(a)) == (1.0, 7.0)


def test_extremes_follow_what_is_written():
    """They are looked for once, but of what a tensor holds now."""
    a = torch.tensor([2.0, 1.0, 5.0])
    assert extremes(a) == extremes(a) == (1.0, 5.0)
    a[1] = 9.0
    assert extremes(a) == (2.0, 9.0)
    with torch.inference_mode():
        b = torch.tensor([2.0, 1.0])
        assert extremes(b) == (1.0, 2.0)
        b[0] = 0.0
        assert extremes(b) == (0.0, 1.0)
    assert extremes(b) == (0.0, 1.0)
    assert math.isnan(extremes(torch.tensor([1.0, math.nan]))[0])
