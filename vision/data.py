"""Image data sets as tensors, small enough to live on the device as one uint8 tensor; scikit-learn's digits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NoReturn

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError

DataName = Literal["digits", "cifar10", "cifar100"]


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Training and test images with their labels; images are uint8 (N, C, H, W), labels int64 (N,)."""

    name: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    mean: Tensor  # (C,) of the training images in [0, 1]
    std: Tensor  # (C,)
    mirror: bool = False  # is the mirror image of an image one of the same class?

    def __post_init__(self) -> None:
        for split in ("train", "test"):
            images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
            what = f"{images.dtype} {tuple(images.shape)}"
            if images.dtype != torch.uint8 or images.ndim != 4 or not len(images):
                _refuse(f"{split}_images", what, "torch.uint8 (N, C, H, W), N >= 1")
            if images.shape[1:] != self.train_images.shape[1:]:
                _refuse(f"{split}_images", what, f"{tuple(self.train_images.shape[1:])} each, as in train_images")
            if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
                _refuse(
                    f"{split}_labels",
                    f"{labels.dtype} {tuple(labels.shape)}",
                    f"torch.int64 ({len(images)},)",
                )
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= len(self.classes):
                _refuse(f"{split}_labels", f"labels from {low} to {high}", f"0 to {len(self.classes) - 1}")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        c, h, w = self.train_images.shape[1:]
        return c, h, w

    def to(self, device: torch.device | str) -> ImageData:
        """The same data with every tensor on `device`."""
        tensors = {name: value.to(device) for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors)

    def subset(self, n: int) -> ImageData:
        """The first n training images (mean, std and the test images stay): for quick runs."""
        if not 1 <= n <= len(self.train_images):
            raise ArgumentError("n", got=n, expected=f"1 to {len(self.train_images)}", do="ask for fewer images")
        return replace(self, train_images=self.train_images[:n], train_labels=self.train_labels[:n])

    def __repr__(self) -> str:
        c, h, w = self.image_shape
        return (
            f"ImageData({self.name}: {len(self.train_images):,} training and {len(self.test_images):,} test "
            f"images {c}x{h}x{w}, {len(self.classes)} classes, on {self.train_images.device})"
        )


def load(name: DataName, root: str | Path | None = None) -> ImageData:
    """A data set by name. digits comes with scikit-learn; the others are read from `root`: the folder of
    the official binary files, a folder that holds it or its .tar.gz, or the .tar.gz itself.

    Raises ArgumentError for an unknown name, DataError for missing or damaged files.

    >>> load("digits")
    ImageData(digits: 1,438 training and 359 test images 1x8x8, 10 classes, on cpu)
    """
    from .cifar import LAYOUTS, read_cifar

    if name == "digits":
        return _digits()
    if name not in LAYOUTS:
        raise ArgumentError(
            "name",
            got=repr(name),
            expected=f"one of digits, {', '.join(LAYOUTS)}",
            do="use 'digits', which needs no files",
        )
    return read_cifar(LAYOUTS[name], root)


def _refuse(argument: str, got: str, expected: str) -> NoReturn:
    raise ArgumentError(argument, got=got, expected=expected, do="convert them before making ImageData")


def statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C,) of uint8 images (N, C, H, W), scaled to [0, 1]; std >= 1/255."""
    grey = torch.arange(256, dtype=torch.float64) / 255
    counts = [torch.bincount(images[:, c].reshape(-1), minlength=256).double() for c in range(images.shape[1])]
    share = torch.stack(counts) / (images.numel() / images.shape[1])  # histograms: exact, no float copy
    mean = share @ grey
    variance = (share * (grey - mean.unsqueeze(1)) ** 2).sum(1)
    return mean.float(), variance.sqrt().clamp(min=1 / 255).float()  # a constant channel must not divide by 0


def _digits() -> ImageData:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(len(bunch.target))
    labels = bunch.target[order]
    test = np.zeros(len(labels), bool)
    for digit in range(10):  # stratified: a fifth of every class
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
    )
