"""Augmentation of batches on their own device, and their normalisation.

A random shift and a random mirror image are one gather: every output pixel is looked up by a row and a column
index, so nothing is padded and nothing copied twice.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unified.errors import ArgumentError


def augment(
    images: Tensor, *, pad: int, flip: bool | Tensor, generator: torch.Generator, fill: int | None = None
) -> Tensor:
    """Each image shifted by -pad..pad pixels on both axes, and mirrored with probability 1/2.

    images: (B, C, H, W), any dtype; flip: whether at all, or which, bool (B,); generator: on the same device; fill:
    the value beyond the edges, None: reflected. The result is new where pad or flip is set, otherwise it is `images`
    itself. Raises ArgumentError where pad is not in 0..min(H, W) - 1.
    """
    b, c, h, w = images.shape
    if not 0 <= pad < min(h, w):
        raise ArgumentError(
            "pad", got=pad, expected=f"0 to {min(h, w) - 1} for images {h}x{w}", do="use a smaller crop"
        )
    if not (pad or isinstance(flip, Tensor) or flip):
        return images
    device = images.device
    rows = torch.arange(h, device=device).expand(b, h)
    columns = torch.arange(w, device=device).expand(b, w)
    if isinstance(flip, Tensor):
        columns = torch.where(flip.view(b, 1), w - 1 - columns, columns)
    elif flip:
        mirrored = torch.rand(b, 1, generator=generator, device=device) < 0.5
        columns = torch.where(mirrored, w - 1 - columns, columns)
    outside = None
    if pad:
        shift = torch.randint(-pad, pad + 1, (2, b, 1), generator=generator, device=device)
        rows, columns = rows + shift[0], columns + shift[1]
        if fill is not None:
            outside = _beyond(rows, h).unsqueeze(2) | _beyond(columns, w).unsqueeze(1)
        rows, columns = _reflect(rows, h), _reflect(columns, w)
    pixel = (rows.unsqueeze(2) * w + columns.unsqueeze(1)).view(b, 1, h * w)
    out = images.reshape(b, c, h * w).gather(2, pixel.expand(b, c, h * w)).view(b, c, h, w)
    return out if outside is None else out.masked_fill_(outside.unsqueeze(1), fill)


def _reflect(index: Tensor, n: int) -> Tensor:
    """Indices in -(n-1)..2(n-1), mirrored into 0..n-1 without repeating the edge."""
    return (n - 1) - ((n - 1) - index.abs()).abs()


def _beyond(index: Tensor, n: int) -> Tensor:
    return (index < 0) | (index >= n)


def cutout(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Each image (B, C, H, W) with a square of zeros: Cutout (DeVries & Taylor 2017, section 3.2).

    Its centre is any pixel, so a part of it may lie outside. On normalised images zero is the mean colour.
    """
    sides = torch.full((len(images),), side, device=images.device)
    return images.masked_fill(boxes(images, sides, sides, generator), 0)


def boxes(images: Tensor, heights: Tensor, widths: Tensor, generator: torch.Generator) -> Tensor:
    """Masks (B, 1, H, W) of boxes around random pixels, cut at the edges; heights, widths: int64 (B,)."""
    b, _, h, w = images.shape
    spans = []
    for n, sides in ((h, heights), (w, widths)):
        centre = torch.randint(n, (b,), generator=generator, device=images.device)
        first = (centre - sides // 2).view(b, 1)
        index = torch.arange(n, device=images.device)
        spans.append((index >= first) & (index < first + sides.view(b, 1)))
    return (spans[0].unsqueeze(2) & spans[1].unsqueeze(1)).unsqueeze(1)


def normalise(images: Tensor, mean: Tensor, std: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 (B, C, H, W) -> (images / 255 - mean) / std in `dtype`; mean, std: (C,), of images in [0, 1]."""
    scale = (1 / (255 * std)).view(-1, 1, 1)
    shift = (-mean / std).view(-1, 1, 1)
    return torch.addcmul(shift, images.to(scale.dtype), scale).to(dtype)
