"""How good a model is: accuracy, calibration, and what it takes for what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unified.errors import ArgumentError

from .augment import normalise
from .calibration import Reliability, brier_score, reliability
from .config import Precision
from .data import ImageData, Split
from .device import model_device, resolve_precision, running
from .images import read_image as read_image
from .memory import enough_memory


class NotFiniteError(ArgumentError):
    """A model that answers with NaN or infinity."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Results over one set of images; accuracies are shares in [0, 1]."""

    classes: tuple[str, ...]
    accuracy: float
    top5: float  # the label is among the five (or K, if fewer) likeliest classes
    loss: float  # the mean cross-entropy, which is the negative log-likelihood of an image, in nats
    brier: float  # the Brier score: see `calibration.brier_score`
    reliability: Reliability  # confidence and accuracy by bin, and the expected calibration error
    confusion: Tensor  # (K, K) int64: rows are labels, columns predictions

    @property
    def per_class(self) -> dict[str, float]:
        """Accuracy on each class; NaN for a class without images."""
        shares = (self.confusion.diag().double() / self.confusion.sum(1)).tolist()
        return dict(zip(self.classes, shares, strict=True))

    def confused(self, n: int = 5) -> list[tuple[str, str, int]]:
        """The n most frequent errors: (label, prediction, images)."""
        wrong = self.confusion - self.confusion.diag().diag()
        counts, cells = wrong.flatten().sort(descending=True, stable=True)
        k, names = len(self.classes), self.classes
        pairs = zip(cells[:n].tolist(), counts[:n].tolist(), strict=True)
        return [(names[cell // k], names[cell % k], count) for cell, count in pairs if count]


def evaluate(
    model: nn.Module,
    data: ImageData,
    *,
    split: Split = "test",
    flip: bool = False,
    batch_size: int = 500,
    precision: Precision = "auto",
) -> Evaluation:
    """Evaluate on one part of a data set, on the model's device; its training mode is left as it was.

    flip: average the logits of each image and its mirror image. Raises ArgumentError where the data say that a mirror
    image is none of the same class (`data.mirror`), as of digits.
    """
    images, labels = data.part(split)
    check_flip(flip, data.mirror, data.name)
    return evaluate_images(
        model,
        images,
        labels,
        classes=data.classes,
        mean=data.mean,
        std=data.std,
        flip=flip,
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
    flip: bool = False,
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
    logits = []  # of all images: smaller than the images themselves, and one wait for the device
    size, shape = min(batch_size, len(images)), tuple(images.shape[1:])
    with running(model, device, precision), enough_memory(size, shape, resolve_precision(precision, device), device):
        for batch in images.split(batch_size):
            logits.append(answer(model, normalise(batch.to(device), mean, std), k, flip=flip))
    found = torch.cat(logits).cpu()
    check_numbers(found)
    return score(found, labels.cpu(), classes)


def score(logits: Tensor, labels: Tensor, classes: Sequence[str]) -> Evaluation:
    """The evaluation of logits (N, K), float32, for labels (N,); both on the CPU."""
    k = len(classes)
    best = logits.topk(min(5, k), dim=1).indices
    hits, logits = best == labels.unsqueeze(1), logits.double()
    probabilities = logits.softmax(1)
    return Evaluation(
        tuple(classes),
        accuracy=float(hits[:, 0].double().mean()),
        top5=float(hits.any(1).double().mean()),
        loss=float(F.cross_entropy(logits, labels)),
        brier=brier_score(probabilities, labels),
        reliability=reliability(probabilities.gather(1, best[:, :1]).squeeze(1), hits[:, 0]),
        confusion=torch.bincount(labels * k + best[:, 0], minlength=k * k).view(k, k),
    )


def answer(model: nn.Module, x: Tensor, classes: int, *, flip: bool) -> Tensor:
    """Logits (B, K), float32; flip: the mean of those of each image and its mirror image."""
    out: Tensor = model(x).float()
    check_classes(out, classes)
    return (out + model(x.flip(3)).float()) / 2 if flip else out


def check_numbers(logits: Tensor) -> None:
    """A largest logit for each image, or NotFiniteError; classes may be ruled out by -inf."""
    bad = int((~logits.max(1).values.isfinite()).sum())
    if bad:
        raise NotFiniteError(
            "model",
            got=f"logits that are NaN or infinite, for {bad:,} of {len(logits):,} images",
            expected="finite logits",
            do="use another checkpoint, or precision='float32'",
        )


def check_flip(flip: bool, mirror: bool, name: str) -> None:
    """ArgumentError where mirror images are asked for, and are none of the same class."""
    if flip and not mirror:
        raise ArgumentError(
            "flip",
            got=f"True for {name}",
            expected="data whose mirror images are of the same class (data.mirror)",
            do="use flip=False",
        )


def check_classes(logits: Tensor, classes: int) -> None:
    """The model answers with one number a class, or ArgumentError."""
    if logits.ndim != 2 or logits.shape[1] != classes:
        raise ArgumentError(
            "model",
            got=f"an output of shape {tuple(logits.shape)}",
            expected=f"(B, {classes}), one logit a class",
            do=f"make the model with classes={classes}",
        )
