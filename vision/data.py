"""Image data sets as tensors: scikit-learn's digits, and CIFAR in its official binary layout.

A data set is small enough to live on the device as one uint8 tensor. CIFAR is read from a local folder
or straight out of a local archive; nothing is extracted to the disk and no pickle is ever opened.
"""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal, NoReturn

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError, DataError

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
                _refuse(
                    f"{split}_images", what, f"{tuple(self.train_images.shape[1:])} each, as in train_images"
                )
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
            raise ArgumentError(
                "n", got=n, expected=f"1 to {len(self.train_images)}", do="ask for fewer images"
            )
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
    counts = [
        torch.bincount(images[:, c].reshape(-1), minlength=256).double() for c in range(images.shape[1])
    ]
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


@dataclass(frozen=True)
class Layout:
    """An official binary data set: records of `label_bytes` bytes (the last: the label), 3x32x32 pixels."""

    name: str
    folder: str
    archive: str
    md5: str  # of the official archive; only quoted, since re-encoded images are welcome
    train: tuple[str, ...]
    test: str
    names: str
    classes: int
    label_bytes: int
    train_records: int  # in each training file
    test_records: int

    @property
    def record(self) -> int:
        return self.label_bytes + 3 * 32 * 32

    @property
    def sizes(self) -> dict[str, int]:
        """Bytes of every binary file."""
        train = dict.fromkeys(self.train, self.train_records * self.record)
        return train | {self.test: self.test_records * self.record}

    @property
    def files(self) -> tuple[str, ...]:
        return (*self.train, self.test, self.names)

    def bad(self, where: Path, got: str, expected: str) -> DataError:
        """What is wrong, and where the good file comes from."""
        remedy = f"get {self.archive} again (the official one has MD5 {self.md5}) and pass its path as root"
        return DataError(str(where), got=got, expected=expected, do=remedy)


LAYOUTS = {
    "cifar10": Layout(
        "cifar10",
        "cifar-10-batches-bin",
        "cifar-10-binary.tar.gz",
        "c32a1d4ab5d03f1284b67883e8d87530",
        tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
        "test_batch.bin",
        "batches.meta.txt",
        10,
        1,
        10_000,
        10_000,
    ),
    "cifar100": Layout(
        "cifar100",
        "cifar-100-binary",
        "cifar-100-binary.tar.gz",
        "03b5dce01913d631647c71ecec9e9cb8",
        ("train.bin",),
        "test.bin",
        "fine_label_names.txt",
        100,
        2,
        50_000,
        10_000,
    ),
}


def read_cifar(layout: Layout, root: str | Path | None) -> ImageData:
    """The data set of `layout` from a folder or an archive; see `load`."""
    where = _locate(layout, root)
    try:
        files = _read_archive(layout, where) if where.is_file() else _read_folder(layout, where)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise layout.bad(where, what, "complete, readable files") from error
    for file in layout.files:
        if file not in files:
            raise layout.bad(where, f"no {file} in it", f"all of {', '.join(layout.files)}")
    train = [_decode(layout, where / file, files[file]) for file in layout.train]
    images, labels = (torch.cat(parts) for parts in zip(*train, strict=True))
    test = _decode(layout, where / layout.test, files[layout.test])
    classes = _class_names(layout, where / layout.names, files[layout.names])
    return ImageData(layout.name, classes, images, labels, *test, *statistics(images), mirror=True)


def _locate(layout: Layout, root: str | Path | None) -> Path:
    """The folder that holds the binary files, or the archive."""
    if root is None:
        raise DataError(
            layout.name,
            got="root=None",
            expected=f"a folder with {layout.folder}/ or {layout.archive}, or that archive",
            do=f"fetch {layout.archive} (MD5 {layout.md5}) from https://www.cs.toronto.edu/~kriz/cifar.html "
            "and pass its path as root",
        )
    root = Path(root).expanduser()
    if root.is_file() or any((root / file).is_file() for file in layout.sizes):
        return root
    for inside in (root / layout.folder, root / layout.archive):
        if inside.exists():
            return inside
    found = "a folder without them" if root.is_dir() else "no such file or folder"
    raise layout.bad(root, found, f"{layout.folder}/, the files of it, or {layout.archive}")


def _read_folder(layout: Layout, folder: Path) -> dict[str, bytes]:
    paths = [folder / file for file in layout.files if (folder / file).exists()]
    for path in paths:
        _check_size(layout, path, path.stat().st_size)
    return {path.name: path.read_bytes() for path in paths}


def _read_archive(layout: Layout, archive: Path) -> dict[str, bytes]:
    """The wanted members, read into memory: nothing is written, so nothing can be written elsewhere."""
    files = {}
    with tarfile.open(archive, "r:*") as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            if path.is_absolute() or ".." in path.parts:
                raise layout.bad(
                    archive, f"a path that leaves the archive's folder: {member.name!r}", "safe paths"
                )
            if not (member.isfile() or member.isdir()):
                raise layout.bad(archive, f"a link or device: {member.name!r}", "plain files and folders")
            if member.isfile() and path.name in layout.files and path.parent.name in ("", layout.folder):
                _check_size(layout, archive / path, member.size)
                reader = tar.extractfile(member)
                assert reader is not None  # it is a plain file
                files[path.name] = reader.read()
    return files


def _check_size(layout: Layout, path: Path, size: int) -> None:
    """Before anything is read: a wrong size is a truncated file, another data set, or a bomb."""
    if path.name == layout.names:
        if size > 1 << 16:
            raise layout.bad(path, f"{size:,} bytes", "a list of names, at most 65,536 bytes")
    elif size != layout.sizes[path.name]:
        whole, rest = divmod(size, layout.record)
        records = f"{whole:,} records of {layout.record} bytes and {rest} bytes"
        expected = layout.sizes[path.name]
        good = f"{expected:,} bytes: {expected // layout.record:,} records"
        raise layout.bad(path, f"{size:,} bytes: {records}", good)


def _decode(layout: Layout, path: Path, content: bytes) -> tuple[Tensor, Tensor]:
    """(images, labels) of one binary file."""
    _check_size(layout, path, len(content))  # again: it may have changed while it was read
    records = torch.from_numpy(np.frombuffer(content, np.uint8).copy()).view(-1, layout.record)
    labels = records[:, layout.label_bytes - 1].long()
    wrong = (labels >= layout.classes).nonzero()
    if len(wrong):
        record = int(wrong[0, 0])
        raise layout.bad(
            path, f"label {int(labels[record])} in record {record}", f"0 to {layout.classes - 1}"
        )
    return records[:, layout.label_bytes :].reshape(-1, 3, 32, 32), labels


def _class_names(layout: Layout, path: Path, content: bytes) -> tuple[str, ...]:
    names = tuple(line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip())
    if len(set(names)) != layout.classes:
        raise layout.bad(path, f"{len(set(names))} names", f"{layout.classes}, one a line")
    return names
