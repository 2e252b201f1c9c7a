"""Spectra: bounds of a map by power and Lanczos iterations, and the exact symbol of a convolution."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from .errors import ArgumentError, whole
from .smoother import TensorMap


class Bounds(NamedTuple):
    """An interval that holds the spectrum, or its estimate."""

    lo: float
    hi: float


def _start(like: Tensor, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)  # drawn on the CPU: the same on every device
    v = torch.randn(like.shape, generator=generator, dtype=torch.float64).to(like)
    return v / v.norm()


@torch.no_grad()
def power_bound(A: TensorMap, like: Tensor, *, steps: int = 30, seed: int = 0) -> float:
    """The largest |λ| of a symmetric A, from below, by power iterations. like: a tensor of A's input."""
    whole("steps", steps, do="use steps=30")
    v = _start(like, seed)
    size = 0.0
    for _ in range(steps):
        w = A(v)
        size = float(w.norm())
        if size == 0:
            return 0.0
        v = w / size
    return size


@torch.no_grad()
def lanczos_bounds(A: TensorMap, like: Tensor, *, steps: int = 20, seed: int = 0) -> Bounds:
    """Bounds of the spectrum of a symmetric A by `steps` Lanczos iterations, each reorthogonalised.

    hi is the largest Ritz value plus the largest residual of all Ritz values, 5 to 15 per cent above the
    spectrum (Zhou & Li 2011 compare such bounds); with that value's own residual it may lie below, where the
    start holds little of the upper end. lo is the smallest Ritz value, above the smallest eigenvalue.
    """
    values, residuals = _lanczos(A, like, steps, seed)
    return Bounds(float(values[0]), float(values[-1] + residuals.max()))


@torch.no_grad()
def ritz_values(A: TensorMap, like: Tensor, *, steps: int = 20, seed: int = 0) -> NDArray[np.float64]:
    """Those of a symmetric A after `steps` Lanczos iterations, in increasing order, the outer ones near eigenvalues."""
    return _lanczos(A, like, steps, seed)[0]


def _lanczos(A: TensorMap, like: Tensor, steps: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ritz values and the norms of their residuals."""
    whole("steps", steps, do="use steps=20")
    v = _start(like, seed)
    basis: list[Tensor] = []
    alpha: list[float] = []
    beta: list[float] = []
    for _ in range(min(steps, like.numel())):
        basis.append(v)
        w = A(v)
        alpha.append(float((w * v).sum()))
        for q in basis * 2:  # twice is enough (Parlett 1980)
            w = w - (w * q).sum() * q
        beta.append(float(w.norm()))
        if beta[-1] <= 1e-12 * max(map(abs, alpha)):
            break
        v = w / beta[-1]
    values, vectors = eigh_tridiagonal(np.array(alpha), np.array(beta[:-1]))
    return values, beta[-1] * abs(vectors[-1])


def symbol(weight: Tensor, grid: tuple[int, ...]) -> Tensor:
    """The symbol of a convolution on a periodic grid: a matrix a frequency, complex, (*grid, C_out, C_in).

    weight: (C_out, C_in, *k), k odd, centred, as a convolution of PyTorch (a correlation) applies it. The
    eigenvalues of the periodic convolution are exactly those of these matrices, and so are its singular
    values (Sedghi et al. 2019).
    """
    size = weight.shape[2:]
    if len(size) != len(grid) or any(k % 2 == 0 for k in size):
        raise ArgumentError(
            "weight",
            got=f"kernel {tuple(size)} on a grid {grid}",
            expected="odd sizes, one for each axis",
            do="use 3x3 kernels",
        )
    spread = torch.zeros(*weight.shape[:2], *grid, dtype=torch.promote_types(weight.dtype, torch.float32))
    spread = spread.to(weight.device)
    for offset in np.ndindex(*size):
        at = tuple((k - s // 2) % n for k, s, n in zip(offset, size, grid, strict=True))
        spread[(slice(None), slice(None), *at)] += weight.detach()[(slice(None), slice(None), *offset)]
    # e^{+iωx}, the wave that a correlation meets: the inverse transform, unscaled
    return torch.fft.ifftn(spread, dim=tuple(range(2, spread.ndim)), norm="forward").movedim((0, 1), (-2, -1))


def symbol_radius(weight: Tensor, grid: tuple[int, ...]) -> float:
    """The spectral radius of a convolution with C_out = C_in on a periodic grid."""
    return float(torch.linalg.eigvals(symbol(weight, grid)).abs().max())
