"""Local Fourier analysis: how fast a smoother smooths and a cycle converges, away from boundaries.

On an infinite grid a stencil multiplies the mode `exp(iθ·x/h)` by its symbol, and coarsening by two joins the 2^d
harmonics θ + πα, α in {0, 1}^d (Trottenberg, Oosterlee & Schüller 2001, chapter 4). So a level on modes is a level
like any other: its A is a product with symbols, its R a weighted sum over harmonics. The analysis puts such levels
under the same executor, with the same programs and the very smoothers of a hierarchy, and reads off the spectral
radius of what they do to an error.

u, f: complex (frequencies, columns, harmonics of the level); harmonics of a level: 2^d for each one of the next.
"""

from __future__ import annotations

import itertools
import math
from typing import final

import torch
from torch import Tensor, nn

from unified.errors import ArgumentError
from unified.multigrid import Level, State, execute
from unified.smoother import AbstractSmoother, TensorMap
from unified.transfer import StencilConv, StencilTranspose

from . import checks
from .hierarchy import PoissonMultigrid
from .problems import Poisson
from .setup import Programs, multigrid, program_of
from .smoothers import Smoother


def symbol(stencil: Tensor, theta: Tensor) -> Tensor:
    """`Σ_k stencil[k] exp(i (k - centre)·θ)`: stencil (k, ..., k), k odd, theta (..., d) -> complex (...).

    >>> symbol(torch.tensor([-1.0, 2.0, -1.0]), torch.tensor([[torch.pi]]))
    tensor([4.+0.j], dtype=torch.complex128)
    """
    out = torch.zeros(theta.shape[:-1], dtype=torch.complex128)
    for offset in itertools.product(*(range(k) for k in stencil.shape)):
        shift = torch.tensor([k - n // 2 for k, n in zip(offset, stencil.shape, strict=True)], dtype=torch.float64)
        out += stencil[offset] * torch.exp(1j * (theta.double() @ shift))
    return out


def smoothing_factor(
    problem: Poisson, smoother: Smoother = "chebyshev4", degree: int = 2, *, frequencies: int = 64
) -> float:
    """What one application of the smoother leaves, at worst, of the modes that a coarser grid cannot see.

    Those have |θ| >= π/2 on some axis. smoother, degree: as in `pde.multigrid`. frequencies: an axis, in (-π/2, π/2).

    >>> round(smoothing_factor(Poisson((255, 255)), "jacobi", 1), 2)
    0.6
    """
    level = multigrid(problem, smoother=smoother, degree=degree).levels[0]
    theta = _harmonics(_base(problem.ndim, frequencies)[:, None])[:, 1:]  # the first is the low one
    modes = _level(level, theta)
    zero = torch.zeros(len(theta), 1, theta.shape[1], dtype=torch.complex128)
    left = modes.pre(State(zero + 1, zero)).u
    assert left is not None
    return float(left.abs().max())


def cycle_factor(
    problem: Poisson,
    program: Programs = "V",
    smoother: Smoother = "chebyshev4",
    degree: int = 2,
    *,
    levels: int = 2,
    pre: int = 1,
    post: int = 1,
    frequencies: int = 32,
) -> float:
    """The spectral radius of a cycle on `levels` levels, the coarsest solved: the asymptotic factor to expect.

    With two levels it is the two-grid factor. problem, program, smoother, degree, pre, post: as in `pde.multigrid`, so
    that stencils, spacing and λmax are a real problem's. frequencies: an axis of the coarsest level; the cost grows
    like 8^(d (levels - 1)).

    >>> round(cycle_factor(Poisson((255, 255))), 2)
    0.12
    """
    checks.whole("levels", levels, least=2, usual=2)
    checks.whole("frequencies", frequencies, least=1, usual=32)
    mg = multigrid(problem, smoother=smoother, degree=degree, pre=pre, post=post)
    if levels > len(mg.levels):
        raise ArgumentError(
            "levels", got=levels, expected=f"at most {len(mg.levels)}, as the problem has", do="use levels=2"
        )
    return float(torch.linalg.eigvals(propagation(mg, program, levels, frequencies)).abs().max())


@torch.no_grad()
def propagation(mg: PoissonMultigrid, program: Programs, levels: int, frequencies: int | Tensor) -> Tensor:
    """The matrices that a program makes of errors: (frequencies, H, H), H harmonics of the finest level, transposed.

    frequencies: how many an axis, or (N, d) of the coarsest of the levels, in (-π, π]^d.
    """
    ndim = mg.problem.ndim
    theta = 2 * _base(ndim, frequencies) if isinstance(frequencies, int) else frequencies
    grids = [theta[:, None].double()]
    for _ in range(levels - 1):
        grids.insert(0, _harmonics(grids[0] / 2))
    modes = [_level(level, theta) for level, theta in zip(mg.levels, grids, strict=False)]
    modes[-1] = Level(modes[-1].A, solve=Divide())
    harmonics = grids[0].shape[1]
    error = torch.eye(harmonics, dtype=torch.complex128).expand(len(theta), -1, -1)
    after = execute(program_of(program, levels), modes, State(error, torch.zeros_like(error)))[0].u
    assert after is not None
    return after


def _base(ndim: int, n: int) -> Tensor:
    """n^d frequencies in (-π/2, π/2)^d, symmetric, none zero for even n: (n^d, d)."""
    line = (torch.arange(n, dtype=torch.float64) + 0.5) * (math.pi / n) - math.pi / 2
    return torch.cartesian_prod(*[line] * ndim).reshape(-1, ndim)


def _harmonics(theta: Tensor) -> Tensor:
    """Those that a grid of twice the spacing cannot tell apart: (N, H, d) -> (N, 2^d H, d), the low one first."""
    ndim = theta.shape[-1]
    shifts = math.pi * torch.tensor(list(itertools.product((0.0, 1.0), repeat=ndim)), dtype=torch.float64)
    return (theta[:, :, None] + shifts).flatten(1, 2)


def _level(level: nn.Module, theta: Tensor) -> Level:
    """The level on the modes theta (N, H, d)."""
    if not isinstance(level, Level) or not isinstance(level.A, StencilConv):
        raise ArgumentError(
            "mg", got=type(level).__name__, expected="composed levels of stencils", do='use level="composed"'
        )
    A = Multiply(symbol(level.A.stencil, theta))
    if not isinstance(level.R, StencilConv) or not isinstance(level.P, StencilTranspose):
        return Level(A, *level.smoothers)
    ndim = theta.shape[-1]
    R, P = symbol(level.R.stencil, theta), symbol(level.P.stencil, theta).conj() / 2**ndim
    return Level(A, *level.smoothers, R=Gather(R, ndim), P=Scatter(P, ndim))


@final
class Multiply(nn.Module):
    """A on modes: (N, K, H) times symbols (N, H)."""

    def __init__(self, symbols: Tensor) -> None:
        super().__init__()
        self.symbols = symbols[:, None]

    def forward(self, u: Tensor) -> Tensor:
        return self.symbols * u


@final
class Gather(nn.Module):
    """R on modes: each coarse one is the weighted sum of its 2^d harmonics, (N, K, 2^d H) -> (N, K, H)."""

    def __init__(self, weights: Tensor, ndim: int) -> None:
        super().__init__()
        self.weights, self.siblings = weights[:, None], 2**ndim

    def forward(self, r: Tensor) -> Tensor:
        return (self.weights * r).unflatten(-1, (-1, self.siblings)).sum(-1)


@final
class Scatter(nn.Module):
    """P on modes: each coarse one becomes its 2^d harmonics, weighted, (N, K, H) -> (N, K, 2^d H)."""

    def __init__(self, weights: Tensor, ndim: int) -> None:
        super().__init__()
        self.weights, self.siblings = weights[:, None], 2**ndim

    def forward(self, u: Tensor) -> Tensor:
        return self.weights * u.repeat_interleave(self.siblings, dim=-1)


@final
class Divide(AbstractSmoother):
    """The exact solution on modes: `u = f / A`, and zero for a mode that A does not see (a periodic constant)."""

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        symbols = A(torch.ones_like(f))
        unseen = symbols.abs() <= 1e-12 * symbols.abs().max()
        return torch.where(unseen, 0, f / torch.where(unseen, 1, symbols))
