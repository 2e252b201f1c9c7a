"""Nonlinear problems: the full approximation scheme, Newton's smoothers, and first derivatives."""

import math

import pytest
import torch
from torch.autograd import gradcheck

import pde
from pde.nonlinear import NewtonSolve, Nonlinear
from unified import ArgumentError

PI = math.pi
G = {
    "cubic": lambda u: u**3,
    "Bratu": lambda u: -5 * torch.exp(u),
    "Poisson-Boltzmann": torch.sinh,
    "affine": lambda u: 7 * u - 2,
}


def random(*shape, wanted=False):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=wanted)


@pytest.mark.parametrize("n", [31, 64])
@pytest.mark.parametrize("g", G)
def test_the_rate_is_that_of_a_linear_problem(g, n):
    problem = pde.Poisson((n, n), g=G[g])
    solution = pde.solve(problem, random(n, n), method="mg", rtol=1e-10)
    assert solution.result.ok
    assert solution.rate < 0.18


@pytest.mark.parametrize("g", G)
def test_the_residual_is_true(g):
    sides = ["neumann", ("dirichlet", "neumann")]
    problem = pde.Poisson((20, 13), bc=sides, a=10.0, c=1.0, g=G[g])
    f = random(2, 20, 13)
    solution = pde.solve(problem, f, rtol=1e-10)
    load, w = problem.load(f), problem.weights
    at = lambda u: load - (problem.operator()(u[:, None])[:, 0] + w * G[g](u))  # noqa: E731
    size = lambda x: torch.linalg.vector_norm(x.flatten(1), dim=1)  # noqa: E731
    true = (size(at(solution.u)) / size(at(torch.zeros_like(f)))).max()
    assert solution.result.ok
    assert float(true) == pytest.approx(solution.residuals[-1], rel=1e-6)


def test_an_affine_g_is_a_linear_problem():
    f = random(21, 30)
    nonlinear = pde.solve(pde.Poisson((21, 30), g=G["affine"]), f, rtol=1e-12).u
    linear = pde.solve(pde.Poisson((21, 30), c=7.0), f + 2, rtol=1e-12).u
    assert (nonlinear - linear).norm() < 1e-10 * linear.norm()


@pytest.mark.parametrize("smoother", ["chebyshev4", "chebyshev1", "optimised4", "jacobi", "redblack", [0.3, 0.9]])
@pytest.mark.parametrize("program", ["V", "W", "F"])
def test_every_smoother_and_cycle(smoother, program):
    problem = pde.Poisson((31, 31), g=G["cubic"])
    assert pde.solve(problem, random(31, 31), program=program, smoother=smoother, method="mg").rate < 0.3


def test_jumping_coefficients():
    a = torch.where(torch.rand(33, 33, dtype=torch.float64) < 0.5, 1.0, 100.0).double()
    solution = pde.solve(pde.Poisson((32, 32), a=a, g=G["cubic"]), random(32, 32))
    assert solution.result.ok
    assert solution.rate < 0.6


def test_full_multigrid_starts_within_the_discretisation_error():
    problem = pde.Poisson((127, 127), g=G["cubic"])
    x, y = problem.grid()
    u = torch.sin(PI * x) * torch.sin(2 * PI * y) * torch.exp(x)
    s = torch.sin(2 * PI * y) * torch.exp(x)
    f = s * ((5 * PI**2 - 1) * torch.sin(PI * x) - 2 * PI * torch.cos(PI * x)) + u**3
    start, end = (pde.solve(problem, f, method="fmg", rtol=rtol).u for rtol in (1.0, 1e-11))
    assert (start - u).norm() <= 1.1 * (end - u).norm()


def test_given_values_and_a_start():
    problem = pde.Poisson((31, 31), g=G["cubic"])
    x, y = problem.grid()
    exact = 1 + x * y  # harmonic
    solution = pde.solve(problem, exact**3, boundary=lambda x, y: 1 + x * y, rtol=1e-10)
    assert solution.result.ok
    assert (solution.u - exact).abs().max() < 1e-8
    assert pde.solve(problem, exact**3, boundary=lambda x, y: 1 + x * y, u0=solution.u).cycles == 0


def test_without_solution_it_diverges_or_runs_out():
    problem = pde.Poisson((31, 31), g=lambda u: -50 * torch.exp(u))  # beyond Bratu's fold at 6.81
    assert not pde.solve(problem, problem.zeros(), method="mg").result.ok


def test_newton_solves_a_small_level_to_rounding():
    problem = pde.Poisson((3, 3), g=lambda u: 100 * u**3)
    A = Nonlinear(problem.operator(), problem.g, problem.weights[None, None])
    f = 1e3 * random(4, 1, 3, 3)
    assert (f - A(NewtonSolve(A)(A, None, f))).norm() < 1e-10 * f.norm()


def test_derivatives_by_everything():
    strength = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    a = (torch.rand(6, 5, dtype=torch.float64) + 0.5).requires_grad_()
    c = torch.rand(5, 4, dtype=torch.float64).requires_grad_()

    def solve(strength, f, a, c, boundary):
        problem = pde.Poisson((5, 4), a=a, c=c, g=lambda u: -strength * torch.exp(u))
        return pde.solve(problem, f, boundary=boundary, rtol=1e-13).u

    assert gradcheck(solve, (strength, random(5, 4, wanted=True), a, c, random(7, 6, wanted=True)))


def test_a_second_derivative_is_refused():
    f = random(5, 4, wanted=True)
    u = pde.solve(pde.Poisson((5, 4), g=G["cubic"]), f).u
    for loss in (u.square().sum(), u.sum()):
        (grad,) = torch.autograd.grad(loss, f, create_graph=True)
        with pytest.raises(ArgumentError, match="g: got a second derivative"):
            grad.sum().backward()


def test_torch_func_is_refused():
    problem = pde.Poisson((5, 4), g=G["cubic"])
    with pytest.raises(ArgumentError, match="g: got a nonlinear problem inside a transformation"):
        torch.func.grad(lambda f: pde.solve(problem, f).u.sum())(random(5, 4))


def test_a_network_for_g_keeps_its_parameters():
    net = torch.nn.Sequential(torch.nn.Linear(1, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    problem = pde.Poisson((7, 7), g=lambda u: 0.1 * net(u[..., None])[..., 0])
    modular = pde.Poisson((7, 7), g=net_as_module(net))
    for one in (problem, modular):
        assert not list(pde.multigrid(one).parameters())
        solution = pde.solve(one, random(7, 7))
        assert solution.result.ok
        grads = torch.autograd.grad(solution.u.sum(), net.parameters())
        assert any(g.any() for g in grads)


def net_as_module(net):
    class Pointwise(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, u):
            return 0.1 * self.net(u[..., None])[..., 0]

    return Pointwise()


def test_nested_iteration_as_a_cycle_goes_on():
    problem = pde.Poisson((31, 31), g=G["cubic"])
    assert pde.solve(problem, random(31, 31), program="fmg", method="mg").result.ok


@pytest.mark.parametrize("size", [1e-200, 1e-100])
def test_small_data_are_a_linear_problem(size):
    f = random(20, 21)
    problem = pde.Poisson((20, 21), g=G["cubic"])
    small = pde.solve(problem, size * f, rtol=1e-10)
    assert small.result.ok
    linear = pde.solve(pde.Poisson((20, 21)), f, rtol=1e-10).u
    assert (small.u / size - linear).norm() < 1e-8 * linear.norm()
