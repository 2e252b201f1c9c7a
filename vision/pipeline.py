"""One epoch of training batches, on the device that holds the data: shuffled, augmented, normalised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from .augment import augment, cutout, normalise
from .augmentation import Augmentation
from .data import ImageData
from .mixing import mix
from .policy import POLICIES, apply_policy


class Batch(NamedTuple):
    """What a step needs: `F.cross_entropy(model(images), target)`."""

    images: Tensor  # float32 (B, C, H, W)
    target: Tensor  # int64 (B,), the labels; or float32 (B, K), shares, of mixed images
    labels: Tensor  # int64 (B,): of the largest share


def epoch_seed(seed: int, epoch: int) -> int:
    """The seed of one epoch of a run."""
    return int(np.random.SeedSequence((seed, epoch)).generate_state(1, np.uint32)[0])


def epoch_batches(data: ImageData, size: int, settings: Augmentation, *, seed: int, epoch: int) -> Iterator[Batch]:
    """Batches of epoch 1, 2, ... of a run, all of `size`; a last, smaller one is left out.

    (seed, epoch) decides everything. Raises ArgumentError for settings that do not fit the images.
    """
    settings = settings.resolved(data)
    images, labels = data.train_images, data.train_labels
    generator = torch.Generator(images.device).manual_seed(epoch_seed(seed, epoch))
    order = torch.randperm(len(images), generator=generator, device=images.device)
    mirrored = _alternating(len(images), images.device, seed, epoch) if settings.flip == "alternating" else None
    for index in order[: len(order) // size * size].split(size):
        flip = settings.flip if mirrored is None else mirrored[index]
        x = augment(images[index], pad=settings.crop, flip=flip, fill=settings.fill, generator=generator)
        if settings.policy != "none":
            x = apply_policy(POLICIES[settings.policy], x, settings.fill or 0, generator)
        x, y = normalise(x, data.mean, data.std), labels[index]
        if settings.cutout:
            x = cutout(x, settings.cutout, generator)
        if settings.mixup or settings.cutmix:
            x, target = mix(x, y, len(data.classes), mixup=settings.mixup, cutmix=settings.cutmix, generator=generator)
            yield Batch(x, target, target.argmax(1))
        else:
            yield Batch(x, y, y)


def _alternating(n: int, device: torch.device, seed: int, epoch: int) -> Tensor:
    """Which images are mirrored (n,): a random half at first, then each every other epoch.

    So two epochs in a row show both (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", section 3.6).
    """
    first = torch.rand(n, generator=torch.Generator(device).manual_seed(epoch_seed(seed, 0)), device=device) < 0.5
    return first ^ (epoch % 2 == 0)
