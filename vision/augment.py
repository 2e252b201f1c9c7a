"""Augmentation of uint8 batches on their own device, and their normalisation.

A random shift with reflected edges and a random mirror image are one gather: every output pixel is
looked up by a row and a column index, so nothing is padded and nothing copied twice.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unified.errors import ArgumentError

from .data import ImageData


def augment(images: Tensor, *, pad: int, flip: bool, generator: torch.Generator) -> Tensor:
    """Each image shifted by -pad..pad pixels on both axes, and mirrored with probability 1/2.

    images: (B, C, H, W), any dtype; generator: on the same device. The result is new where pad or flip
    is set, otherwise it is `images` itself. Raises ArgumentError where pad is not in 0..min(H, W) - 1.
    """
    b, c, h, w = images.shape
    if not 0 <= pad < min(h, w):
        raise ArgumentError(
            "pad", got=pad, expected=f"0 to {min(h, w) - 1} for images {h}x{w}", do="use a smaller crop"
        )
    if not (pad or flip):
        return images
    device = images.device
    rows = torch.arange(h, device=device).expand(b, h)
    columns = torch.arange(w, device=device).expand(b, w)
    if flip:
        mirrored = torch.rand(b, 1, generator=generator, device=device) < 0.5
        columns = torch.where(mirrored, w - 1 - columns, columns)
    if pad:
        shift = torch.randint(-pad, pad + 1, (2, b, 1), generator=generator, device=device)
        rows, columns = _reflect(rows + shift[0], h), _reflect(columns + shift[1], w)
    pixel = (rows.unsqueeze(2) * w + columns.unsqueeze(1)).view(b, 1, h * w)
    return images.reshape(b, c, h * w).gather(2, pixel.expand(b, c, h * w)).view(b, c, h, w)


def _reflect(index: Tensor, n: int) -> Tensor:
    """Indices in -(n-1)..2(n-1), mirrored into 0..n-1 without repeating the edge."""
    return (n - 1) - ((n - 1) - index.abs()).abs()


def normalise(images: Tensor, mean: Tensor, std: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 (B, C, H, W) -> (images / 255 - mean) / std in `dtype`; mean, std: (C,), of images in [0, 1]."""
    scale = (1 / (255 * std)).view(-1, 1, 1)
    shift = (-mean / std).view(-1, 1, 1)
    return torch.addcmul(shift, images.to(scale.dtype), scale).to(dtype)


def batches(data: ImageData, size: int, *, pad: int, flip: bool, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """One epoch of training batches on the data's device: shuffled, augmented, normalised; all of `size`.

    Yields (images, labels): float32 (size, C, H, W), int64 (size,). A last, smaller batch is left out. The
    seed decides everything.
    """
    images, labels = data.train_images, data.train_labels
    generator = torch.Generator(images.device).manual_seed(seed)
    order = torch.randperm(len(images), generator=generator, device=images.device)
    for index in order[: len(order) // size * size].split(size):
        x = augment(images[index], pad=pad, flip=flip, generator=generator)
        yield normalise(x, data.mean, data.std), labels[index]
