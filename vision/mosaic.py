"""Tensors of many channels as pictures: their main directions as red, green and blue."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Picture = NDArray[np.float64]  # (H, W, 3) in [0, 1]


class Colours:
    """Red, green and blue: a pixel's channels in the three directions of their largest variance over `of`'s pixels.

    of: (N, C, H, W).
    """

    def __init__(self, of: Tensor) -> None:
        pixels = of.movedim(1, -1).flatten(0, -2).double()  # (N H W, C)
        _, vectors = torch.linalg.eigh(pixels.T.cov().reshape(of.shape[1], -1))
        directions = vectors.flip(1)[:, :3]
        # an eigenvector's sign is arbitrary: the largest part is positive, so that the same tensors look the same
        self.directions = directions * directions.gather(0, directions.abs().argmax(0, keepdim=True)).sign()

    def __call__(self, batch: Tensor) -> list[Picture]:
        """(N, C, H, W) as N pictures in one scale, which the middle 96 per cent of each colour's values fill."""
        seen = batch.movedim(1, -1).double() @ self.directions
        low, high = np.quantile(seen.flatten(0, -2).numpy(), [0.02, 0.98], axis=0)
        width = np.where(high > low, high - low, np.inf)  # a constant is grey
        colours = np.where(high > low, 0, 0.5) + (seen.numpy() - low) / width
        grey = [colours[..., :1]] * (3 - colours.shape[-1])  # of one channel, or two
        return list(np.concatenate([colours, *grey], axis=-1).clip(0, 1))


def photographs(images: Tensor) -> list[Picture]:
    """uint8 images (N, C, H, W) as they are, if C is 1 or 3, else their first channel."""
    shown = images if images.shape[1] == 3 else images[:, :1].expand(-1, 3, -1, -1)
    return list(shown.movedim(1, -1).double().div(255).numpy())


def mosaic(rows: list[list[Picture]], *, side: int = 64, gap: int = 4) -> Picture:
    """One picture of rows of pictures, each `side` pixels high and wide, unsmoothed, on white."""
    height, width = (n * (side + gap) - gap for n in (len(rows), len(rows[0])))
    whole = np.ones((height, width, 3))
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            h, w, _ = picture.shape
            at = np.ix_(np.arange(side) * h // side, np.arange(side) * w // side)
            top, left = i * (side + gap), j * (side + gap)
            whole[top : top + side, left : left + side] = picture[at]
    return whole
