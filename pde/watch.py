"""Watching a solve: the user's callback and a progress bar, told of every iterate."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Literal, Self, final

import torch
from torch import Tensor
from tqdm import tqdm

from unified.errors import ArgumentError
from unified.solution import Result, mean_rate

Progress = bool | Literal["always"]


@final
@dataclass(frozen=True, eq=False)
class Iterate:
    """What a callback is told: the cycle (0 is the start), the relative residual after it, and u.

    u: in the shape of f, without a graph. Copy it to keep it: the solver may write where it lies.
    """

    cycle: int
    residual: float
    u: Tensor


Callback = Callable[[Iterate], object]


@final
class Watch(AbstractContextManager["Watch"]):
    """Tells callback and bar of iterates. shape: that of the user's f; dtype: its precision, where rtol = 0 ends."""

    def __init__(
        self, callback: Callback | None, progress: Progress, *, shape: Sequence[int], rtol: float, dtype: torch.dtype
    ) -> None:
        self.callback, self.shape, self.started = callback, shape, math.nan
        self.goal = max(rtol, torch.finfo(dtype).eps)
        self.bar = _bar(progress) if progress else None

    def see(self, u: Tensor, residuals: Sequence[float]) -> Result | None:
        """To be called for each iterate, with the history so far; `Result.stopped` if the callback asks for it."""
        if len(residuals) == 1:
            self.started = time.perf_counter()
        if self.bar is not None:
            self.bar.set_description_str(_text(residuals), refresh=False)
            self.bar.update(share(residuals, self.goal) - self.bar.n)
        if self.callback is None:
            return None
        told = Iterate(len(residuals) - 1, residuals[-1], u.detach().reshape(self.shape))
        return Result.stopped if self.callback(told) else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()


def share(residuals: Sequence[float], goal: float) -> float:
    """The part of the way from the first residual to the goal, on a logarithmic scale: 0 to 1.

    >>> share([1.0, 1e-2], 1e-8)
    0.25
    """
    first, last = residuals[0], residuals[-1]
    if last <= goal:
        return 1.0
    if not 0 < last < first < math.inf:
        return 0.0
    return math.log(first / last) / math.log(first / goal)


def check_watching(callback: object, progress: object) -> None:
    if callback is not None and not callable(callback):
        do = "e.g. callback=lambda it: print(it.cycle, it.residual)"
        raise ArgumentError("callback", got=type(callback).__name__, expected="a function of an Iterate", do=do)
    if not isinstance(progress, bool) and not (isinstance(progress, str) and progress == "always"):
        expected = 'True (on a terminal), False or "always"'
        raise ArgumentError("progress", got=repr(progress), expected=expected, do="use progress=True")


def _bar(progress: Progress) -> tqdm:
    return tqdm(
        desc="start",
        total=1.0,
        miniters=0,  # as a share grows by less than 1
        disable=False if progress == "always" else None,  # None: unless stderr is a terminal
        dynamic_ncols=True,
        bar_format="{percentage:3.0f}% |{bar}| {desc} [{elapsed}]",
    )


def _text(residuals: Sequence[float]) -> str:
    cycles = len(residuals) - 1
    rate = f", rate {mean_rate(residuals):.3f}" if cycles else ""
    return f"{cycles} cycle{'' if cycles == 1 else 's'}, residual {residuals[-1]:.1e}{rate}"
