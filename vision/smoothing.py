"""The smoothing step as a module for other networks: in place of a residual block, with half its weights or fewer."""

from __future__ import annotations

from typing import Any, final

from torch import Tensor, nn

from unified.dataspace import DataSpaceLevel
from unified.multigrid import Level, State
from unified.smoother import Relaxation

from .blocks import conv
from .polymgnet import polynomial_smoother


@final
class SmoothingBlock(nn.Module):
    """`x <- x - A psi(B(phi(x)))`, once a step: smoothing in data space. (B, C, H, W) -> the same shape.

    A pre-activation residual block (He et al. 2016) whose outer convolution A is shared by all steps, and whose inner
    one is the smoother's B (see `unified.dataspace`). A: linear; smoother: a `Relaxation` without tau.
    """

    def __init__(self, A: nn.Module, smoother: Relaxation) -> None:
        super().__init__()
        self.level = DataSpaceLevel(Level(A, smoother))

    def forward(self, x: Tensor) -> Tensor:
        return self.level.pre(State(None, x)).f


def smoothing_block(channels: int, steps: int = 2, **options: Any) -> SmoothingBlock:
    """A `SmoothingBlock` with Poly-MgNet's steps: B is a polynomial in A, options as for `polynomial_smoother`.

    Weights, with its defaults: `9 C² + steps (4 C + 1)`; a residual block of two 3x3 convolutions has `18 C² + 4 C`.
    """
    A = conv(channels, channels, gain=1.0)
    return SmoothingBlock(A, polynomial_smoother(A, channels, steps, **options))
