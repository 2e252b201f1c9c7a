"""A hierarchy on Fourier modes: the levels of local Fourier analysis.

On an infinite grid a stencil multiplies the mode `exp(iθ·x/h)` by its symbol. A grid of twice the spacing on c axes
cannot tell 2^c modes apart: the harmonics θ + πα of each other, α in {0, 1} on those axes and 0 on the others. A
smoother by colours mixes the modes that differ by π on any axis (Trottenberg, Oosterlee & Schüller 2001, chapter 4).
So a level on modes is a level like any other: its A is a product with symbols, its R a weighted sum over harmonics,
its mask a weighted sum over partners. Whatever else its smoothers are made of stays.

u, f: complex (frequencies, columns, harmonics of the level).
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from unified.errors import ArgumentError
from unified.multigrid import Level
from unified.smoother import AbstractSmoother, TensorMap

from .hierarchy import PoissonMultigrid
from .operators import Diffusion
from .smoothers import Masked
from .transfers import Extrapolation


def symbol(stencil: Tensor, theta: Tensor) -> Tensor:
    """`Σ_k stencil[k] exp(i (k - centre)·θ)`: stencil (k, ..., k), k odd, theta (..., d) -> complex (...).

    >>> symbol(torch.tensor([-1.0, 2.0, -1.0]), torch.tensor([[torch.pi]]))
    tensor([4.+0.j], dtype=torch.complex128)
    """
    at = stencil.nonzero()
    return _waves(at - torch.tensor(stencil.shape) // 2, stencil[tuple(at.T)], theta)


def _waves(offsets: Tensor, weights: Tensor, theta: Tensor) -> Tensor:
    """`Σ_t weights[t] exp(i offsets[t]·θ)`: offsets (T, d), weights (T,), theta (..., d) -> complex (...)."""
    out = torch.zeros(theta.shape[:-1], dtype=torch.complex128)
    for offset, weight in zip(offsets.double(), weights.tolist(), strict=True):
        out += weight * torch.exp(1j * (theta.double() @ offset))
    return out


@torch.no_grad()
def on_modes(mg: PoissonMultigrid, levels: int, theta: Tensor) -> list[Level]:
    """The first levels, the last of them solved exactly. theta: frequencies of the last, (N, d).

    mg: of a periodic problem with constant coefficients; levels that are smoothed have an even number of points on
    each axis.
    """
    shapes = [grid.shape for grid in mg.grids[:levels]]
    if not all(axis.periodic for axis in mg.grids[0].axes) or any(n % 2 for shape in shapes[:-1] for n in shape):
        got, expected = f"grids {', '.join(map(str, shapes))}", "a periodic problem, even numbers of points but at last"
        raise ArgumentError("mg", got=got, expected=expected, do="see pde.lfa.unbounded")
    grids = [_shifted(theta[:, None].double(), closing(mg, levels))]
    for fine, coarse in reversed(list(itertools.pairwise(shapes))):
        halved = _halved(fine, coarse)
        grids.insert(0, _shifted(grids[0] / torch.tensor([1 + h for h in halved]), halved))
    built = [_level(mg.levels[i], theta, mg.grids[i].A, shapes[i : i + 2]) for i, theta in enumerate(grids)]
    inner = zip(built, mg.levels, built[1:], grids[1:], itertools.pairwise(shapes[1:]), strict=False)
    for level, given, below, theta, pair in inner:
        if isinstance(given.extrapolation, Extrapolation) and below.interpolation is not None:
            taken = Gather(torch.ones(theta.shape[:2], dtype=torch.float64), 2 ** sum(_halved(*pair)))
            level.extrapolation = Extrapolation(taken, below.interpolation, given.extrapolation.order)
    return built


def closing(mg: PoissonMultigrid, levels: int) -> list[bool]:
    """The axes on which modes of the last level need those π away beside them, that all levels have all partners.

    An axis that is halved to reach a level has them there; and where the last step halves it, on all finer levels.
    """
    coupled = any(isinstance(part, Masked) for part in mg.modules())
    return [coupled and not halved for halved in _halved(*(grid.shape for grid in mg.grids[levels - 2 : levels]))]


def _halved(fine: Sequence[int], coarse: Sequence[int]) -> list[bool]:
    return [n != m for n, m in zip(fine, coarse, strict=True)]


def _shifted(theta: Tensor, axes: Sequence[bool]) -> Tensor:
    """Each followed by those π away on some of the axes: (N, H, d) -> (N, 2^c H, d)."""
    shifts = torch.tensor(list(itertools.product(*((0.0, math.pi)[: 1 + on] for on in axes))), dtype=torch.float64)
    return (theta[:, :, None] + shifts).flatten(1, 2)


def _level(level: nn.Module, theta: Tensor, A: Diffusion, shapes: Sequence[Sequence[int]]) -> Level:
    """The level on the modes theta (N, H, d). shapes: of its grid and of the next, if there is one."""
    if not isinstance(level, Level):
        raise ArgumentError("mg", got=type(level).__name__, expected="composed levels", do='use level="composed"')
    multiply = Multiply(symbol(A.stencil, theta))
    if len(shapes) == 1:
        return Level(multiply, solve=Divide())
    masks = {id(part): Partners(part, theta) for part in level.modules() if isinstance(part, Masked)}
    smoothers = copy.deepcopy(level.smoothers, masks) if masks else level.smoothers  # a memo: what stands for a mask
    assert level.R is not None
    halved = _halved(*shapes)
    siblings = 2 ** sum(halved)
    R = Gather(_waves(*_restricted(level.R, shapes[0], halved), theta), siblings)
    P, interpolation = (
        None if T is None else Scatter(_waves(*_prolonged(T, *shapes), theta).conj() / siblings)
        for T in (level.P, level.interpolation)
    )
    return Level(multiply, *smoothers, R=R, P=P, interpolation=interpolation)


def _restricted(R: nn.Module, shape: Sequence[int], halved: Sequence[bool]) -> tuple[Tensor, Tensor]:
    """k and r_k of `(R v)(y) = Σ r_k v(2y + k)`, 2 being 1 on an axis not halved: its responses to points of a cell."""
    cell = torch.tensor(list(itertools.product(*(range(1 + h) for h in halved))))
    points = torch.zeros(len(cell), 1, *shape, dtype=torch.float64)
    points[(range(len(cell)), 0, *cell.T)] = 1
    response = R(points)[:, 0]
    at = response.nonzero()
    offsets = cell[at[:, 0]] - at[:, 1:] * torch.tensor([1 + h for h in halved])
    return _centred(offsets, shape), response[tuple(at.T)]


def _prolonged(P: nn.Module, fine: Sequence[int], coarse: Sequence[int]) -> tuple[Tensor, Tensor]:
    """k and p_k of `(P v)(x) = Σ_y p_(x - 2y) v(y)`: its response to a point."""
    point = torch.zeros(1, 1, *coarse, dtype=torch.float64)
    point[(0,) * point.ndim] = 1
    response = P(point)[0, 0]
    at = response.nonzero()
    return _centred(at, fine), response[tuple(at.T)]


def _centred(offsets: Tensor, shape: Sequence[int]) -> Tensor:
    """Around a periodic grid the short way."""
    n = torch.tensor(shape)
    return (offsets + n // 2) % n - n // 2


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
    """R on modes: each coarse one is the weighted sum of its harmonics, (N, K, siblings H) -> (N, K, H)."""

    def __init__(self, weights: Tensor, siblings: int) -> None:
        super().__init__()
        self.weights, self.siblings = weights[:, None], siblings

    def forward(self, r: Tensor) -> Tensor:
        return (self.weights * r).unflatten(-1, (-1, self.siblings)).sum(-1)


@final
class Scatter(nn.Module):
    """P on modes: each coarse one becomes its harmonics, weighted, (N, K, H) -> (N, K, siblings H)."""

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = weights[:, None]

    def forward(self, u: Tensor) -> Tensor:
        return self.weights * u.repeat_interleave(self.weights.shape[-1] // u.shape[-1], dim=-1)


@final
class Partners(nn.Module):
    """A mask on modes, `m(x) = Σ_s m_s exp(iπ s·x)`: each mode is the sum of m_s times the one at θ + πs."""

    def __init__(self, mask: Masked, theta: Tensor) -> None:
        super().__init__()
        one = theta[0]  # as the others are ordered
        ndim = one.shape[-1]
        block = mask.scale[tuple([slice(2)] * ndim)].double()
        fourier = torch.fft.fftn(block).real / 2**ndim
        shifts = fourier.nonzero()
        apart = one[:, None] + math.pi * shifts[:, None, None] - one  # (S, H, H, d)
        self.weights, self.partner = fourier[tuple(shifts.T)], (1 - apart.cos()).sum(-1).argmin(-1)

    def forward(self, x: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for weight, partner in zip(self.weights, self.partner, strict=True):
            out += weight * x[..., partner]
        return out


@final
class Divide(AbstractSmoother):
    """The exact solution on modes: `u = f / A`, and zero for a mode that A does not see (a periodic constant)."""

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        symbols = A(torch.ones_like(f))
        unseen = symbols.abs() <= 1e-12 * symbols.abs().max()
        return torch.where(unseen, 0, f / torch.where(unseen, 1, symbols))
