"""The 8x8 digits that scikit-learn ships: a data set that needs no files."""

from __future__ import annotations

import numpy as np
import torch

from .data import ImageData, statistics


def digits() -> ImageData:
    """1,797 images 1x8x8, a fifth of every class for the test, always the same."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    labels = bunch.target[order]
    test = np.zeros(len(labels), bool)
    for digit in range(10):
        where = np.flatnonzero(labels == digit)
        test[where[: round(len(where) / 5)]] = True
    images = torch.from_numpy(np.rint(bunch.images[order] * (255 / 16)).astype(np.uint8)).unsqueeze(1)
    labels = torch.from_numpy(labels.astype(np.int64))
    return ImageData(
        "digits",
        tuple("0123456789"),
        images[~test],
        labels[~test],
        images[test],
        labels[test],
        *statistics(images[~test]),
        source="digits",
    )
