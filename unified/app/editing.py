"""Poisson image editing: a picture from its gradients (Pérez, Gangnet & Blake 2003, ACM Trans. Graph. 22, 313-318).

The clone u solves `Δu = div v` on the rectangle inside the outermost pixels, `u = target` on those (their equation 3).
v is the target's gradient outside the mask; the source's, where the mask says so (equation 9); or, edge by edge, the
stronger of the two, so that neither's texture is lost (equation 12). Pixels are grid points of spacing 1; v lives on
the edges between neighbours, so that `div grad` is exactly the five-point Laplacian: where v is a gradient, u has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from unified.solution import Solution


def guidance(target: Tensor, source: Tensor, own: Tensor, mixed: Tensor) -> tuple[Tensor, Tensor]:
    """v on the vertical and the horizontal edges: (C, H-1, W), (C, H, W-1).

    target, source: (C, H, W). own, mixed: masks (H, W). An edge is the source's where one of its ends is in `own`,
    mixed where both are in `mixed`, else the target's. The strength of an edge is its norm over the channels.
    """
    along = []
    for axis in (-2, -1):
        t, s = target.diff(dim=axis), source.diff(dim=axis)
        stronger = torch.where(s.norm(dim=0) > t.norm(dim=0), s, t)
        v = torch.where(_first(mixed, axis) & _second(mixed, axis), stronger, t)
        along.append(torch.where(_first(own, axis) | _second(own, axis), s, v))
    return along[0], along[1]


def divergence(v: tuple[Tensor, Tensor]) -> Tensor:
    """div v at the inner pixels: (C, H-2, W-2)."""
    down, right = v
    return down.diff(dim=-2)[..., :, 1:-1] + right.diff(dim=-1)[..., 1:-1, :]


def clone(target: Tensor, source: Tensor, own: Tensor, mixed: Tensor, **options: object) -> tuple[Tensor, Solution]:
    """The source's gradients in the target: the picture (C, H, W), not clipped, and how it was solved.

    Tensors as in `guidance`. options: of `pde.solve`. The channels are one batch.
    """
    import pde

    problem = pde.Poisson([n - 2 for n in target.shape[-2:]], spacing=1.0, dtype=target.dtype)
    f = -divergence(guidance(target, source, own, mixed))
    solution = pde.solve(problem, f, boundary=target, **options)  # type: ignore[arg-type]
    picture = target.clone()
    picture[..., 1:-1, 1:-1] = solution.u
    return picture, solution


def _first(mask: Tensor, axis: int) -> Tensor:
    return mask.narrow(axis, 0, mask.shape[axis] - 1)


def _second(mask: Tensor, axis: int) -> Tensor:
    return mask.narrow(axis, 1, mask.shape[axis] - 1)
