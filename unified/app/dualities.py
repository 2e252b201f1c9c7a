"""The two dualities, as running code: a network that is a solver, and a network that is a ResNet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ..errors import ArgumentError
from ..multigrid import Level
from ..smoother import Factor, MapCorrection, Relaxation

if TYPE_CHECKING:
    from pde import PoissonMultigrid
    from pde.coarsening import Grid
    from vision import MgNet


def as_network(mg: PoissonMultigrid) -> MgNet:
    r"""The classifier's network with a solver's stencils for kernels and phi = psi = tau = id.

    Its \-cycle computes the iterates of the solver's way down, to rounding. mg: 2-D, correction scheme or FAS, constant
    coefficients, Dirichlet sides and odd numbers of points, with a polynomial smoother: the factor `c1 - c2 A` is
    itself a 3x3 kernel.
    """
    import vision

    levels = [_convolutions(*parts) for parts in zip(mg.levels, mg.grids, [*mg.grids[1:], None], strict=True)]
    return vision.MgNet(nn.Identity(), levels, nn.Identity()).to(mg.problem.dtype)


def _convolutions(level: nn.Module, grid: Grid, coarse: Grid | None) -> Level:
    A_varies = any(grid.A.periodic) or grid.A.diagonal.numel() != 1
    if not isinstance(level, Level) or grid.A.ndim != 2 or A_varies:
        raise ArgumentError(
            "mg",
            got=f"{level}",
            expected="composed 2-D levels, each of one stencil up to its sides, zero beyond them",
            do='use constant coefficients, bc="dirichlet" and 2^k - 1 points an axis',
        )
    smoother = level.pre_smoother
    if not isinstance(smoother, Relaxation) or len(smoother.psi) or not all(isinstance(B, Factor) for B in smoother.B):
        raise ArgumentError("mg", got=f"{smoother}", expected="a polynomial smoother", do='use smoother="chebyshev4"')
    A = grid.A.stencil
    B = [MapCorrection(_conv(_kernel(factor, A), padding=1)) for factor in smoother.B]
    R, Pi = (
        None if T is None or coarse is None else _restriction(T, grid.shape, coarse.shape) for T in (level.R, level.Pi)
    )
    return Level(_conv(A, padding=1), Relaxation(smoother.steps, B), R=R, Pi=Pi)


def _restriction(R: nn.Module, shape: Sequence[int], coarse: Sequence[int]) -> nn.Conv2d:
    """As a convolution with stride 2 on the axes that it coarsens.

    Of an odd number of points, 2y, 2y + 1 and 2y + 2 go to y; on an axis that is kept, y to itself. So the kernel is
    what the first coarse point takes from each of the first fine ones.
    """
    size = [3 if m < n else 1 for n, m in zip(shape, coarse, strict=True)]
    kernel = torch.zeros(size, dtype=torch.float64)
    for at in np.ndindex(*size):
        point = torch.zeros(1, 1, *shape, dtype=torch.float64)
        point[(0, 0, *at)] = 1
        kernel[at] = R(point)[0, 0, 0, 0]
    return _conv(kernel, stride=[2 if k == 3 else 1 for k in size])


def _kernel(factor: Any, A: Tensor) -> Tensor:
    """`c1 δ - c2 A` as a 3x3 kernel."""
    kernel = torch.zeros_like(A)
    if factor.c1 is not None:
        kernel[1, 1] = factor.c1.detach()
    return kernel if factor.c2 is None else kernel - factor.c2.detach() * A


def _conv(kernel: Tensor, *, stride: Sequence[int] = (1, 1), padding: int = 0) -> nn.Conv2d:
    layer = nn.Conv2d(1, 1, tuple(kernel.shape), tuple(stride), padding, bias=False, dtype=torch.float64)  # type: ignore[arg-type]
    layer.weight.data[0, 0] = kernel
    return layer


@torch.no_grad()
def solver_difference(mg: PoissonMultigrid, f: Tensor) -> list[float]:
    """Duality 1: for each level, ‖u_network - u_solver‖ / ‖u_solver‖ after the way down. f: (B, 1, *grid)."""
    from ..program import backslash

    network = as_network(mg)
    solver = mg.with_program(backslash(len(mg.levels)))
    start = solver.encode(f)
    pairs = zip(network.run(start), solver.run(start), strict=True)
    return [float((a.u - b.u).norm() / b.u.norm()) for a, b in pairs if a.u is not None and b.u is not None]


@torch.no_grad()
def resnet_difference(model: MgNet, images: Tensor) -> float:
    """Duality 2: the largest difference of a network's logits and its data-space form's, over the largest logit."""
    import vision

    logits = model(images)
    return float((logits - vision.data_space(model)(images)).abs().max() / logits.abs().max())
