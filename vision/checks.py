"""Checks of what the factories are given, and of the images that a network is given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from torch import Tensor

from unified.errors import ArgumentError, whole

T = TypeVar("T")


def pick(argument: str, name: object, table: Mapping[str, T]) -> T:
    """The table's entry of that name."""
    if not isinstance(name, str) or name not in table:
        known = ", ".join(table)
        raise ArgumentError(
            argument, got=repr(name), expected=f"one of {known}", do=f"use {argument}={next(iter(table))!r}"
        )
    return table[name]


def slot(argument: str, filling: object, table: Mapping[str, T]) -> T:
    """A filling of one's own, or the table's of that name."""
    return filling if callable(filling) else pick(argument, filling, table)  # type: ignore[return-value]


def check_sizes(steps: Sequence[int], classes: int, in_channels: int) -> None:
    """Steps of each level, 1 or more; classes; channels of the images."""
    if len(steps) == 0 or min(steps) < 1:
        raise ArgumentError(
            "steps", got=steps, expected="at least one level of at least one step", do="use (2, 2, 2, 2)"
        )
    for n in steps:
        whole("steps", n, do="use (2, 2, 2, 2)")
    whole("classes", classes, do="one for each class of the data")
    whole("in_channels", in_channels, do="3 for colour, 1 for grey images")


def each_level(argument: str, value: int | Sequence[int], levels: int) -> list[int]:
    """One number of channels a level: the same on all, or as given."""
    channels = list(value) if isinstance(value, Iterable) else [value] * levels
    if len(channels) != levels:
        raise ArgumentError(
            argument, got=f"{len(channels)} levels", expected=f"{levels}, as steps", do="give one number a level"
        )
    for c in channels:
        whole(argument, c, do="see vision.MODELS")
    return channels


def scaled(channels: Sequence[int], width: float) -> list[int]:
    """`width` times the channels, rounded; a multiple of the channels before stays that multiple."""
    if not (math.isfinite(width) and width > 0):
        raise ArgumentError("width", got=width, expected="a finite number > 0", do="use width=1")
    rounded = [round(width * channels[0])]
    for before, c in itertools.pairwise(channels):
        rounded.append(round(width * c) if c % before else rounded[-1] * (c // before))
    for c in rounded:
        whole("channels", c, do="use a larger width")
    return rounded


def check_images(images: Tensor, smallest: int, levels: int) -> None:
    """(B, C, H, W) with sides of `smallest` or more."""
    if images.ndim != 4 or min(images.shape[-2:]) < smallest:
        raise ArgumentError(
            "images",
            got=f"shape {tuple(images.shape)}",
            expected=f"(B, C, H, W) with H, W >= {smallest} for {levels} levels",
            do="use larger images, or fewer levels (a shorter `steps`)",
        )
