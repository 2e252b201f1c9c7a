"""Mixed images with mixed labels: mixup and CutMix, one share an image.

Both are w x + (1 - w) x', with x' another image of the batch: w is a number for mixup and a mask for CutMix.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .augment import boxes


def mix(
    images: Tensor, labels: Tensor, classes: int, *, mixup: float, cutmix: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W), floating point, each with a share of another, and the classes' shares (B, K).

    mixup, cutmix: their Beta(α, α) (Zhang et al. 2018, eq. 1; Yun et al. 2019, eq. 1-2), 0: off, but not both; with
    both on, each image draws one. The published codes draw one share a batch; the papers' formula has one a pair.
    """
    b, device = len(images), images.device
    weights = []
    if mixup:
        weights.append(_beta(mixup, b, generator).to(images.dtype).view(b, 1, 1, 1))
    if cutmix:
        weights.append(_outside(images, _beta(cutmix, b, generator), generator))
    weight = weights[0]
    if len(weights) == 2:
        coin = torch.rand(b, 1, 1, 1, generator=generator, device=device) < 0.5
        weight = torch.where(coin, weights[0], weights[1])
    other = torch.randperm(b, generator=generator, device=device)
    share = weight.mean((1, 2, 3)).float().unsqueeze(1)
    sure = torch.eye(classes, device=device)
    target = share * sure[labels] + (1 - share) * sure[labels[other]]
    return weight * images + (1 - weight) * images[other], target


def _outside(images: Tensor, share: Tensor, generator: torch.Generator) -> Tensor:
    """A mask (B, 1, H, W): 0 in a random box of the image's shape with area 1 - share (B,), less what the edges cut."""
    h, w = images.shape[2:]
    side = (1 - share).sqrt()
    box = boxes(images, (side * h).long(), (side * w).long(), generator)
    return (~box).to(images.dtype)


def _beta(alpha: float, n: int, generator: torch.Generator) -> Tensor:
    """Draws float64 (n,) from Beta(α, α), exact for every α > 0, without rejection.

    (1 + T/sqrt(2α + T²))/2 for Student's T with 2α degrees of freedom, which Bailey (1994) draws in polar coordinates
    (Devroye 1996, "Random variate generation in one line of code").
    """
    u, v = torch.rand(2, n, generator=generator, device=generator.device, dtype=torch.float64).unbind(0)
    cosine = (2 * math.pi * v).cos()
    square = ((1 - u) ** (-1 / alpha) - 1) * cosine**2  # T²/2α, up to infinity
    return 0.5 + 0.5 * cosine.sign() / (1 + 1 / square).sqrt()
