"""Given Dirichlet values: they enter the right-hand side, or a smooth lift carries them into the interior.

A closed grid has shape (n1 + 2, n2 + 2): the interior and its boundary. With g on the boundary and zero
inside, `-A g` at the interior points is what the boundary contributes: added to f, it leaves a problem with
zero boundary values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real

import torch
from torch import Tensor

from unified.errors import ArgumentError

from . import checks
from .operators import laplacian_of_closed_grid

# a number, (..., n1 + 2, n2 + 2), or a function of the coordinates
Boundary = float | Tensor | Callable[..., Tensor]


def closed(g: Boundary, coordinates: Sequence[Tensor]) -> Tensor:
    """g as a tensor (..., n1 + 2, n2 + 2), zero inside. coordinates: those of the closed grid."""
    like, shape = coordinates[0], tuple(coordinates[0].shape)
    if callable(g) and not isinstance(g, Tensor):
        g = g(*coordinates)
    if isinstance(g, Real):  # NumPy's too
        g = torch.full_like(like, float(g))
    elif isinstance(g, Tensor) and g.ndim == 0:
        g = g.expand(shape)
    if not isinstance(g, Tensor):
        raise _bad(type(g).__name__, "a number, a tensor, or a function that returns a tensor", shape)
    if tuple(g.shape[-len(shape) :]) != shape:
        raise _bad(f"shape {tuple(g.shape)}", "the shape of the grid with its boundary", shape)
    if g.dtype != like.dtype or g.device != like.device:
        raise _bad(f"{g.dtype} on {g.device}", f"{like.dtype} on {like.device}, as the problem", shape)
    inside = torch.zeros(shape, dtype=torch.bool, device=like.device)
    inside[(slice(1, -1),) * len(shape)] = True
    g = g.masked_fill(inside, 0)  # not a product: whatever stands inside is not read, were it NaN
    checks.finite("boundary", g, got="NaN or infinity on the boundary", do=f"give a number or a tensor {shape}")
    return g


def _bad(got: str, expected: str, shape: tuple[int, ...]) -> ArgumentError:
    return ArgumentError("boundary", got=got, expected=expected, do=f"give a number or a tensor {shape}")


def right_hand_side(g: Tensor, spacing: Sequence[float]) -> Tensor:
    """What the boundary adds to f: (..., n1 + 2, n2 + 2), zero inside -> (..., n1, n2)."""
    out: Tensor = -laplacian_of_closed_grid(spacing)(g)
    return out


def coons(g: Tensor, ndim: int) -> Tensor:
    """Transfinite interpolation of the boundary values (Coons 1967; Gordon & Hall 1973): the interior of it.

    With P_i the linear interpolation between the two faces of axis i, the lift is `g - Π (1 - P_i) g`. It is
    as smooth as the data; what is left to solve vanishes on the boundary, as cubic interpolation supposes.
    """
    rest = g
    for axis in range(-ndim, 0):
        x = rest.movedim(axis, -1)
        t = torch.linspace(0, 1, x.shape[-1], dtype=g.dtype, device=g.device)
        rest = (x - ((1 - t) * x[..., :1] + t * x[..., -1:])).movedim(-1, axis)
    return (g - rest)[(..., *[slice(1, -1)] * ndim)]
