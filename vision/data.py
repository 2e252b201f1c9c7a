"""Image data sets as tensors, small enough to live on the device as one uint8 tensor."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NoReturn

import torch
from torch import Tensor

from unified.errors import ArgumentError, DataError

from .memory import check_free, out_of_memory

DataName = Literal["digits", "cifar10", "cifar100", "folder"]
Split = Literal["train", "valid", "test"]


@dataclass(frozen=True, eq=False, repr=False)
class ImageData:
    """Training, validation and test images with their labels; images are uint8 (N, C, H, W), labels int64 (N,).

    The validation images are held out of the training images, to choose settings and epochs by; the test images are
    for the end. A data set may have no validation images: `split` makes them.
    """

    name: str
    classes: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    mean: Tensor  # (C,) of the training images in [0, 1], those held out included
    std: Tensor  # (C,)
    mirror: bool = False  # is the mirror image of an image one of the same class?
    valid_images: Tensor | None = None
    valid_labels: Tensor | None = None
    source: DataName | None = None  # the name that `load` knows it by

    def __post_init__(self) -> None:
        if (self.valid_images is None) != (self.valid_labels is None):
            _refuse("valid_images", "images or labels alone", "both, or neither")
        for split in ("train", *self.held):
            images, labels = self.part(split)
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
        channels = self.image_shape[0]
        for name, least in (("mean", -math.inf), ("std", 0.0)):
            values = getattr(self, name)
            if values.shape != (channels,) or not (values.isfinite().all() and bool((values > least).all())):
                sort = "numbers > 0" if name == "std" else "finite numbers"
                _refuse(name, values.tolist(), f"{channels} {sort}, one a channel")

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        c, h, w = self.train_images.shape[1:]
        return c, h, w

    @property
    def held(self) -> tuple[Split, ...]:
        """The parts that are not trained on."""
        return ("test",) if self.valid_images is None else ("valid", "test")

    def part(self, split: Split) -> tuple[Tensor, Tensor]:
        """(images, labels) of 'train', 'valid' or 'test'; ArgumentError where there are none."""
        if split not in ("train", "valid", "test"):
            raise ArgumentError("split", got=repr(split), expected="'train', 'valid' or 'test'", do="use 'test'")
        images, labels = getattr(self, f"{split}_images"), getattr(self, f"{split}_labels")
        if images is None:
            raise ArgumentError(
                "split", got=f"'valid' of {self}", expected="data with a validation split", do="use data.split(0.1)"
            )
        return images, labels

    def split(self, validation: float = 0.1, *, seed: int = 0) -> ImageData:
        """The same data with a share of the training images (or, as an int, so many) held out for validation.

        Every class gives its share, and keeps at least one image. The seed alone decides which: keep it fixed over
        the runs that are compared. Raises ArgumentError for data that has validation images.

        >>> load("digits").split(0.1)
        ImageData(digits: 1,294 training, 144 validation and 359 test images 1x8x8, 10 classes, on cpu)
        """
        from .split import held_out

        if self.valid_images is not None:
            raise ArgumentError("data", got=repr(self), expected="no validation split yet", do="split it once")
        held = held_out(self.train_labels, validation, seed, argument="validation")
        images = self.train_images
        if images.is_cpu:
            what = f"a split, which copies {len(images):,} images"
            check_free("validation", what, images.nbytes, do="use validation=0, or valid/ of its own")
        return replace(
            self,
            train_images=self.train_images[~held],
            train_labels=self.train_labels[~held],
            valid_images=self.train_images[held],
            valid_labels=self.train_labels[held],
        )

    def checksum(self, split: Split = "train") -> list[int]:
        """CRC-32 of a part's images and labels: as many images may be others."""
        return [zlib.crc32(t.cpu().contiguous().numpy().data) for t in self.part(split)]

    def to(self, device: torch.device | str) -> ImageData:
        """The same data with every tensor on `device`."""
        tensors = {name: value for name, value in vars(self).items() if isinstance(value, Tensor)}
        try:
            return replace(self, **{name: tensor.to(device) for name, tensor in tensors.items()})
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            size = sum(tensor.nbytes for tensor in tensors.values()) / 2**30
            raise ArgumentError(
                "device",
                got=f"{device}, whose memory does not hold the {size:.1f} GiB of {self}",
                expected="a device that holds the images, beside the model",
                do="use device='cpu', smaller images, or fewer",
            ) from error

    def subset(self, n: int) -> ImageData:
        """The first n training images (mean, std and the other images stay): for quick runs."""
        if not 1 <= n <= len(self.train_images):
            raise ArgumentError("n", got=n, expected=f"1 to {len(self.train_images)}", do="ask for fewer images")
        return replace(self, train_images=self.train_images[:n], train_labels=self.train_labels[:n])

    def __repr__(self) -> str:
        c, h, w = self.image_shape
        held = "" if self.valid_images is None else f", {len(self.valid_images):,} validation"
        return (
            f"ImageData({self.name}: {len(self.train_images):,} training{held} and {len(self.test_images):,} test "
            f"images {c}x{h}x{w}, {len(self.classes)} classes, on {self.train_images.device})"
        )


def load(
    name: DataName,
    root: str | Path | None = None,
    *,
    download: bool | str = False,
    size: int | tuple[int, ...] | None = None,
    channels: int | None = None,
    mirror: bool | None = None,
    progress: bool = False,
) -> ImageData:
    """A data set by name.

    digits comes with scikit-learn. cifar10 and cifar100 are read from `root`: the folder of the official binary files,
    a folder that holds it or its .tar.gz, or the .tar.gz itself; with `download` what is not there is fetched into
    `root`, from the official address or from a mirror's; None is ./data. folder reads the images of one folder a class
    under `root`: see `load_folder`, for `size`, `channels` and `mirror` (None: its defaults), too. progress: bars on
    stderr.

    Raises ArgumentError for an unknown name and for what its data set does not take, DataError for missing or damaged
    files and a download that fails.

    >>> load("digits")
    ImageData(digits: 1,438 training and 359 test images 1x8x8, 10 classes, on cpu)
    """
    from .cifar import LAYOUTS, read_cifar
    from .digits import digits
    from .folder import load_folder

    own = {"size": size, "channels": channels, "mirror": mirror}  # of folder
    given = {key: value for key, value in own.items() if value is not None}
    surplus = dict(given) if name in ("digits", *LAYOUTS) else {}
    if name == "digits" and root is not None:
        surplus["root"] = root
    if name in ("digits", "folder") and download:
        surplus["download"] = download
    if surplus:
        key, value = next(iter(surplus.items()))
        raise ArgumentError(key, got=str(value), expected=f"none for {name}", do="leave it out, or use another name")
    if name == "digits":
        return digits()
    if name == "folder":
        if root is None:
            raise DataError(name, got="root=None", expected="a folder with one folder a class", do="pass its path")
        return load_folder(root, **given, progress=progress)
    if name not in LAYOUTS:
        raise ArgumentError(
            "name",
            got=repr(name),
            expected=f"one of digits, {', '.join(LAYOUTS)}, folder",
            do="use 'digits', which needs no files",
        )
    return read_cifar(LAYOUTS[name], root, download=download, progress=progress)


def _refuse(argument: str, got: object, expected: str) -> NoReturn:
    raise ArgumentError(argument, got=got, expected=expected, do="convert them before making ImageData")


def statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (C,) of uint8 images (N, C, H, W), scaled to [0, 1]; std >= 1/255."""
    grey = torch.arange(256, dtype=torch.float64) / 255
    counts = [torch.bincount(images[:, c].reshape(-1), minlength=256).double() for c in range(images.shape[1])]
    share = torch.stack(counts) / (images.numel() / images.shape[1])  # histograms: exact, no float copy
    mean = share @ grey
    variance = (share * (grey - mean.unsqueeze(1)) ** 2).sum(1)
    return mean.float(), variance.sqrt().clamp(min=1 / 255).float()  # a constant channel must not divide by 0
