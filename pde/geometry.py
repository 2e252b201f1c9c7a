"""What a problem's shape, sides, spacing and device may be: read and checked."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from numbers import Real

import torch

from unified.errors import ArgumentError

from .axes import Side

SIDES = ("dirichlet", "neumann", "periodic")
LEAST = 3  # points an axis


def intervals(n: int, sides: tuple[Side, Side]) -> int:
    return n if sides[0] == "periodic" else n + 1 - sides.count("neumann")


def read_shape(shape: Sequence[int]) -> tuple[int, ...]:
    try:
        grid = tuple(operator.index(n) for n in shape)
    except TypeError:
        grid = ()
    if not 1 <= len(grid) <= 3 or min(grid) < LEAST:
        expected = f"1 to 3 whole numbers >= {LEAST}, the points of each axis"
        raise ArgumentError("shape", got=repr(shape), expected=expected, do="e.g. (255, 255)")
    return grid


def read_sides(bc: object, ndim: int) -> tuple[tuple[str, str], ...]:
    axes = [bc] * ndim if isinstance(bc, str) else bc
    if isinstance(axes, list | tuple) and len(axes) == ndim:
        pairs = [(axis, axis) if isinstance(axis, str) else axis for axis in axes]
        if all(isinstance(pair, list | tuple) and len(pair) == 2 and set(pair) <= set(SIDES) for pair in pairs):
            if all(pair[0] == pair[1] for pair in pairs if "periodic" in pair):
                return tuple((pair[0], pair[1]) for pair in pairs)
            raise ArgumentError(
                "bc", got=repr(bc), expected="periodic on both sides of an axis, or on none", do='use "periodic"'
            )
    expected = f"one of {', '.join(SIDES)}; or {ndim} of them, one for each axis, each a word or a pair (lower, upper)"
    raise ArgumentError("bc", got=repr(bc), expected=expected, do='use "dirichlet"')


def read_spacing(
    spacing: float | Sequence[float] | None, grid: Sequence[int], sides: Sequence[tuple[Side, Side]]
) -> tuple[float, ...]:
    if spacing is None:
        return tuple(1 / intervals(n, pair) for n, pair in zip(grid, sides, strict=True))
    try:
        h = (float(spacing),) * len(grid) if isinstance(spacing, Real) else tuple(map(float, spacing))
    except (TypeError, ValueError):
        h = ()
    if len(h) != len(grid) or not all(1e-100 <= x <= 1e100 for x in h):  # 1/h² stays finite
        raise ArgumentError(
            "spacing",
            got=repr(spacing),
            expected=f"a positive number from 1e-100 to 1e100, or {len(grid)} of them, one for each axis",
            do="leave it out for the unit box",
        )
    return h


def read_device(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device  # "cuda" becomes "cuda:0", as tensors say it
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ArgumentError(
            "device", got=repr(device), expected="a device that torch can use here", do='use "cpu"'
        ) from error
