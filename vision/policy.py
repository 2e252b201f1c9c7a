"""Augmentation policies as data: rows of operations, one row drawn for each image.

TrivialAugment (Müller & Hutter 2021, "wide") draws one of 14 operations and one of 31 strengths for it; AutoAugment
(Cubuk et al. 2019) one of 25 searched pairs. Ranges are those of the authors' published codes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .affine import MATRICES
from .operations import PIXELS, operate

NAMES = ("identity", *(name for name in (*PIXELS, *MATRICES) if name != "identity"))


class Step(NamedTuple):
    """An operation, its value, whether the value's sign is drawn, and how likely it is done at all."""

    operation: str
    value: float = 0.0
    signed: bool = False
    chance: float = 1.0


class Policy(NamedTuple):
    """R rows of S steps, as tables (R, S) on the CPU."""

    operation: Tensor  # int64, of NAMES
    value: Tensor  # float64
    signed: Tensor  # bool
    chance: Tensor


def tabulate(rows: list[tuple[Step, ...]]) -> Policy:
    """The policy that draws one of these rows, all of equally many steps, for each image."""
    names, values, signed, chances = zip(*(zip(*row, strict=True) for row in rows), strict=True)
    return Policy(
        torch.tensor([[NAMES.index(name) for name in row] for row in names]),
        torch.tensor(values, dtype=torch.float64),
        torch.tensor(signed),
        torch.tensor(chances),
    )


def apply_policy(policy: Policy, images: Tensor, fill: int, generator: torch.Generator) -> Tensor:
    """Each image uint8 (B, C, H, W), C = 1 or 3, through a row of its own; fill: the value outside of an image."""
    b, device = len(images), images.device
    r, s = policy.value.shape
    row = torch.randint(r, (1, b), generator=generator, device=device)
    coins = torch.rand(2 * s, b, generator=generator, device=device)
    drawn = torch.cat([row, coins]).cpu()  # the one wait for the device: the groups' sizes are needed
    row, chances, signs = drawn[0].long(), drawn[1 : 1 + s], drawn[1 + s :]
    for i in range(s):
        operation = policy.operation[row, i].where(chances[i] < policy.chance[row, i], 0)
        value = policy.value[row, i]
        value = torch.where(policy.signed[row, i] & (signs[i] < 0.5), -value, value)
        out = images.clone()
        for which in operation.unique().tolist():
            if NAMES[which] != "identity":
                group = (operation == which).nonzero().squeeze(1)
                index = group.to(device)
                out[index] = operate(NAMES[which], images[index], value[group].to(device), fill)
        images = out
    return images


def _trivial() -> Policy:
    """The wide space, with its 31 strengths 0..1."""
    strengths: dict[str, Callable[[float], float]] = {
        "identity": lambda s: 0.0,
        "autocontrast": lambda s: 0.0,
        "equalise": lambda s: 0.0,
        "rotate": lambda s: int(135 * s),
        "solarise": lambda s: 256 - int(256 * s),
        "colour": lambda s: 0.01 + 1.99 * s,
        "posterise": lambda s: 8 - int(6 * s),
        "contrast": lambda s: 0.01 + 1.99 * s,
        "brightness": lambda s: 0.01 + 1.99 * s,
        "sharpness": lambda s: 0.01 + 1.99 * s,
        "shear_x": lambda s: 0.99 * s,
        "shear_y": lambda s: 0.99 * s,
        "translate_x": lambda s: int(32 * s),
        "translate_y": lambda s: int(32 * s),
    }
    levels = range(31)
    return tabulate([(Step(name, at(i / 30), name in _SIGNED),) for name, at in strengths.items() for i in levels])


_SIGNED = ("rotate", "shear_x", "shear_y", "translate_x", "translate_y")

_LEVELS: dict[str, Callable[[int], float]] = {  # AutoAugment's strengths, levels 0..9
    "autocontrast": lambda level: 0.0,
    "brightness": lambda level: 0.1 + 0.18 * level,
    "colour": lambda level: 0.1 + 0.18 * level,
    "contrast": lambda level: 0.1 + 0.18 * level,
    "equalise": lambda level: 0.0,
    "invert": lambda level: 0.0,
    "posterise": lambda level: 4 - level * 4 // 10,
    "rotate": lambda level: 3 * level,
    "sharpness": lambda level: 0.1 + 0.18 * level,
    "shear_x": lambda level: 0.03 * level,
    "shear_y": lambda level: 0.03 * level,
    "solarise": lambda level: 256 - level * 256 // 10,
    "translate_x": lambda level: level,
    "translate_y": lambda level: level,
}

# operation, chance in tenths, level; twice a row: Cubuk et al. 2019, table 7 (CIFAR-10)
_CIFAR10 = """
    invert 1 7 contrast 2 6
    rotate 7 2 translate_x 3 9
    sharpness 8 1 sharpness 9 3
    shear_y 5 8 translate_y 7 9
    autocontrast 5 8 equalise 9 2
    shear_y 2 7 posterise 3 7
    colour 4 3 brightness 6 7
    sharpness 3 9 brightness 7 9
    equalise 6 5 equalise 5 1
    contrast 6 7 sharpness 6 5
    colour 7 7 translate_x 5 8
    equalise 3 7 autocontrast 4 8
    translate_y 4 3 sharpness 2 6
    brightness 9 6 colour 2 8
    solarise 5 2 invert 0 3
    equalise 2 0 autocontrast 6 0
    equalise 2 8 equalise 6 4
    colour 9 9 equalise 6 6
    autocontrast 8 4 solarise 2 8
    brightness 1 3 colour 7 0
    solarise 4 5 autocontrast 9 3
    translate_y 9 9 translate_y 7 9
    autocontrast 9 2 solarise 8 3
    equalise 8 8 invert 1 3
    translate_y 7 9 autocontrast 9 1
"""


def _autoaugment() -> Policy:
    rows = (line.split() for line in _CIFAR10.strip().splitlines())
    return tabulate([(_searched(*words[:3]), _searched(*words[3:])) for words in rows])


def _searched(name: str, tenths: str, level: str) -> Step:
    return Step(name, _LEVELS[name](int(level)), name in _SIGNED, int(tenths) / 10)


POLICIES = {"trivial": _trivial(), "autoaugment": _autoaugment()}
