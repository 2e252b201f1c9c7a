"""The direct solver of the coarsest level."""

from __future__ import annotations

import math
from typing import final

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.smoother import AbstractSmoother, TensorMap

from .operators import Diffusion

LIMIT = 32**2


@final
class DirectSolve(AbstractSmoother):
    """`u = A⁻¹ f` with the dense inverse, made once in float64: one product for a whole batch, with autograd.

    A: an operator of at most 1024 points. singular: its null space is the constants; u is then the solution of mean
    zero for f less its mean. f: (B, C, *grid) -> u: the same; the u that comes in is not read.
    """

    inverse: Tensor

    def __init__(self, A: Diffusion, *, singular: bool = False) -> None:
        super().__init__()
        size = math.prod(A.shape)
        if size > LIMIT:
            raise ArgumentError(
                "coarsest",
                got=f"{A.shape} points on the coarsest level",
                expected=f"at most {LIMIT} in all",
                do="use coarsest=9",
            )
        like = A.like
        self.register_buffer("inverse", inverse(A.dense().double(), singular=singular).to(like.dtype), persistent=False)

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        size = self.inverse.shape[-1]
        flat = f.reshape(f.shape[0], -1, size)
        if self.inverse.shape[0] == 1:
            return (flat @ self.inverse[0]).reshape(f.shape)  # symmetric: the side does not matter
        return (flat @ self.inverse).reshape(f.shape)


def inverse(matrix: Tensor, *, singular: bool = False) -> Tensor:
    """Of symmetric matrices (B, N, N), definite but for the constants where they are singular: see `DirectSolve`."""
    if singular:
        return torch.zeros_like(matrix) if matrix.shape[-1] == 1 else _pseudo_inverse(matrix)
    # D^-1/2 A D^-1/2 has a diagonal of ones: jumping coefficients leave its condition number moderate
    scale = matrix.diagonal(dim1=-2, dim2=-1).clamp(min=torch.finfo(matrix.dtype).tiny).rsqrt()
    return _inv(scale[:, :, None] * matrix * scale[:, None]) * scale[:, :, None] * scale[:, None]


def _pseudo_inverse(matrix: Tensor) -> Tensor:
    """Of symmetric matrices whose null space is the constants: (B, N, N)."""
    size = matrix.shape[-1]
    mean = torch.full_like(matrix[:1], 1 / size)
    shift = matrix.diagonal(dim1=-2, dim2=-1).amax(-1)[:, None, None]
    return _inv(matrix + shift * mean) - mean / shift


def _inv(x: Tensor) -> Tensor:
    """By NumPy on a CPU: torch's threads take a hundred times as long to start as 50 points take to invert."""
    try:
        return torch.from_numpy(np.linalg.inv(x.numpy()))
    except (RuntimeError, TypeError):  # not on the CPU, or with derivatives
        return torch.linalg.inv(x)
