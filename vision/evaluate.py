"""How good a model is, and what it says about image files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unified.errors import ArgumentError, DataError

from .augment import normalise
from .config import Precision
from .data import ImageData
from .device import model_device, running


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results over one set of images; accuracies are shares in [0, 1], loss is the mean cross-entropy."""

    accuracy: float
    top5: float  # the label is among the five (or K, if fewer) likeliest classes
    loss: float
    per_class: dict[str, float]  # accuracy on each class; NaN for a class without images
    confusion: Tensor  # (K, K) int64: rows are labels, columns predictions


@dataclass(frozen=True)
class Prediction:
    """What the model says about one file; `top` holds the likeliest classes with their probabilities."""

    file: str
    label: str
    probability: float
    top: tuple[tuple[str, float], ...]


def evaluate(
    model: nn.Module,
    data: ImageData,
    *,
    split: Literal["test", "train"] = "test",
    batch_size: int = 500,
    precision: Precision = "auto",
) -> Evaluation:
    """Evaluate on one half of a data set, on the model's device; its training mode is left as it was."""
    if split not in ("test", "train"):
        raise ArgumentError("split", got=repr(split), expected="'test' or 'train'", do="use 'test'")
    images, labels = getattr(data, f"{split}_images"), getattr(data, f"{split}_labels")
    return evaluate_images(
        model,
        images,
        labels,
        classes=data.classes,
        mean=data.mean,
        std=data.std,
        batch_size=batch_size,
        precision=precision,
    )


def evaluate_images(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    classes: Sequence[str],
    mean: Tensor,
    std: Tensor,
    batch_size: int = 500,
    precision: Precision = "auto",
) -> Evaluation:
    """As `evaluate`, for uint8 images (N, C, H, W), int64 labels (N,) in 0..K-1; mean, std: (C,)."""
    if batch_size < 1:
        raise ArgumentError("batch_size", got=batch_size, expected="an integer >= 1", do="use batch_size=500")
    if labels.shape != images.shape[:1] or not len(labels):
        raise ArgumentError(
            "labels",
            got=tuple(labels.shape),
            expected=f"({len(images)},), at least one",
            do="give one label an image",
        )
    k, low, high = len(classes), int(labels.min()), int(labels.max())
    if low < 0 or high >= k:
        raise ArgumentError("labels", got=f"{low} to {high}", expected=f"0 to {k - 1}", do="correct labels or classes")
    device = model_device(model)
    mean, std = mean.to(device), std.to(device)
    confusion = torch.zeros(k * k, dtype=torch.int64, device=device)
    total_loss, among_five = torch.zeros((), device=device), torch.zeros((), dtype=torch.int64, device=device)
    with running(model, device, precision):
        for x, y in zip(images.split(batch_size), labels.split(batch_size), strict=True):
            y = y.to(device)
            logits = model(normalise(x.to(device), mean, std)).float()
            check_classes(logits, k)
            total_loss += F.cross_entropy(logits, y, reduction="sum")
            best = logits.topk(min(5, k), dim=1).indices
            among_five += (best == y.unsqueeze(1)).any(1).sum()
            confusion += torch.bincount(y * k + best[:, 0], minlength=k * k)
    confusion = confusion.view(k, k).cpu()
    hits, of = confusion.diag(), confusion.sum(1)
    per_class = {name: int(h) / int(n) if n else float("nan") for name, h, n in zip(classes, hits, of, strict=True)}
    n = len(labels)
    return Evaluation(int(hits.sum()) / n, int(among_five) / n, float(total_loss) / n, per_class, confusion)


def predict(
    model: nn.Module,
    files: str | Path | Iterable[str | Path],
    meta: Mapping[str, Any],
    *,
    top: int = 5,
    precision: Precision = "auto",
) -> list[Prediction]:
    """Classify image files. meta: a checkpoint's note, with 'classes', 'mean', 'std' and 'image' (C, H, W).

    Images are turned as their EXIF tag says, put on white where transparent, converted to C channels and
    resized (not cropped) to H x W. Raises DataError for a file that cannot be read.
    """
    lacking = [key for key in ("classes", "mean", "std", "image") if key not in meta]
    if lacking:
        raise ArgumentError(
            "meta",
            got=f"a note without {', '.join(lacking)}",
            expected="the note of a checkpoint of `fit`",
            do="use (model, meta) = load_model(path)",
        )
    if top < 1:
        raise ArgumentError("top", got=top, expected="an integer >= 1", do="use top=5")
    files = [files] if isinstance(files, (str, Path)) else files
    classes, device = list(meta["classes"]), model_device(model)
    mean, std = (torch.tensor(meta[key], dtype=torch.float32, device=device) for key in ("mean", "std"))
    predictions = []
    with running(model, device, precision):
        for file in files:  # one by one: files are few, and an error names its file
            image = read_image(file, tuple(meta["image"])).to(device)
            logits = model(normalise(image.unsqueeze(0), mean, std)).float()
            check_classes(logits, len(classes))
            values, indices = logits.softmax(1)[0].topk(min(top, len(classes)))
            ranked = tuple((classes[i], p) for i, p in zip(indices.tolist(), values.tolist(), strict=True))
            predictions.append(Prediction(str(file), *ranked[0], top=ranked))
    return predictions


def read_image(file: str | Path, shape: tuple[int, ...]) -> Tensor:
    """An image file as a uint8 tensor of `shape` (C, H, W), C = 1 or 3; see `predict`."""
    from PIL import Image, ImageOps

    channels, height, width = shape
    if channels not in (1, 3):
        raise ArgumentError("shape", got=shape, expected="1 or 3 channels", do="call the model on your own tensors")
    try:
        with Image.open(file) as opened:
            image = ImageOps.exif_transpose(opened)
            if image.mode.startswith("I"):  # 16 bits: keep the upper eight
                grey = np.asarray(image).astype(np.int64)
                image = Image.fromarray((grey // 256 if grey.max() > 255 else grey).clip(0, 255).astype(np.uint8))
            if image.mode == "F":  # floating point: 0 to 1, unless there are larger values
                grey = np.asarray(image)
                scale = 255.0 if np.nanmax(grey) <= 1 else 1.0
                image = Image.fromarray((np.nan_to_num(grey) * scale).clip(0, 255).round().astype(np.uint8))
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert("L" if channels == 1 else "RGB")
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling.BICUBIC)
            pixels = np.array(image).reshape(height, width, channels)
    except Exception as error:  # Pillow's plugins raise nearly anything on a damaged file
        what = {FileNotFoundError: "no such file", IsADirectoryError: "a folder"}.get(
            type(error), f"{type(error).__name__}: {error}"
        )
        raise DataError(
            str(file),
            got=what,
            expected="a readable image file (PNG, JPEG, ...)",
            do="check the path, or save the image again",
        ) from error
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def check_classes(logits: Tensor, classes: int) -> None:
    """The model answers with one number a class, or ArgumentError."""
    if logits.ndim != 2 or logits.shape[1] != classes:
        raise ArgumentError(
            "model",
            got=f"an output of shape {tuple(logits.shape)}",
            expected=f"(B, {classes}), one logit a class",
            do=f"make the model with classes={classes}",
        )
