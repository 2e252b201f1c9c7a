"""What a checkpoint's note says of the images that its model takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unified.errors import ArgumentError


class Inputs(NamedTuple):
    """Names of the classes, mean and standard deviation (C,) of images in [0, 1], and an image's (C, H, W)."""

    classes: tuple[str, ...]
    mean: Tensor
    std: Tensor
    image: tuple[int, int, int]


def read_inputs(meta: Mapping[str, Any]) -> Inputs:
    """From the note that `load_model` returns; ArgumentError for one without them."""
    lacking = [key for key in Inputs._fields if key not in meta]
    if lacking:
        raise ArgumentError(
            "meta",
            got=f"a note without {', '.join(lacking)}",
            expected="the note of a checkpoint of `fit`",
            do="use (model, meta) = load_model(path)",
        )
    mean, std = (torch.tensor(meta[key], dtype=torch.float32) for key in ("mean", "std"))
    channels, height, width = meta["image"]
    return Inputs(tuple(meta["classes"]), mean, std, (channels, height, width))
