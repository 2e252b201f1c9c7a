"""The operations of augmentation policies on uint8 batches, equal to Pillow's (ImageOps, ImageEnhance) on each image.

An operation takes images (n, C, H, W), C = 1 or 3, and one value float64 (n,) an image: degrees, shear, pixels, bits,
a threshold, or a factor of 1 for no change.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .affine import MATRICES, affine

Operation = Callable[[Tensor, Tensor], Tensor]


def operate(name: str, images: Tensor, value: Tensor, fill: int) -> Tensor:
    """The operation `name`; fill: the value of pixels from outside of an image."""
    if name in MATRICES:
        return affine(images, MATRICES[name](value, *images.shape[2:]), fill)
    return PIXELS[name](images, value)


def _blend(other: Tensor, images: Tensor, factor: Tensor) -> Tensor:
    """From `other` (factor 0) over the images (1) and on, cut to 0..255."""
    start = other.float()
    # in this order, and towards zero: as Pillow rounds
    return (start + factor.float().view(-1, 1, 1, 1) * (images.float() - start)).clamp_(0, 255).to(torch.uint8)


def _grey(images: Tensor) -> Tensor:
    """ITU-R 601 luma (n, 1, H, W)."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.int().unbind(1)
    return ((19595 * red + 38470 * green + 7471 * blue + 32768) >> 16).to(torch.uint8).unsqueeze(1)


def _contrast(images: Tensor, factor: Tensor) -> Tensor:
    mean = _grey(images).flatten(1).double().mean(1)
    return _blend((mean + 0.5).floor().view(-1, 1, 1, 1), images, factor)


def _sharpness(images: Tensor, factor: Tensor) -> Tensor:
    """Away from, or towards, the means of 3x3 pixels in which the middle one counts five times."""
    x = images.int()
    rows = x[:, :, :-2] + x[:, :, 1:-1] + x[:, :, 2:]
    total = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:] + 4 * x[:, :, 1:-1, 1:-1]
    smooth = images.clone()  # the edges stay
    smooth[:, :, 1:-1, 1:-1] = ((total + 6) // 13).to(torch.uint8)  # total / 13, rounded
    return _blend(smooth, images, factor)


def _posterise(images: Tensor, bits: Tensor) -> Tensor:
    mask = 256 - torch.exp2(8 - bits)  # the upper bits
    return images & mask.to(torch.uint8).view(-1, 1, 1, 1)


def _solarise(images: Tensor, threshold: Tensor) -> Tensor:
    return torch.where(images < threshold.view(-1, 1, 1, 1), images, 255 - images)


def _autocontrast(images: Tensor, _: Tensor) -> Tensor:
    """Each channel stretched to 0..255."""
    low = images.amin((2, 3)).double().unsqueeze(2)
    high = images.amax((2, 3)).double().unsqueeze(2)
    scale = high.new_tensor(255.0) / (high - low).clamp(min=1)  # 255 / tensor would round a reciprocal too
    grey = torch.arange(256, dtype=torch.float64, device=images.device)
    stretched = (grey * scale + -low * scale).trunc().clamp(0, 255)
    return _look_up(images, torch.where(high > low, stretched, grey))


def _equalise(images: Tensor, _: Tensor) -> Tensor:
    """Each channel with a flat histogram."""
    n, c = images.shape[:2]
    grey = torch.arange(256, device=images.device)
    counts = torch.zeros(n, c, 256, dtype=torch.int64, device=images.device)
    values = images.flatten(2).long()
    counts.scatter_add_(2, values, torch.ones_like(values))
    last = counts.gather(2, images.amax((2, 3)).long().unsqueeze(2))
    step = (values.shape[2] - last) // 255
    below = counts.cumsum(2) - counts
    flat = ((step // 2 + below) // step.clamp(min=1)).clamp(max=255)
    return _look_up(images, torch.where(step > 0, flat, grey))


def _look_up(images: Tensor, table: Tensor) -> Tensor:
    """table (n, C, 256) at the images' values."""
    return table.to(torch.uint8).gather(2, images.flatten(2).long()).view_as(images)


PIXELS: dict[str, Operation] = {
    "identity": lambda images, _: images,
    "invert": lambda images, _: 255 - images,
    "autocontrast": _autocontrast,
    "equalise": _equalise,
    "posterise": _posterise,
    "solarise": _solarise,
    "brightness": lambda images, factor: _blend(torch.zeros_like(images), images, factor),
    "colour": lambda images, factor: _blend(_grey(images), images, factor),
    "contrast": _contrast,
    "sharpness": _sharpness,
}
