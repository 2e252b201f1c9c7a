"""Rotations, shears and translations of uint8 batches, to the nearest pixel, in Pillow's own fixed-point numbers.

A matrix (n, 6) of a, b, c, d, e, f takes the output's (x, y) to the input's (a x + b y + c, d x + e y + f).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Matrix = Callable[[Tensor, int, int], Tensor]  # (values float64 (n,), H, W) -> (n, 6)


def affine(images: Tensor, matrix: Tensor, fill: int) -> Tensor:
    """Images uint8 (n, C, H, W) seen through `matrix` float64 (n, 6); fill: the value outside of them."""
    n, c, h, w = images.shape
    a, b, right, d, e, down = (m.view(n, 1, 1) for m in matrix.unbind(1))
    x = torch.arange(w, device=images.device).view(1, 1, w)
    y = torch.arange(h, device=images.device).view(1, h, 1)
    # 16 bits after the point, and the centre of a pixel at 1/2
    column = (_fixed(right + a * 0.5 + b * 0.5) + _fixed(b) * y + _fixed(a) * x) >> 16
    row = (_fixed(down + d * 0.5 + e * 0.5) + _fixed(e) * y + _fixed(d) * x) >> 16
    outside = (column < 0) | (column >= w) | (row < 0) | (row >= h)
    pixel = (row.clamp(0, h - 1) * w + column.clamp(0, w - 1)).view(n, 1, h * w)
    out = images.reshape(n, c, h * w).gather(2, pixel.expand(n, c, h * w)).view(n, c, h, w)
    return out.masked_fill_(outside.unsqueeze(1), fill)


def _fixed(value: Tensor) -> Tensor:
    return (value * 65536 + 0.5).floor().long()


def _rotate(degrees: Tensor, h: int, w: int) -> Tensor:
    """Anticlockwise around the centre."""
    angle = -torch.deg2rad(degrees)
    cos, sin = angle.cos(), angle.sin()
    right = w / 2 - cos * (w / 2) - sin * (h / 2)
    down = h / 2 + sin * (w / 2) - cos * (h / 2)
    return torch.stack([cos, sin, right, -sin, cos, down], 1)


def _one(place: int) -> Matrix:
    """The identity, but for one entry of the matrix."""

    def matrix(value: Tensor, h: int, w: int) -> Tensor:
        identity = value.new_tensor([1, 0, 0, 0, 1, 0]).repeat(len(value), 1)
        identity[:, place] = value
        return identity

    return matrix


MATRICES: dict[str, Matrix] = {
    "rotate": _rotate,
    "shear_x": _one(1),
    "shear_y": _one(3),
    "translate_x": _one(2),
    "translate_y": _one(5),
}
