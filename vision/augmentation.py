"""The settings of augmentation: plain values, as a file or a command line holds them. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Literal, get_args

from unified.errors import ArgumentError

if TYPE_CHECKING:
    from .data import ImageData

PolicyName = Literal["none", "trivial", "autoaugment"]


@dataclass(frozen=True)
class Augmentation:
    """What is done to training images, in the order of these settings; the defaults are for any data set."""

    crop: int | None = None
    """Random shifts by up to so many pixels; 0: off; None: an eighth of the image."""
    fill: int | None = None
    """Value 0..255 beyond an image's edges; None: reflected when shifted, 0 in a policy's rotations and shears."""
    flip: bool | Literal["alternating"] | None = None
    """Mirror images: random ones, or alternating from epoch to epoch (Jordan 2024); None: where the data allow it."""
    policy: PolicyName = "none"
    """trivial: TrivialAugment; autoaugment: the policy that was searched for CIFAR-10."""
    cutout: int = 0
    """Side in pixels of a square of the mean colour; 0: off."""
    mixup: float = 0.0
    """α of mixup's Beta(α, α); 0: off. With cutmix on too, each image gets one of them."""
    cutmix: float = 0.0
    """α of CutMix's Beta(α, α); 0: off."""

    def __post_init__(self) -> None:
        """Raise ArgumentError for settings that cannot be used.

        >>> Augmentation(fill=256)
        Traceback (most recent call last):
        ...
        unified.errors.ArgumentError: fill: got 256; expected an integer in 0..255, or None; use fill=None
        """
        self._check("crop", self.crop is None or _whole(self.crop), "an integer >= 0, or None")
        value = self.fill is None or (_whole(self.fill) and self.fill <= 255)
        self._check("fill", value, "an integer in 0..255, or None")
        known = self.flip is None or isinstance(self.flip, bool) or self.flip == "alternating"
        self._check("flip", known, "True, False, 'alternating' or None")
        self._check("policy", self.policy in get_args(PolicyName), f"one of {', '.join(get_args(PolicyName))}")
        self._check("cutout", _whole(self.cutout), "an integer >= 0")
        for name in ("mixup", "cutmix"):
            alpha = getattr(self, name)
            real = isinstance(alpha, (int, float)) and not isinstance(alpha, bool) and math.isfinite(alpha)
            self._check(name, real and alpha >= 0, "a finite number >= 0")

    def _check(self, name: str, good: bool, expected: str) -> None:
        if not good:
            default = next(f.default for f in fields(self) if f.name == name)
            raise ArgumentError(name, got=repr(getattr(self, name)), expected=expected, do=f"use {name}={default!r}")

    def resolved(self, data: ImageData) -> Augmentation:
        """The same for these images: no None in crop and flip. ArgumentError for what does not fit them."""
        channels, *sides = data.image_shape
        side = min(sides)
        for name, pixels in (("crop", self.crop or 0), ("cutout", self.cutout)):
            if pixels >= side:
                expected = f"less than the {side} pixels of an image"
                raise ArgumentError(name, got=pixels, expected=expected, do=f"use a smaller {name}")
        if self.policy != "none" and channels not in (1, 3):
            expected = "images of 1 or 3 channels for a policy"
            raise ArgumentError("policy", got=f"{channels} channels", expected=expected, do="use policy='none'")
        crop = side // 8 if self.crop is None else self.crop
        return replace(self, crop=crop, flip=data.mirror if self.flip is None else self.flip)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
