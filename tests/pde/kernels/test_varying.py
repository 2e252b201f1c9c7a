"""Fused levels of fields in two dimensions against composed ones: all starts, sides, strips, slabs and batches."""

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
]


@pytest.mark.parametrize(("shape", "bc"), CASES, ids=str)
@pytest.mark.parametrize("batch", [0, 3])
@pytest.mark.parametrize("width", [12, 1024])
def test_equals_composed(shape, bc, batch, width, monkeypatch):
    monkeypatch.setitem(launch.WIDTHS, "varying", width)
    monkeypatch.setattr(launch, "SINGLE", 100)
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
        for program in ("V", "fmg", lambda n: 2 * cycle("V", n)):
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


def same(x, y):
    assert (x - y).abs().max() < 1e-12 * y.abs().max()


def halved(n, parts):
    """Two slabs, whatever the threads."""
    return [(0, n // 2), (n // 2, n)] if n > 1 else [(0, n)]


def test_float32():
    torch.manual_seed(0)
    a = 1 + torch.rand(41, 34)
    f = torch.randn(1, 1, 40, 33)
    problem = pde.Poisson((40, 33), a=a, dtype=torch.float32)
    composed, fused = (pde.multigrid(problem, level=how, coarsest=9)(f) for how in ("composed", "fused"))
    assert (composed - fused).abs().max() < 1e-5 * composed.abs().max()


def test_one_right_hand_side_for_many_fields():
    problem = pde.Poisson((31, 31), a=1 + torch.rand(2, 32, 32, dtype=torch.float64))
    f = torch.randn(1, 1, 31, 31, dtype=torch.float64)
    composed, fused = (pde.multigrid(problem, level=how, coarsest=9)(f) for how in ("composed", "fused"))
    same(fused, composed)


def test_solve():
    """Large enough for fused levels by default; of steep fields the finest ones alone, or none."""
    torch.manual_seed(0)
    f = torch.randn(400, 401, dtype=torch.float64)
    smooth = pde.Poisson((400, 401), a=lambda x, y: 1 + 9 * (torch.sin(3 * x) * y) ** 2)
    solution = pde.solve(smooth, f)
    assert (solution.level, solution.method, solution.result.name) == ("fused", "fmg", "converged")
    composed = pde.solve(smooth, f, level="composed")
    torch.testing.assert_close(solution.u, composed.u, rtol=1e-6, atol=1e-10)
    jumping = pde.Poisson((400, 401), a=lambda x, y: torch.where(x < 0.3, 1.0, 5.0).double())
    assert pde.multigrid(jumping).level == "composed"
