"""The data set of a command: as its options name it, or the one that a checkpoint's model was trained on."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ..errors import ArgumentError

Name = Literal["digits", "cifar10", "cifar100", "folder"]


@dataclass(frozen=True)
class DataOptions:
    """Which images to train on."""

    data: Name = "digits"
    """The data set; digits needs no file, folder is one of your own with a folder a class."""
    root: Path | None = None
    """Where the data is: a folder (of CIFAR: data/ if not given), or the official .tar.gz archive (binary version)."""
    download: bool = False
    """Fetch CIFAR into that folder where it is not there yet."""
    download_from: str | None = None
    """Fetch it from this address: of a mirror's folder, or of the archive."""
    size: str | None = None
    """Side in pixels of the images of --data folder, or HEIGHTxWIDTH; the files' own if not given."""
    channels: Literal[1, 3] | None = None
    """Of the images of --data folder: 1 grey, 3 (if not given) colour."""
    mirrored: bool | None = None
    """Are mirror images of the same class in --data folder? Yes, if not given; of letters, say, they are not."""

    def load(self, *, progress: bool) -> Any:
        import vision

        sides: Any = None
        if self.size is not None:
            if not re.fullmatch(r"\d+(x\d+)?", self.size):
                expected = "a number, or two as in 48x64"
                raise ArgumentError("size", got=repr(self.size), expected=expected, do="use --size 64")
            sides = tuple(map(int, self.size.split("x")))
        return vision.load(
            self.data,
            self.root,
            download=self.download_from or self.download,
            size=sides[0] if sides and len(sides) == 1 else sides,
            channels=self.channels,
            mirror=self.mirrored,
            progress=progress,
        )


def prepare(meta: dict[str, Any], name: Name | None, root: Path | None, split: str) -> Any:
    """The data set of a checkpoint's note, or another one of the same classes and images, with its mean and std.

    Images for validation are held out where the split asks for them.
    """
    import torch

    import vision

    trained: Any = meta.get("source") or meta.get("data")  # notes before `source` have the name alone
    chosen: Any = name or (trained if trained in get_args(Name) else "folder")
    like: dict[str, Any] = {}
    if chosen == "folder" and "image" in meta:
        channels, *size = meta["image"]
        like = {"size": tuple(size), "channels": channels, "mirror": meta.get("mirror")}
    data = vision.load(chosen, root, **like)
    for argument, got, expected in (
        ("classes", list(data.classes), meta.get("classes")),
        ("images", list(data.image_shape), meta.get("image")),
    ):
        if expected is not None and got != expected:
            raise ArgumentError(
                "data", got=data.name, expected=f"the {argument} of the checkpoint, {expected}", do="use its data set"
            )
    share = meta.get("config", {}).get("validation")
    if share and split != "test" and data.valid_images is None:
        data = data.split(share)
    prepared: dict[str, Any] = {key: torch.tensor(meta[key]) for key in ("mean", "std") if key in meta}
    return replace(data, **prepared)


def same(meta: dict[str, Any], data: Any, split: str) -> bool | None:
    """Is this part of the data what the training left out as such? None: not known, or not left out."""
    known = meta.get("checksums", {}).get(split)
    return None if known is None else data.checksum(split) == known
