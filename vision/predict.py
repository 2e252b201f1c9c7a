"""What a model says about image files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unified.errors import ArgumentError, DataError

from .augment import normalise
from .config import Precision
from .device import model_device, resolve_precision, running
from .evaluate import answer, check_flip, check_numbers
from .images import image_files, read_image
from .inputs import read_inputs
from .memory import enough_memory


@dataclass(frozen=True)
class Prediction:
    """What the model says about one file; `top` holds the likeliest classes with their probabilities."""

    file: str
    label: str
    probability: float
    top: tuple[tuple[str, float], ...]


def predict(
    model: nn.Module,
    files: str | Path | Iterable[str | Path],
    meta: Mapping[str, Any],
    *,
    top: int = 5,
    flip: bool = False,
    batch_size: int = 64,
    precision: Precision = "auto",
    unreadable: Callable[[DataError], object] | None = None,
) -> list[Prediction]:
    """Classify image files, and those in and below folders, in order; read as `images.read_image` says.

    meta: a checkpoint's note, with 'classes', 'mean', 'std' and 'image' (C, H, W). flip: average the logits of each
    image and its mirror image, as `evaluate` does; ArgumentError unless 'mirror' says that these are of one class.
    batch_size: files that are read before the model is called. unreadable: called with the error of each file that
    cannot be read, which is then left out; without it the first one is raised.
    """
    inputs, device = read_inputs(meta), model_device(model)
    if top < 1:
        raise ArgumentError("top", got=top, expected="an integer >= 1", do="use top=5")
    if batch_size < 1:
        raise ArgumentError("batch_size", got=batch_size, expected="an integer >= 1", do="use batch_size=64")
    check_flip(flip, meta.get("mirror", False), meta.get("data", "") if "mirror" in meta else "a note without 'mirror'")
    classes, mean, std = inputs.classes, inputs.mean.to(device), inputs.std.to(device)
    paths, predictions = image_files(files), []
    with running(model, device, precision):
        for start in range(0, len(paths), batch_size):
            read: list[tuple[Path, Tensor]] = []
            for path in paths[start : start + batch_size]:
                try:
                    read.append((path, read_image(path, inputs.image)))
                except DataError as error:
                    if unreadable is None:
                        raise
                    unreadable(error)
            if not read:
                continue
            with enough_memory(len(read), inputs.image, resolve_precision(precision, device), device):
                images = torch.stack([image for _, image in read]).to(device)
                logits = answer(model, normalise(images, mean, std), len(classes), flip=flip)
            check_numbers(logits)
            values, indices = logits.softmax(1).topk(min(top, len(classes)))
            for (path, _), ps, ks in zip(read, values.tolist(), indices.tolist(), strict=True):
                ranked = tuple((classes[k], p) for k, p in zip(ks, ps, strict=True))
                predictions.append(Prediction(str(path), *ranked[0], top=ranked))
    return predictions
