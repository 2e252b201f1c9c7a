"""The ways to a grid's next coarser one and back, along the axes that are coarsened.

They are linear, or follow a field of coefficients (`pde.boxes`); solutions are interpolated to a higher order.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from unified.lines import Layout, LineInterpolation, LineProlongation, LineRestriction
from unified.multigrid import Level

from .axes import Axis
from .boxes import BoxProlongation, BoxRestriction, Interpolation
from .discretise import along_axis
from .operators import Diffusion


@final
class Transfers:
    """From a grid to the next coarser one and back. They are made when first asked for: fused levels need none of them.

    axes: of the fine grid; chosen: those coarsened; A: the fine grid's operator, whose dtype and device they have;
    weights: of transfers that follow a field on all axes at once. beyond: those of the next grid, where nested
    iteration extrapolates from two grids; order: of the discretisation, to which it does.
    """

    beyond: Transfers | None = None

    def __init__(
        self,
        axes: Sequence[Axis],
        chosen: Sequence[int],
        A: Diffusion,
        weights: Interpolation | None = None,
        *,
        order: int = 2,
    ) -> None:
        self.axes, self.chosen, self.A, self.weights, self.order = tuple(axes), tuple(chosen), A, weights, order

    @property
    def shifts(self) -> dict[int, int]:
        """Of each axis, by how many points the coarse one counts from elsewhere, where it does."""
        return {i: self.axes[i].shift for i in self.chosen if self.axes[i].shift}

    @functools.cached_property
    def lines(self) -> dict[int, LineRestriction]:
        """Of each axis, in no more than one dimension."""
        return {i: LineRestriction(self._layout(i), *self._shares(i)) for i in self.chosen}

    @functools.cached_property
    def restriction(self) -> nn.Module:
        parts: list[nn.Module] = [] if self.weights is None else [BoxRestriction(self.weights)]
        return self._in_turn(parts, {} if self.weights else self.lines)

    @functools.cached_property
    def prolongation(self) -> nn.Module:
        parts: list[nn.Module] = [] if self.weights is None else [BoxProlongation(self.weights)]
        lines = {} if self.weights else {i: LineProlongation(self._layout(i), *self._shares(i)) for i in self.chosen}
        return self._back(parts, lines)

    @functools.cached_property
    def interpolation(self) -> nn.Module:
        """Of solutions."""
        like, lines = self._like, {}
        for i in self.chosen:
            index, weights = lagrange(self.axes[i])
            numbers = torch.tensor(index, device=like.device), torch.tensor(weights, device="cpu").to(like)
            lines[i] = LineInterpolation(self._layout(i), *numbers)
        return self._back([], lines)

    @functools.cached_property
    def injection(self) -> nn.Module:
        """The values at the coarse points."""
        return self._in_turn([], {i: Kept(self._layout(i)) for i in self.chosen})

    def connect(self, level: Level) -> None:
        """Give a level its ways to the next."""
        level.R, level.P, level.interpolation = self.restriction, self.prolongation, self.interpolation
        if self.beyond is not None:
            level.extrapolation = Extrapolation(self.beyond.injection, self.beyond.interpolation, self.order)

    def _in_turn(self, parts: list[nn.Module], lines: Mapping[int, nn.Module]) -> nn.Module:
        """Axis by axis, to the coarse grid."""
        for i in self.chosen:
            parts += [lines[i]] if lines else []
            parts += [Shift(i - len(self.axes), -self.shifts[i])] if i in self.shifts else []
        return nn.Sequential(*parts)

    def _back(self, parts: list[nn.Module], lines: Mapping[int, nn.Module]) -> nn.Module:
        """The other way around."""
        for i in self.chosen:
            parts = [*([lines[i]] if lines else []), *parts]
            parts = [*([Shift(i - len(self.axes), self.shifts[i])] if i in self.shifts else []), *parts]
        return nn.Sequential(*parts)

    @property
    def _like(self) -> Tensor:
        return self.A.like

    def _layout(self, i: int) -> Layout:
        return layout(self.axes[i], i - len(self.axes))

    def _shares(self, i: int) -> tuple[Tensor, Tensor]:
        left, right = (torch.tensor(w, device="cpu") for w in _shares(self.axes[i], i, len(self.axes)))
        return left.to(self._like), right.to(self._like)


@functools.lru_cache(256)
def _shares(axis: Axis, i: int, ndim: int) -> tuple[np.ndarray, np.ndarray]:
    """`Axis.weights`, along axis i."""
    left, right = axis.weights()
    return along_axis(left, i, ndim), along_axis(right, i, ndim)


def layout(axis: Axis, at: int) -> Layout:
    return Layout(at, axis.n, axis.first, axis.periodic)


@final
class Kept(nn.Module):
    """The points of an axis that a coarser one keeps: (..., n, ...) -> (..., kept, ...)."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.layout = layout

    def forward(self, x: Tensor) -> Tensor:
        return self.layout.take(x, self.layout.first, self.layout.kept, 2)


@final
class Extrapolation(nn.Module):
    """The solution of a grid at the points of the next coarser one, from those of the two grids below it.

    With errors u_h - u = h^p w + O(h^(p+2)), u_2h + (u_2h - u_4h) / 2^p is u_h to the order p + 2 (extrapolation
    cascadic multigrid: Pan, He & Hu 2017). The difference is known where u_4h is; it is smooth, and interpolated as
    solutions are. Where a solution is not smooth the start is no worse than without, to a factor.
    """

    def __init__(self, injection: nn.Module, interpolation: nn.Module, order: int) -> None:
        super().__init__()
        self.injection, self.interpolation, self.order = injection, interpolation, order

    def difference(self, u: Tensor, below: Tensor) -> Tensor:
        """(u_2h - u_4h) / 2^p at the points of the 4h grid."""
        taken = self.injection(u).contiguous()  # a strided difference would be slow
        return (taken - below).mul_(2.0**-self.order)

    def forward(self, u: Tensor, below: Tensor) -> Tensor:
        """u: (B, 1, *grid of 2h), below: (B, 1, *grid of 4h) -> as u."""
        out: Tensor = u + self.interpolation(self.difference(u, below))
        return out


@final
class Shift(nn.Module):
    """Counts a periodic axis from another point: x moves `by` points on."""

    def __init__(self, axis: int, by: int) -> None:
        super().__init__()
        self.axis, self.by = axis, by

    def forward(self, x: Tensor) -> Tensor:
        return x.roll(self.by, self.axis)


@functools.lru_cache(256)
def lagrange(axis: Axis) -> tuple[np.ndarray, np.ndarray]:
    """Index and weights, (between, 6), of interpolation by the polynomial through the six nearest coarse points.

    Dirichlet sides count as points of value zero. Full multigrid needs an interpolation of higher order than the
    discretisation (Trottenberg et al. 2001, 3.2.2). Where there are fewer points, all are taken.
    """
    gaps = np.where(np.isinf(axis.gaps), 0, axis.gaps / axis.unit)
    position = np.cumsum(gaps)[:-1]
    kept = np.arange(axis.first, axis.n, 2)
    known, number = position[kept], np.arange(len(kept))
    if axis.periodic:
        period = gaps[1:].sum()
        known = np.concatenate([known - period, known, known + period])
        number = np.tile(number, 3)
    for end, (side, at) in enumerate(zip(axis.sides, (0.0, gaps.sum()), strict=True)):
        if side == "dirichlet":
            known = np.insert(known, end * len(known), at)
            number = np.insert(number, end * len(number), -1)
    size = min(6, len(known))
    x = position[1 - axis.first :: 2, None]
    start = np.clip(np.searchsorted(known, x) - size // 2, 0, len(known) - size)
    window = start + np.arange(size)
    nodes = known[window]
    # Lagrange: Π (x - other) / Π (node - other)
    apart = nodes[:, :, None] - nodes[:, None] + np.eye(size)
    away = x - nodes
    weights = away.prod(axis=1, keepdims=True) / away / apart.prod(axis=2)
    return number[window], weights
