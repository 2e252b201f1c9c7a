"""CIFAR (Krizhevsky 2009) in its official binary layout: a folder, or straight out of an archive, fetched if wanted.

Nothing is extracted to the disk and no pickle is ever opened.
"""

from __future__ import annotations

import lzma
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from torch import Tensor

from unified.errors import DataError

from .data import DataName, ImageData, statistics
from .download import fetch

HOME = "https://www.cs.toronto.edu/~kriz/"


@dataclass(frozen=True)
class Layout:
    """An official binary data set: records of `label_bytes` bytes (the last: the label), 3x32x32 pixels."""

    name: DataName
    folder: str
    archive: str
    md5: str  # of the official archive; must hold for a download: re-encoded images are welcome from the disk
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
        remedy = f"delete it and get {self.archive} again (MD5 {self.md5}; download=True fetches it)"
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


def read_cifar(
    layout: Layout, root: str | Path | None, *, download: bool | str = False, progress: bool = False
) -> ImageData:
    """The data set of `layout` from a folder or an archive, downloaded if it is not there; see `load`."""
    if download:
        folder = Path("data" if root is None else root).expanduser()
        where = _find(layout, folder)
        if where is None:
            address = _address(layout, download)
            where = fetch(address, folder / layout.archive, md5=layout.md5, progress=progress)
    else:
        where = _locate(layout, root)
    try:
        files = _read_archive(layout, where) if where.is_file() else _read_folder(layout, where)
    except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        raise layout.bad(where, what, "complete, readable files") from error
    for file in layout.files:
        if file not in files:
            raise layout.bad(where, f"no {file} in it", f"all of {', '.join(layout.files)}")
    train = [_decode(layout, where / file, files[file]) for file in layout.train]
    images, labels = (torch.cat(parts) for parts in zip(*train, strict=True))
    test = _decode(layout, where / layout.test, files[layout.test])
    classes = _class_names(layout, where / layout.names, files[layout.names])
    numbers = statistics(images)
    return ImageData(layout.name, classes, images, labels, *test, *numbers, mirror=True, source=layout.name)


def _address(layout: Layout, download: bool | str) -> str:
    """The archive's address: at its home, in a mirror's folder, or as it is given."""
    address = download if isinstance(download, str) else HOME
    return address if address.endswith((".tar.gz", ".tgz")) else f"{address.rstrip('/')}/{layout.archive}"


def _find(layout: Layout, root: Path) -> Path | None:
    """The folder that holds the binary files, or the archive."""
    if root.is_file() or any((root / file).is_file() for file in layout.sizes):
        return root
    return next((inside for inside in (root / layout.folder, root / layout.archive) if inside.exists()), None)


def _locate(layout: Layout, root: str | Path | None) -> Path:
    """As `_find`, in ./data for None, or what to do where there is neither."""
    if root is None:
        here = _find(layout, Path("data"))
        if here is not None:
            return here
        raise DataError(
            layout.name,
            got="root=None",
            expected=f"a folder with {layout.folder}/ or {layout.archive}, or that archive",
            do=f"use download=True, or fetch {HOME}{layout.archive} (MD5 {layout.md5}) and pass its path as root",
        )
    root = Path(root).expanduser()
    where = _find(layout, root)
    if where is None:
        found = "a folder without them" if root.is_dir() else "no such file or folder"
        raise layout.bad(root, found, f"{layout.folder}/, the files of it, or {layout.archive}")
    return where


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
                raise layout.bad(archive, f"a path that leaves the archive's folder: {member.name!r}", "safe paths")
            if not (member.isfile() or member.isdir()):
                raise layout.bad(archive, f"a link or device: {member.name!r}", "plain files and folders")
            if member.isfile() and path.name in layout.files and path.parent.name in ("", layout.folder):
                _check_size(layout, archive / path, member.size)
                reader = tar.extractfile(member)
                assert reader is not None  # it is a plain file
                files[path.name] = reader.read()
        while tar.fileobj is not None and tar.fileobj.read(1 << 20):
            pass  # tar stops before the compressor's checksum, which is only compared at the end of the file
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
        raise layout.bad(path, f"label {int(labels[record])} in record {record}", f"0 to {layout.classes - 1}")
    return records[:, layout.label_bytes :].reshape(-1, 3, 32, 32), labels


def _class_names(layout: Layout, path: Path, content: bytes) -> tuple[str, ...]:
    names = tuple(line.strip() for line in content.decode("utf-8", "replace").splitlines() if line.strip())
    if len(set(names)) != layout.classes:
        raise layout.bad(path, f"{len(set(names))} names", f"{layout.classes}, one a line")
    return names
