"""Mixed precision: float32 cycles, float64 residuals."""

import pytest
import torch

import pde
from unified import Result


@pytest.mark.parametrize("method", ["fmg", "mg", "pcg"])
@pytest.mark.parametrize("kind", ["constant", "field", "singular"])
def test_float32_cycles_reach_float64_accuracy(method, kind):
    options = {
        "constant": {},
        "field": {"a": lambda x, y: 1 + x * y},
        "singular": {"bc": ["neumann", "periodic"]},
    }[kind]
    problem = pde.Poisson((63, 64), **options)
    f = torch.randn(2, 63, 64, dtype=torch.float64)
    if problem.singular:
        f = f - (f * problem.weights).mean((1, 2), keepdim=True) / problem.weights.mean()
    mixed = pde.solve(problem, f, method=method, precision="mixed", rtol=1e-12)
    full = pde.solve(problem, f, method=method, rtol=1e-12)
    assert mixed.result is full.result is Result.converged
    assert mixed.cycles <= full.cycles + 1
    assert (mixed.u - full.u).norm() < 1e-10 * full.u.norm()
    assert (mixed.precision, full.precision) == ("mixed", "float64")
    assert mixed.u.dtype == torch.float64


def test_float32_alone_says_so():
    problem = pde.Poisson((15, 15), dtype=torch.float32)
    assert pde.solve(problem, problem.zeros() + 1, rtol=1e-4).precision == "float32"


def test_a_hierarchy_of_the_single_problem_can_be_used_again():
    problem = pde.Poisson((31, 31), a=lambda x, y: 1 + x)
    mg = pde.multigrid(pde.single(problem))
    f = torch.randn(31, 31, dtype=torch.float64)
    assert pde.solve(problem, f, mg=mg, precision="mixed", rtol=1e-11).result.ok


def test_the_size_of_f_does_not_matter():
    problem = pde.Poisson((31, 31))
    f = torch.randn(31, 31, dtype=torch.float64)
    want = pde.solve(problem, f, precision="mixed").u
    assert torch.allclose(pde.solve(problem, 1e200 * f, precision="mixed").u / 1e200, want, rtol=1e-6)


def test_gradients():
    problem = pde.Poisson((4, 3), bc="neumann", c=1.0)
    f = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    solve = lambda f: pde.solve(problem, f, precision="mixed", rtol=1e-13).u  # noqa: E731
    assert torch.autograd.gradcheck(solve, (f,))
