"""Transfers along one axis, to and from every second point: of any number of points, with weights that may vary.

A point between two coarse ones is `left · before + right · after`; coarse points are taken as they are. Applied axis
by axis this is linear interpolation, or one that follows jumping coefficients (Alcouffe et al. 1981), on the axes
that are coarsened and on no other. The restriction is half the transpose: full weighting on a uniform grid.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import EllipsisType
from typing import final

import torch
from torch import Tensor, nn


@final
@dataclass(frozen=True)
class Layout:
    """Which points of an axis a coarser one keeps: every second one from `first` (0 or 1) of `n`.

    axis: counted from the end, -1 is the last. Beyond an end stands zero or, where periodic, the other end.
    """

    axis: int
    n: int
    first: int
    periodic: bool = False

    @property
    def kept(self) -> int:
        return len(range(self.first, self.n, 2))

    @property
    def between(self) -> int:
        return len(range(1 - self.first, self.n, 2))

    def take(self, x: Tensor, start: int, count: int, step: int = 1) -> Tensor:
        """`count` points along the axis: a view."""
        after = [slice(None)] * (-self.axis - 1)
        window: tuple[EllipsisType | slice, ...] = (..., slice(start, start + step * count, step), *after)
        return x[window]

    def fine(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The kept points of x and those between."""
        return self.take(x, self.first, self.kept, 2), self.take(x, 1 - self.first, self.between, 2)

    def beside(self, coarse: Tensor) -> tuple[Tensor, Tensor]:
        """The coarse points before and after each point between: (..., between, ...) both."""
        ends = coarse.new_zeros(()).expand(self.take(coarse, 0, 1).shape)
        low, high = (self.take(coarse, k, 1) for k in (self.kept - 1, 0)) if self.periodic else (ends, ends)
        padded = torch.cat([low, coarse, high], self.axis)
        start = 1 - self.first
        return self.take(padded, start, self.between), self.take(padded, start + 1, self.between)


class AbstractLineTransfer(nn.Module, ABC):
    """left, right: the shares that the coarse point before and the one after have in each point between.

    They broadcast to (..., between, ...).
    """

    left: Tensor
    right: Tensor

    def __init__(self, layout: Layout, left: Tensor, right: Tensor) -> None:
        super().__init__()
        self.layout = layout
        self.register_buffer("left", left, persistent=False)
        self.register_buffer("right", right, persistent=False)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...


@final
class LineProlongation(AbstractLineTransfer):
    """x: (..., kept, ...) -> (..., n, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        before, after = self.layout.beside(x)
        return interleave(self.layout, x, self.left * before + self.right * after)


def interleave(layout: Layout, kept: Tensor, between: Tensor) -> Tensor:
    """The fine points, from those kept and those between."""
    grid = list(kept.shape)
    grid[layout.axis] = layout.n
    y = kept.new_empty(grid)
    layout.take(y, layout.first, layout.kept, 2).copy_(kept)
    layout.take(y, 1 - layout.first, layout.between, 2).copy_(between)
    return y


@final
class LineRestriction(AbstractLineTransfer):
    """Half the transpose of `LineProlongation` with the same weights: (..., n, ...) -> (..., kept, ...)."""

    def forward(self, x: Tensor) -> Tensor:
        layout = self.layout
        kept, between = layout.fine(x)
        y = 0.5 * kept
        to_left, to_right = 0.5 * self.left * between, 0.5 * self.right * between
        # the point between number j lies after coarse point j - first and before the one that follows
        count = layout.between - layout.first
        layout.take(y, 0, count).add_(layout.take(to_left, layout.first, count))
        count = min(layout.between, layout.kept - 1 + layout.first)
        layout.take(y, 1 - layout.first, count).add_(layout.take(to_right, 0, count))
        if layout.periodic and layout.between == layout.kept:
            layout.take(y, 0, 1).add_(layout.take(to_right, layout.between - 1, 1))
        return y


@final
class LineInterpolation(nn.Module):
    """Points between from several coarse ones (cubic: four), coarse points as they are; zero beyond the ends.

    index: (between, k), of coarse points, -1 for a zero; weights: (between, k).
    """

    index: Tensor
    weights: Tensor

    def __init__(self, layout: Layout, index: Tensor, weights: Tensor) -> None:
        super().__init__()
        self.layout = layout
        self.register_buffer("index", index.clamp(min=0), persistent=False)
        self.register_buffer("weights", torch.where(index < 0, 0, weights), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        axis = self.layout.axis
        trailing = (-1, *[1] * (-axis - 1))
        between = sum(
            w.reshape(trailing) * x.index_select(axis, i) for i, w in zip(self.index.T, self.weights.T, strict=True)
        )
        assert isinstance(between, Tensor)
        return interleave(self.layout, x, between)
