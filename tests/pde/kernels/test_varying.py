"""Fused levels of fields against composed ones: all starts, sides, strips, slabs and batches."""

import itertools

import pytest
import torch

import pde
from pde.kernels import launch, threads
from pde.kernels.level import FusedLevel
from unified.program import cycle

D, N, P = "dirichlet", "neumann", "periodic"
CASES = [  # shape, sides
    ((33, 40), D),
    ((40, 17), [(D, N), P]),
    ((21, 45), P),
    ((37, 32), N),
    ((9, 34), [P, (N, D)]),
    ((9, 37, 12), [(D, N), P, N]),
    ((16, 15, 11), [P, (N, D), P]),
]


def two(n):
    return 2 * cycle("V", n)


PROGRAMS = {2: ("V", "fmg", two), 3: (two,)}  # in 3-D more of them in test_level


@pytest.mark.parametrize(("shape", "bc"), CASES, ids=str)
@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("width", [12, 1024])
def test_equals_composed(shape, bc, batch, width, monkeypatch):
    monkeypatch.setitem(launch.WIDTHS[len(shape)], "varying", width)
    monkeypatch.setattr(threads, "SINGLE", 100)
    monkeypatch.setattr(threads, "cut", halved)
    torch.manual_seed(0)
    cells = pde.Poisson(shape, bc=bc).cells
    c = torch.rand(shape, dtype=torch.float64)
    a = 1 + torch.rand(*([batch] if batch else []), *cells, dtype=torch.float64)
    f, u = torch.randn(2, 3, 1, *shape, dtype=torch.float64)
    for reaction, field in itertools.product((c, 1.0), (a, 2.0)):
        if isinstance(reaction, float) and isinstance(field, float):
            continue
        problem = pde.Poisson(shape, bc=bc, a=field, c=reaction)
        for program in PROGRAMS[len(shape)]:
            composed, fused = (pde.multigrid(problem, program, level=how, coarsest=9) for how in ("composed", "fused"))
            assert sum(isinstance(x, FusedLevel) for x in fused.levels) == len(fused.levels) - 1
            same(fused(f), composed(f))
            if not fused.nested:
                before = u.clone()
                same(fused(f, u), composed(f, u))
                assert torch.equal(u, before)
        norms = fused.levels[0].norms(u, f)
        same(norms.residual, (f - composed.A(u)).flatten(1).norm(dim=1))
        same(norms.solution, u.flatten(1).norm(dim=1))
        same(fused.product(u), composed.A(u))


def same(x, y):
    assert (x - y).abs().max() < 1e-12 * y.abs().max()


def halved(n, parts):
    """Two slabs, whatever the threads."""
    return [(0, n // 2), (n // 2, n)] if n > 1 else [(0, n)]


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 0.2), (0.2, 1.0, 0.2), (0.2, 1.0, 1.0)], ids=str)
@pytest.mark.parametrize("sides", [N, [P, D, P]], ids=str)
def test_axes_that_stay(spacing, sides):
    """Coarsened along those of strong coupling, one level after the other."""
    torch.manual_seed(0)
    shape = (14, 12, 17)
    a = 1 + torch.rand(2, *pde.Poisson(shape, bc=sides).cells, dtype=torch.float64)
    problem = pde.Poisson(shape, bc=sides, spacing=spacing, a=a, c=torch.rand(shape, dtype=torch.float64))
    f, u = torch.randn(2, 2, 1, *shape, dtype=torch.float64)
    composed, fused = (pde.multigrid(problem, level=how, degree=3, coarsest=64) for how in ("composed", "fused"))
    assert isinstance(fused.levels[1], FusedLevel)
    same(fused(f, u), composed(f, u))


@pytest.mark.parametrize("turned", [False, True])
def test_a_periodic_axis_of_one_point(turned):
    """The point is its own neighbour: no part of the diagonal."""
    order = slice(None, None, -1 if turned else 1)
    shape, spacing = (3, 17, 16)[order], (0.1, 1.0, 1.0)[order]
    problem = pde.Poisson(shape, bc=P, spacing=spacing, a=1 + torch.rand(shape, dtype=torch.float64), c=3.0)
    composed, fused = (pde.multigrid(problem, level=level, coarsest=6) for level in ("composed", "fused"))
    assert any(1 in level.kernels.shape for level in fused.levels[:-1])
    f = torch.randn(1, 1, *shape, dtype=torch.float64)
    same(composed(f), fused(f))


@pytest.mark.parametrize(
    "shape", [(40, 33), pytest.param((12, 17, 33), marks=pytest.mark.slow)], ids=str
)  # another compilation
def test_float32(shape):
    torch.manual_seed(0)
    a = 1 + torch.rand([n + 1 for n in shape])
    f = torch.randn(1, 1, *shape)
    problem = pde.Poisson(shape, a=a, dtype=torch.float32)
    composed, fused = (pde.multigrid(problem, level=how, coarsest=9)(f) for how in ("composed", "fused"))
    assert (composed - fused).abs().max() < 1e-5 * composed.abs().max()


@pytest.mark.parametrize("ndim", [2, 3])
def test_one_right_hand_side_for_many_fields(ndim):
    shape = (15,) * ndim
    problem = pde.Poisson(shape, a=1 + torch.rand(2, *[n + 1 for n in shape], dtype=torch.float64))
    f = torch.randn(1, 1, *shape, dtype=torch.float64)
    composed, fused = (pde.multigrid(problem, level=how, coarsest=9)(f) for how in ("composed", "fused"))
    same(fused, composed)


def test_solve():
    """Large enough for fused levels by default."""
    torch.manual_seed(0)
    f = torch.randn(400, 401, dtype=torch.float64)
    smooth = pde.Poisson((400, 401), a=lambda x, y: 1 + 9 * (torch.sin(3 * x) * y) ** 2)
    solution = pde.solve(smooth, f)
    assert (solution.level, solution.method, solution.result.name) == ("fused", "fmg", "converged")
    composed = pde.solve(smooth, f, level="composed")
    torch.testing.assert_close(solution.u, composed.u, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("field", [{"a": lambda x, y, z: torch.exp(torch.sin(3 * x) * y - z)}, {"c": lambda x, *_: x}])
def test_solve_in_three_dimensions(field):
    f = torch.randn(22, 23, 24, dtype=torch.float64)
    composed, fused = (pde.solve(pde.Poisson(f.shape, **field), f, rtol=1e-10, level=x) for x in ("composed", "fused"))
    assert (fused.level, fused.method, fused.result.name) == ("fused", "fmg", "converged")
    torch.testing.assert_close(fused.u, composed.u, rtol=0, atol=1e-8 * float(composed.u.abs().max()))
    assert pde.multigrid(pde.Poisson((50, 51, 52), **field)).level == "fused"
