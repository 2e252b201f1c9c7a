"""Local Fourier analysis: how fast a smoother smooths and a cycle converges, away from boundaries.

The analysis puts levels on modes (`pde.modes`) under the same executor, with the same programs and the very smoothers
of a hierarchy, and reads off the spectral radius of what they do to an error (Trottenberg, Oosterlee & Schüller 2001,
chapter 4). It holds for each problem with constant coefficients: any of its smoothers, transfers and stencils.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.multigrid import Level, State, execute

from . import checks
from .hierarchy import PoissonMultigrid
from .modes import closing, on_modes
from .modes import symbol as symbol
from .problems import Poisson
from .setup import Programs, multigrid, program_of
from .smoothers import Smoother

CHUNK = 512  # frequencies at a time


@torch.no_grad()
def smoothing_factor(
    problem: Poisson, smoother: Smoother = "chebyshev4", degree: int = 2, *, frequencies: int = 64
) -> float:
    """What one application of the smoother leaves, at worst, of the modes that a coarser grid cannot see.

    Those have |θ| >= π/2 on some axis that is coarsened. Where a smoother mixes modes, it is the spectral radius of
    smoothing and then wiping out all others ("ideal coarse-grid correction"). smoother, degree: as in `pde.multigrid`.
    frequencies: an axis of the coarser grid.

    >>> round(smoothing_factor(Poisson((255, 255)), "jacobi", 1), 2)
    0.6
    >>> round(smoothing_factor(Poisson((255, 255)), "redblack", 1), 2)
    0.25
    """
    checks.whole("frequencies", frequencies, least=1, usual=64)
    mg = _hierarchy(problem, 2, smoother, degree, 1, 0)
    return max(_left(on_modes(mg, 2, theta)) for theta in _frequencies(mg, 2, frequencies))


def _left(modes: list[Level]) -> float:
    fine, coarse = modes
    error = _unit_errors(modes)
    corrected = fine.pre(State(None, fine.A(error))).u
    assert corrected is not None
    siblings = error.shape[-1] // coarse.A(torch.ones(())).shape[-1]
    high = torch.arange(error.shape[-1]) % siblings > 0  # the first of siblings is the low one
    left = (error - corrected)[:, high][..., high]
    return float(torch.linalg.eigvals(left).abs().max())


def cycle_factor(
    problem: Poisson,
    program: Programs = "V",
    smoother: Smoother | None = None,
    degree: int = 2,
    *,
    levels: int = 2,
    pre: int = 1,
    post: int = 1,
    frequencies: int = 32,
) -> float:
    """The spectral radius of a cycle on `levels` levels, the coarsest solved: the asymptotic factor to expect.

    With two levels it is the two-grid factor. problem: its coefficients and spacing count, not its sides. program,
    smoother, degree, pre, post: as in `pde.multigrid`. frequencies: an axis of the coarsest level; the cost grows
    like 8^(d (levels - 1)).

    >>> round(cycle_factor(Poisson((255, 255))), 2)
    0.11
    """
    checks.whole("levels", levels, least=2, usual=2)
    checks.whole("frequencies", frequencies, least=1, usual=32)
    _check_coefficients(problem)
    most = max(2, len(multigrid(problem, program, smoother, degree, pre=pre, post=post).levels))
    if levels > most:
        raise ArgumentError("levels", got=levels, expected=f"at most {most}, as the problem has", do="use levels=2")
    mg = _hierarchy(problem, levels, smoother, degree, pre, post)
    matrices = (propagation(mg, program, levels, theta) for theta in _frequencies(mg, levels, frequencies))
    return max(float(torch.linalg.eigvals(matrix).abs().max()) for matrix in matrices)


@torch.no_grad()
def propagation(mg: PoissonMultigrid, program: Programs, levels: int, theta: Tensor) -> Tensor:
    """The matrices that a program makes of errors: (N, H, H), H harmonics of the finest level, transposed.

    mg: as of `unbounded`. theta: frequencies of the coarsest of the levels, (N, d). A nested iteration runs on the
    residual equation, as `mg.improve` has it.
    """
    modes = on_modes(mg, levels, theta)
    error = _unit_errors(modes)
    corrected = execute(program_of(program, levels), modes, State(None, modes[0].A(error)))[0].u
    return error if corrected is None else error - corrected


def unbounded(problem: Poisson, levels: int) -> Poisson:
    """The problem without its sides: on a periodic grid of the same spacing, even on so many levels."""
    _check_coefficients(problem)
    shape = (2 ** (levels + 1),) * problem.ndim  # the interpolation to the last but one fits too
    return replace(problem, shape=shape, bc="periodic", spacing=problem.h, dtype=torch.float64, device="cpu")


def _check_coefficients(problem: Poisson) -> None:
    if problem.g is not None:
        raise ArgumentError(
            "problem", got="a nonlinear one", expected="a linear one", do="use replace(problem, g=None, c=g'(u) + c)"
        )
    if isinstance(problem.a, Tensor) or isinstance(problem.c, Tensor):
        raise ArgumentError("problem", got="a field for a or c", expected="numbers", do="measure the rate of pde.solve")


def _hierarchy(
    problem: Poisson, levels: int, smoother: Smoother | None, degree: int, pre: int, post: int
) -> PoissonMultigrid:
    twin = unbounded(problem, levels)
    return multigrid(twin, smoother=smoother, degree=degree, pre=pre, post=post, coarsest=2**problem.ndim)


def _unit_errors(modes: list[Level]) -> Tensor:
    """Each mode of the finest level alone: (N, H, H)."""
    n, _, harmonics = modes[0].A(torch.ones(())).shape
    return torch.eye(harmonics, dtype=torch.complex128).expand(n, -1, -1)


def _frequencies(mg: PoissonMultigrid, levels: int, n: int) -> tuple[Tensor, ...]:
    """Some of each axis of the last level, ±π among them, none zero for even n: in chunks (N, d).

    Half of them: as A is real, those at -θ do the same.
    """
    line = torch.linspace(-math.pi, math.pi, n, dtype=torch.float64)
    lines = [line / 2 if closed else line for closed in closing(mg, levels)]
    lines[0] = lines[0][: (n + 1) // 2]
    return torch.cartesian_prod(*lines).reshape(-1, len(lines)).split(CHUNK)
