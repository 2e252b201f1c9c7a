"""The two dualities, as running code: a network that is a solver, and a network that is a ResNet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..errors import ArgumentError
from ..multigrid import Level
from ..smoother import Factor, MapCorrection, Relaxation
from ..transfer import StencilConv

if TYPE_CHECKING:
    from pde import PoissonMultigrid
    from vision import MgNet


def as_network(mg: PoissonMultigrid) -> MgNet:
    r"""The classifier's network with a solver's stencils for kernels and phi = psi = tau = id.

    Its \-cycle computes the iterates of the solver's way down, to rounding. mg: 2-D, correction scheme or FAS, with a
    polynomial smoother: the factor `c1 - c2 A` is itself a 3x3 kernel.
    """
    import vision

    levels = [_convolutions(level) for level in mg.levels]
    return vision.MgNet(nn.Identity(), levels, nn.Identity()).to(mg.problem.dtype)


def _convolutions(level: nn.Module) -> Level:
    if not (isinstance(level, Level) and isinstance(level.A, StencilConv) and len(level.A.size) == 2):
        raise ArgumentError(
            "mg", got=f"{level}", expected="composed 2-D levels", do='use pde.multigrid(..., level="composed")'
        )
    smoother = level.pre_smoother
    if not isinstance(smoother, Relaxation) or not all(isinstance(B, Factor) for B in smoother.B):
        raise ArgumentError("mg", got=f"{smoother}", expected="a polynomial smoother", do='use smoother="chebyshev4"')
    A = level.A.stencil
    B = [MapCorrection(_conv(_kernel(factor, A), padding=1)) for factor in smoother.B]
    R, Pi = (_conv(T.stencil, stride=2) if isinstance(T, StencilConv) else None for T in (level.R, level.Pi))
    return Level(_conv(A, padding=1), Relaxation(smoother.steps, B), R=R, Pi=Pi)


def _kernel(factor: Any, A: Tensor) -> Tensor:
    """`c1 δ - c2 A` as a 3x3 kernel."""
    kernel = torch.zeros_like(A)
    if factor.c1 is not None:
        kernel[1, 1] = factor.c1.detach()
    return kernel if factor.c2 is None else kernel - factor.c2.detach() * A


def _conv(kernel: Tensor, *, stride: int = 1, padding: int = 0) -> nn.Conv2d:
    layer = nn.Conv2d(1, 1, kernel.shape[0], stride=stride, padding=padding, bias=False, dtype=torch.float64)
    layer.weight.data[0, 0] = kernel
    return layer


@torch.no_grad()
def solver_difference(mg: PoissonMultigrid, f: Tensor) -> list[float]:
    """Duality 1: for each level, ‖u_network - u_solver‖ / ‖u_solver‖ after the way down. f: (B, 1, *grid)."""
    from ..program import backslash

    network = as_network(mg)
    solver = mg.with_program(backslash(len(mg.levels)))
    pairs = zip(network.run(network.encode(f)), solver.run(solver.encode(f)), strict=True)
    return [float((a.u - b.u).norm() / b.u.norm()) for a, b in pairs if a.u is not None and b.u is not None]


@torch.no_grad()
def resnet_difference(model: MgNet, images: Tensor) -> float:
    """Duality 2: the largest difference of a network's logits and its data-space form's, over the largest logit."""
    import vision

    logits = model(images)
    return float((logits - vision.data_space(model)(images)).abs().max() / logits.abs().max())
