"""A data set from image files: one folder a class."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from tqdm import tqdm

from unified.errors import ArgumentError, DataError

from .data import ImageData, statistics
from .images import SUFFIXES, image_files, read_image
from .memory import check_free
from .split import held_out

_ORIENTATION = 0x0112  # the EXIF tag
_PARTS = ("train", "training", "valid", "val", "validation", "dev", "test", "testing", "eval")  # as people call them
Files = list[tuple[Path, int]]  # with their labels
Parts = dict[str, Files]


def load_folder(
    root: str | Path,
    *,
    size: int | tuple[int, ...] | None = None,
    channels: int = 3,
    test: float = 0.2,
    seed: int = 0,
    mirror: bool = True,
    threads: int | None = None,
    progress: bool = False,
) -> ImageData:
    """Images root/train/CLASS/* and root/test/CLASS/*, decoded once; root/valid/CLASS/* too, if it is there.

    Without root/train the folders root/CLASS hold all images, and a share `test` of each class (or, as an int, so many
    images) is set aside for the test, by `seed`. Classes are the folders' names in order; files below them count by
    their suffix (`SUFFIXES`), hidden ones and others do not.

    size: H and W of the tensors, or one number for both; None: that of the files, if all agree. Each image is
    converted as `predict` does it, which also stretches it to the size: what is trained on is what is predicted.
    channels: 1 or 3. mirror: is a mirror image one of the same class (letters: no)? threads: that read; None: one a
    core, up to eight.

    Raises DataError for folders that do not fit and files that cannot be read, by name; ArgumentError for a bad size.
    """
    root = Path(root).expanduser()
    shape = None if size is None else _shape(channels, size)
    if not root.is_dir():
        expected = "a folder with one folder a class"
        raise DataError(str(root), got="no such folder", expected=expected, do="check the path")
    classes, parts = _parts(root) if any(_folders(root / "train")) else _set_aside(root, test, seed)
    if len(classes) < 2:  # a folder of class folders would be one class
        expected = "two or more folders, one a class"
        raise DataError(str(root), got=f"one, {classes[0]}", expected=expected, do="pass the folder that holds them")
    paths = [path for files in parts.values() for path, _ in files]
    shape = shape or _shape(channels, _common_size(paths))
    images = _read(paths, shape, threads or min(8, os.cpu_count() or 1), progress)
    data: dict[str, Tensor] = {}
    for (name, files), part in zip(parts.items(), images.split([len(files) for files in parts.values()]), strict=True):
        data |= {f"{name}_images": part, f"{name}_labels": torch.tensor([label for _, label in files])}
    mean, std = statistics(data["train_images"])
    return ImageData(root.resolve().name, classes, mean=mean, std=std, mirror=mirror, source="folder", **data)


def _parts(root: Path) -> tuple[tuple[str, ...], Parts]:
    """(classes, the files of each part with their labels) of root/train, root/test and, if there, root/valid."""
    if not any(_folders(root / "test")):
        raise DataError(
            str(root),
            got="train/ without test/",
            expected="the same class folders in both",
            do="add test/, or put the class folders into the root itself: a part of them is then set aside",
        )
    names = [name for name in ("train", "valid", "test") if any(_folders(root / name))]
    found = {name: _classes(root / name) for name in names}
    classes = tuple(found["train"])
    for name in names:
        missing, surplus = [c for c in classes if c not in found[name]], [c for c in found[name] if c not in classes]
        if missing or surplus:
            said = [f"{word} {_few(some)}" for word, some in (("without", missing), ("with also", surplus)) if some]
            raise DataError(
                str(root / name),
                got=f"folders {' and '.join(said)}",
                expected=f"the {len(classes)} classes of train",
                do="give both the same class folders",
            )
    return classes, {name: _labelled(files) for name, files in found.items()}


def _set_aside(root: Path, test: float, seed: int) -> tuple[tuple[str, ...], Parts]:
    """As `_parts`, of root/CLASS: some of the files are for the test."""
    found = _classes(root)
    _check_names(root)
    files = _labelled(found)
    tests = held_out(torch.tensor([label for _, label in files]), test, seed, argument="test").tolist()
    parts = {
        name: [file for file, is_test in zip(files, tests, strict=True) if is_test == which]
        for name, which in (("train", False), ("test", True))
    }
    return tuple(found), parts


def _check_names(root: Path) -> None:
    """DataError for parts under other names than train/ and test/, which would be taken for classes."""
    parts = [folder for folder in _folders(root) if folder.name.lower() in _PARTS and any(_folders(folder))]
    if parts:
        raise DataError(
            str(root),
            got=f"{_few([folder.name for folder in parts])}, with folders in it",
            expected="one folder a class, or the parts train/, test/ and, if wanted, valid/",
            do="give the parts these names, or a class another one",
        )


def _shape(channels: int, size: int | tuple[int, ...]) -> tuple[int, int, int]:
    sides = tuple(size) if isinstance(size, (tuple, list)) else (size, size)
    if len(sides) != 2 or not all(isinstance(side, int) and side >= 1 for side in sides):
        raise ArgumentError("size", got=repr(size), expected="a whole number >= 1, or two (H, W)", do="use size=32")
    if channels not in (1, 3):
        raise ArgumentError("channels", got=repr(channels), expected="1 (grey) or 3 (colour)", do="use channels=3")
    return channels, *sides


def _folders(folder: Path) -> list[Path]:
    """The folders in it that are not hidden, by name."""
    inside = folder.iterdir() if folder.is_dir() else ()
    return sorted(path for path in inside if path.is_dir() and not path.name.startswith((".", "__")))


def _classes(folder: Path) -> dict[str, list[Path]]:
    """{class: its files}, both in order."""
    found = {inside.name: image_files(inside) for inside in _folders(folder)}
    empty = [name for name, files in found.items() if files == [folder / name]]  # its own name: no files
    if empty or not found:
        raise DataError(
            str(folder),
            got=f"no images in {_few(empty)}" if empty else "no folders",
            expected=f"one folder a class, with files {', '.join(SUFFIXES)}",
            do="delete empty folders; pass the folder that holds the classes' folders, or train/ and test/",
        )
    return found


def _labelled(found: dict[str, list[Path]]) -> Files:
    return [(path, label) for label, files in enumerate(found.values()) for path in files]


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")


def _common_size(paths: Sequence[Path]) -> tuple[int, int]:
    """(H, W) that all files have, from their headers alone."""
    common: tuple[int, int] | None = None
    for path in paths:
        try:
            with Image.open(path) as image:
                turned = image.getexif().get(_ORIENTATION, 1) >= 5
                size = (image.width, image.height) if turned else (image.height, image.width)
        except Exception as error:  # Pillow's plugins raise nearly anything on a damaged file
            raise DataError(
                str(path),
                got=f"{type(error).__name__}: {error}",
                expected="a readable image file (PNG, JPEG, ...)",
                do="save the image again, or delete it",
            ) from error
        if common not in (None, size):
            raise ArgumentError(
                "size",
                got=f"None, for {paths[0]} of {common[0]}x{common[1]} and {path} of {size[0]}x{size[1]}",
                expected="one size for all",
                do="pass size=32, or (H, W)",
            )
        common = size
    assert common is not None  # no class is empty
    return common


def _read(paths: Sequence[Path], shape: tuple[int, int, int], threads: int, progress: bool) -> Tensor:
    """uint8 (N, C, H, W); the first file that cannot be read ends it."""
    what = f"{shape[1]}x{shape[2]}: {len(paths):,} images"
    check_free("size", what, len(paths) * math.prod(shape), do="use a smaller size, or fewer images")
    images = torch.empty(len(paths), *shape, dtype=torch.uint8)

    def read(index: int) -> None:
        images[index] = read_image(paths[index], shape)

    pool = ThreadPoolExecutor(threads)  # decoding and resizing leave Python's lock
    try:
        for _ in tqdm(pool.map(read, range(len(paths))), total=len(paths), unit="img", disable=not progress):
            pass
    finally:
        pool.shutdown(cancel_futures=True)
    return images
