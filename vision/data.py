"""Image data sets as tensors: scikit-learn's digits, and CIFAR in its official binary layout.

A data set is small enough to live on the device as one uint8 tensor. CIFAR is read from a local folder
or straight out of a local archive; nothing is extracted to the disk and no pickle is ever opened.
"""

from __future__ import annotations

import tarfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

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
            if images.dtype != torch.uint8 or images.ndim != 4 or not len(images):
                raise ArgumentError(
                    f"{split}_images",
                    got=f"{images.dtype} {tuple(images.shape)}",
                    expected="uint8 (N, C, H, W), N >= 1",
                    do="convert the images",
                )
            if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
                raise ArgumentError(
                    f"{split}_labels",
                    got=f"{labels.dtype} {tuple(labels.shape)}",
                    expected=f"int64 ({len(images)},)",
                    do="give one label an image",
                )
            low, high = int(labels.min()), int(labels.max())
            if low < 0 or high >= len(self.classes):
                raise ArgumentError(
                    f"{split}_labels",
                    got=f"labels from {low} to {high}",
                    expected=f"0 to {len(self.classes) - 1}",
                    do="correct labels or classes",
                )
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise ArgumentError(
                "test_images",
                got=tuple(self.test_images.shape[1:]),
                do="use images of one size",
                expected=f"{tuple(self.train_images.shape[1:])} as in train_images",
            )

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
    """An official binary data set: records of `label_bytes` bytes (the last is the label) and 3x32x32 pixels."""

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
        return {file: self.train_records * self.record for file in self.train} | {
            self.test: self.test_records * self.record
        }

    @property
    def remedy(self) -> str:
        return f"get {self.archive} again (the official one has MD5 {self.md5}) and pass its path as root"


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
    files = _read_archive(layout, where) if where.is_file() else _read_folder(layout, where)
    for file in (*layout.sizes, layout.names):
        if file not in files:
            raise DataError(
                str(where),
                got=f"no {file} in it",
                expected=f"all of {', '.join((*layout.sizes, layout.names))}",
                do=layout.remedy,
            )
    train = [_decode(layout, where, file, files[file]) for file in layout.train]
    images, labels = (torch.cat(parts) for parts in zip(*train, strict=True))
    classes = _class_names(layout, where, files[layout.names])
    return ImageData(
        layout.name,
        classes,
        images,
        labels,
        *_decode(layout, where, layout.test, files[layout.test]),
        *statistics(images),
        mirror=True,
    )


def _locate(layout: Layout, root: str | Path | None) -> Path:
    """The folder that holds the binary files, or the archive."""
    if root is None:
        raise DataError(
            layout.name,
            got="root=None",
            expected=f"a folder with {layout.folder}/ or {layout.archive}, or the archive",
            do=f"fetch {layout.archive} (MD5 {layout.md5}) from https://www.cs.toronto.edu/~kriz/cifar.html "
            "and pass its path as root",
        )
    root = Path(root).expanduser()
    if root.is_file():
        return root
    if any((root / file).is_file() for file in layout.sizes):
        return root
    for inside in (root / layout.folder, root / layout.archive):
        if inside.exists():
            return inside
    raise DataError(
        str(root),
        got="an existing folder" if root.is_dir() else "no such file or folder",
        expected=f"{layout.test} in it, or in {layout.folder}/ in it, or {layout.archive}",
        do=layout.remedy,
    )


def _read_folder(layout: Layout, folder: Path) -> dict[str, bytes]:
    files = {}
    for file in (*layout.sizes, layout.names):
        path = folder / file
        try:
            if path.exists():
                _check_size(layout, path, file, path.stat().st_size)
                files[file] = path.read_bytes()
        except OSError as error:
            raise DataError(
                str(path), got=f"{error.strerror}", expected="a readable file", do="check its permissions"
            ) from error
    return files


def _read_archive(layout: Layout, archive: Path) -> dict[str, bytes]:
    """The wanted members, read into memory: nothing is written, so nothing can be written elsewhere."""
    files = {}
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
                    kind = (
                        "a member that leaves its folder"
                        if member.isfile() or member.isdir()
                        else "a link or device"
                    )
                    raise DataError(
                        str(archive),
                        got=f"{kind}: {member.name!r}",
                        expected="plain files inside the archive's folder",
                        do=f"do not use this archive; {layout.remedy}",
                    )
                wanted = path.name in layout.sizes or path.name == layout.names
                if wanted and member.isfile() and path.parent.name in ("", layout.folder):
                    _check_size(layout, archive / path, path.name, member.size)
                    reader = tar.extractfile(member)
                    assert reader is not None  # it is a file
                    files[path.name] = reader.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DataError(
            str(archive),
            got=f"{type(error).__name__}: {error}",
            expected="a complete, readable .tar.gz",
            do=layout.remedy,
        ) from error
    return files


def _check_size(layout: Layout, path: Path, file: str, size: int) -> None:
    """Before anything is read: a wrong size is a truncated file, another data set, or a bomb."""
    expected = layout.sizes.get(file)
    if file == layout.names and size > 1 << 16:
        raise DataError(
            str(path), got=f"{size:,} bytes", expected="a list of names, at most 64 KiB", do=layout.remedy
        )
    if expected is not None and size != expected:
        whole, rest = divmod(size, layout.record)
        raise DataError(
            str(path),
            got=f"{size:,} bytes ({whole:,} records of {layout.record}"
            + (f" and {rest} bytes)" if rest else ")"),
            expected=f"{expected:,} bytes ({expected // layout.record:,} records)",
            do=layout.remedy,
        )


def _decode(layout: Layout, where: Path, file: str, content: bytes) -> tuple[Tensor, Tensor]:
    """(images, labels) of one binary file."""
    if len(content) != layout.sizes[file]:  # it changed or ended while it was read
        _check_size(layout, where / file, file, len(content))
    records = torch.from_numpy(np.frombuffer(content, np.uint8).copy()).view(-1, layout.record)
    labels = records[:, layout.label_bytes - 1].long()
    if int(labels.max()) >= layout.classes:
        bad = int((labels >= layout.classes).nonzero()[0, 0])
        raise DataError(
            str(where / file),
            got=f"label {int(labels[bad])} in record {bad}",
            expected=f"labels 0 to {layout.classes - 1}",
            do=layout.remedy,
        )
    return records[:, layout.label_bytes :].reshape(-1, 3, 32, 32), labels


def _class_names(layout: Layout, where: Path, content: bytes) -> tuple[str, ...]:
    names = tuple(line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip())
    if len(names) != layout.classes:
        raise DataError(
            str(where / layout.names),
            got=f"{len(names)} names",
            expected=f"{layout.classes}, one a line",
            do=layout.remedy,
        )
    return names
