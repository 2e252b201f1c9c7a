"""Fused levels whose transfers follow a field that jumps: the level's own stand around the sweep."""

import pytest
import torch

import pde
from pde.kernels import threads
from pde.kernels.level import FusedLevel
from tests.pde.kernels.test_varying import D, N, P, halved
from unified.program import cycle

CASES = [((33, 40), D), ((40, 17), [(D, N), P]), ((21, 45), P), ((37, 32), N), ((9, 11, 12), [(D, N), P, N])]
PROGRAMS = ("V", "W", "fmg", lambda n: 2 * cycle("V", n))


def jumping(*shape, contrast=1e3):
    return contrast ** (torch.rand(shape, dtype=torch.float64) < 0.5).double()


def same(x, y, tolerance):
    assert (x - y).abs().max() < tolerance * y.abs().max()


def fused_levels(mg):
    return sum(isinstance(level, FusedLevel) for level in mg.levels)


@pytest.mark.parametrize(("shape", "bc"), CASES, ids=str)
@pytest.mark.parametrize("batch", [(), (2,)], ids=["one", "two"])
def test_equals_composed(shape, bc, batch, monkeypatch):
    """The finest level; with averages before the products, those are fused too, each with its transfers."""
    monkeypatch.setattr(threads, "SINGLE", 100)
    monkeypatch.setattr(threads, "cut", halved)
    torch.manual_seed(0)
    cells = pde.Poisson(shape, bc=bc).cells
    f, u = torch.randn(2, 2, 1, *shape, dtype=torch.float64)
    growing = 1 + 0.9 * torch.rand(*batch, *cells, dtype=torch.float64).cumsum(-1)
    for a, tolerance in ((jumping(*batch, *cells), 1e-10), (growing, 1e-12)):  # rounding errors times the contrast
        problem = pde.Poisson(shape, bc=bc, a=a, c=1.0)
        for program in PROGRAMS:
            composed, fused = (pde.multigrid(problem, program, level=how, coarsest=9) for how in ("composed", "fused"))
            assert 1 <= fused_levels(fused) < len(fused.levels)
            same(fused(f), composed(f), tolerance)
            if not fused.nested:
                before = u.clone()
                same(fused(f, u), composed(f, u), tolerance)
                assert torch.equal(u, before)


@pytest.mark.parametrize("method", ["pcg", "mg", "fmg"])
def test_solve(method):
    """Large enough for it by default, with as many iterations."""
    torch.manual_seed(0)
    shape = (363, 362)
    problem = pde.Poisson(shape, a=jumping(364, 363, contrast=1e6 if method == "pcg" else 20.0))
    f = torch.randn(shape, dtype=torch.float64)
    mg = pde.multigrid(problem)
    assert (mg.level, fused_levels(mg)) == ("fused", 1)
    found, composed = (pde.solve(problem, f, method=method, level=how, rtol=1e-9) for how in ("auto", "composed"))
    assert (found.level, found.result.name) == ("fused", "converged")
    assert found.cycles in (
        composed.cycles,
        composed.cycles + (method != "pcg"),
    )  # cycles that turn begin with half a one
    torch.testing.assert_close(found.u, composed.u, rtol=0, atol=1e-8 * float(composed.u.abs().max()))
