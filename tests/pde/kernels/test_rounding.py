"""What float32 rounds stays rough: smooth errors would grow with the grid, for A⁻¹ keeps them."""

import pytest
import torch

import pde


def mild(x, y):
    return 1 + 0.5 * torch.sin(3 * x) * y


@pytest.mark.parametrize("a", [1.0, mild], ids=["number", "field"])
@pytest.mark.parametrize("n", [255, 1023])
def test_residuals_of_fused_levels_are_differences(n, a):
    """A compiler that may order sums makes sums with a diagonal of them: the smooth error was 3e-6 at 1023²."""
    solutions = []
    for dtype in (torch.float64, torch.float32):
        problem = pde.Poisson((n, n), a=a, dtype=dtype)
        x, y = problem.grid()
        f = torch.sin(3 * x) * torch.cos(2 * y) + 1
        solutions.append(pde.solve(problem, f, method="fmg", rtol=1.0, level="fused").u.double())
    error = (solutions[1] - solutions[0]) / solutions[0].abs().max()
    wave = torch.sin(torch.pi * torch.arange(1, n + 1, dtype=torch.float64) / (n + 1))
    assert float(error.abs().max()) < 2e-6
    assert abs(float(wave @ error @ wave)) * 4 / (n + 1) ** 2 < 5e-8
