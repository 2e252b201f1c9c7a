"""Which images are held out: the same share of every class."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError


def held_out(labels: Tensor, amount: float, seed: int, *, argument: str) -> Tensor:
    """A mask (N,) of images to hold out: a share in (0, 1) of all labels (N,), or as an int so many.

    In a random order of each class, image i of n stands at (i + 1/2)/n; the images that stand first are held out:
    each class gives its share, to within one image. The last image of a class is kept. `argument` is the amount's
    name in an error.
    """
    values = labels.cpu().numpy()
    n, sizes = len(values), np.bincount(values)
    most = n - np.count_nonzero(sizes)
    share = isinstance(amount, float) and math.isfinite(amount) and 0 < amount < 1
    count = max(1, round(amount * n)) if share else amount
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise ArgumentError(
            argument,
            got=f"{amount!r} of {n:,} images in {np.count_nonzero(sizes)} classes",
            expected=f"a share in (0, 1), or 1 to {most:,} images, that leaves one in every class",
            do=f"use {argument}=0.1, or more images",
        )
    shuffled = np.random.default_rng(seed).permutation(n)
    by_class = shuffled[np.argsort(values[shuffled], kind="stable")]
    rank = np.arange(n) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    size = np.repeat(sizes, sizes)
    stands = np.where(rank == size - 1, np.inf, (rank + 0.5) / size)
    mask = np.zeros(n, bool)
    mask[by_class[np.argsort(stands, kind="stable")[:count]]] = True
    return torch.from_numpy(mask).to(labels.device)
