"""The direct solver of the coarsest level."""

from __future__ import annotations

from typing import final

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.smoother import AbstractSmoother, TensorMap

from .problems import Poisson

LIMIT = 32**2


@final
class DirectSolve(AbstractSmoother):
    """`u = A⁻¹ f` with the dense inverse, made once in float64: one product for a whole batch, with autograd.

    At the sizes allowed the condition number is at most 4·10⁵ (a line), 441 on a square: accurate enough.
    f: (B, C, *grid) of the problem -> u: the same; the u that comes in is not read.
    """

    inverse: Tensor

    def __init__(self, problem: Poisson) -> None:
        super().__init__()
        if problem.unknowns > LIMIT:
            raise ArgumentError(
                "shape",
                got=f"{problem.shape} unknowns on the coarsest level",
                expected=f"at most {LIMIT} in all",
                do="use m·2^k - 1 points an axis, which halve k times",
            )
        inverse = torch.from_numpy(np.linalg.inv(problem.to_scipy().toarray()))
        self.register_buffer("inverse", inverse.to(problem.device, problem.dtype), persistent=False)

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        size = self.inverse.shape[0]
        return (f.reshape(-1, size) @ self.inverse).reshape(f.shape)  # symmetric: the side does not matter
