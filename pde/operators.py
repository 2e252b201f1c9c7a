"""The (2d+1)-point Laplacian on a uniform grid: as a stencil, as a sparse matrix, and its spectrum.

`(A u)_i = Σ_axes (2 u_i - u_{i-1} - u_{i+1}) / h²`: positive definite, row i in the units of f.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from unified.transfer import StencilConv


def laplacian_stencil(spacing: Sequence[float]) -> Tensor:
    """The stencil of -Δ, shape (3,) * ndim, float64.

    >>> laplacian_stencil([1.0])
    tensor([-1.,  2., -1.], dtype=torch.float64)
    """
    ndim = len(spacing)
    stencil = torch.zeros((3,) * ndim, dtype=torch.float64)
    for axis, h in enumerate(spacing):
        for offset, weight in ((0, -1.0), (1, 2.0), (2, -1.0)):
            at = [1] * ndim
            at[axis] = offset
            stencil[tuple(at)] += weight / h**2
    return stencil


def laplacian(spacing: Sequence[float]) -> StencilConv:
    """-Δ with zero Dirichlet values: (B, C, *grid) -> (B, C, *grid)."""
    return StencilConv(laplacian_stencil(spacing), padding=1)


def laplacian_of_closed_grid(spacing: Sequence[float]) -> StencilConv:
    """-Δ of a grid with its boundary, at the interior points: (..., n1 + 2, n2 + 2) -> (..., n1, n2)."""
    return StencilConv(laplacian_stencil(spacing))


def laplacian_csr(shape: Sequence[int], spacing: Sequence[float]) -> sp.csr_array:
    """-Δ with zero Dirichlet values as a sparse matrix, points in C order: a Kronecker sum of the axes."""
    total = sp.csr_array((1, 1))
    for n, h in zip(shape, spacing, strict=True):
        line = sp.diags_array([2.0, -1.0, -1.0], offsets=[0, -1, 1], shape=(n, n)) / h**2
        total = sp.kron(total, sp.eye_array(n)) + sp.kron(sp.eye_array(total.shape[0]), line)
    return sp.csr_array(total)


def laplacian_nnz(shape: Sequence[int]) -> int:
    """Entries of that matrix that are not zero."""
    size = math.prod(shape)
    return size + sum(2 * (size - size // n) for n in shape)


def laplacian_eigenvalues(shape: Sequence[int], spacing: Sequence[float], *, most: int = 2**20) -> np.ndarray:
    """Its eigenvalues, `Σ 4/h² sin²(πj / 2(n+1))` with j = 1..n on each axis, in increasing order.

    Of a matrix with more than `most`, those of evenly spread j, the first and the last among them.
    """
    total = np.zeros(1)
    line = max(shape) if math.prod(shape) <= most else int(most ** (1 / len(shape)))
    for n, h in zip(shape, spacing, strict=True):
        j = np.linspace(1, n, min(n, line)).round()
        total = np.add.outer(total, 4 / h**2 * np.sin(np.pi * j / (2 * (n + 1))) ** 2).ravel()
    return np.sort(total)


def laplacian_radius(shape: Sequence[int], spacing: Sequence[float]) -> float:
    """Its largest eigenvalue, `Σ 4/h² cos²(π / 2(n+1))`."""
    axes = zip(shape, spacing, strict=True)
    return sum(4 / h**2 * math.cos(math.pi / (2 * (n + 1))) ** 2 for n, h in axes)
