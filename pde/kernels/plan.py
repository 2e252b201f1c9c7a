"""What a fused level needs to know of a level, as plain arrays: read from its axes, its transfers and its smoothers.

Constant coefficients make an operator that is a sum over axes,

    (A u)_x = Σ_i (Π_{j≠i} w_j) [ e_i (u_x - u_before) + e_i' (u_x - u_after) ] + c (Π w) u_x

with edges e and widths w of each axis alone. On a uniform axis all e are equal and all w are 1, but beside a side;
where a grid of any size is coarsened some points are irregular.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unified.lines import Layout
from unified.multigrid import Level
from unified.smoother import AbstractSmoother

from ..axes import Axis
from ..coarsening import Grid
from ..polynomials import OverDiagonal, roots_of, scale_of
from ..transfers import lagrange
from .fields import Fields, fields


class Between(NamedTuple):
    """index: (k, 6), of coarse points, with any where there are fewer; weights: (6, k), zero there.

    regular: from and to, those around the middle that have its weights, and coarse points that follow each other.
    """

    index: np.ndarray
    weights: np.ndarray
    regular: tuple[int, int]


class AxisPlan(NamedTuple):
    """One axis of n points and its transfers to m coarse ones.

    edges: (n + 1,), edge k joins points k - 1 and k. widths: (n,). irregular: points whose edges or width are not those
    of the middle. first: of the points kept. restriction: (3, m), the shares of the points before, at and after coarse
    point k in it. prolongation: (4, ceil(n / 2)), of a pair of points 2g and 2g + 1: the shares of coarse points g - 1
    and g in the first, of g and g + 1 in the second; zero where a point is missing. An axis that is not coarsened has
    (3, 0) and (4, 0). index, weights: (n, 6), of the interpolation of solutions; index is -1 where there are fewer.
    between: the same of the points that are not kept, see `Between`.
    """

    edges: np.ndarray
    edges64: np.ndarray  # the same, as they were before rounding to the dtype of the level
    widths: np.ndarray
    periodic: bool
    irregular: np.ndarray
    first: int
    restriction: np.ndarray
    prolongation: np.ndarray
    index: np.ndarray
    weights: np.ndarray
    between: Between

    @property
    def n(self) -> int:
        return len(self.widths)

    @property
    def coarsened(self) -> bool:
        return self.restriction.shape[1] > 0

    @property
    def m(self) -> int:
        """Points of the coarse axis."""
        return self.restriction.shape[1] if self.coarsened else self.n


class Plan(NamedTuple):
    """A level: its axes, c, and the damping ω = 1/ρ of each smoothing step in units of D⁻¹, on the way down and up.

    shifts: (axis, by) of periodic coarse axes that count from another point: restricted residuals move by it.
    boxes: the level's own transfers are no product over axes. Then no axis is coarsened here: the residual that leaves
    the kernel, and the correction that enters it, are those of all points, and the level's R and P stand around it.
    """

    axes: tuple[AxisPlan, ...]
    reaction: float
    pre: np.ndarray
    post: np.ndarray
    shifts: tuple[tuple[int, int], ...]
    fields: Fields | None = None  # coefficients that vary: the axes tell of transfers alone
    boxes: bool = False
    order: int | None = None  # of the errors that nested iteration extrapolates, if it does


def plan(grid: Grid, level: Level, a: Sequence[float] | None, c: float | None, dtype: np.dtype) -> Plan | None:
    """The plan of a composed level; None where it has parts that no plan can tell of. a, c: None for a field."""
    smoothers = level.smoothers
    pre = dampings(smoothers[0], grid, dtype)
    post = pre if smoothers[0] is smoothers[1] else dampings(smoothers[1], grid, dtype)
    if pre is None or post is None or level.Pi is not None:
        return None
    ndim, varying, ways = len(grid.axes), None, grid.transfers
    boxes = ways is not None and ways.weights is not None
    chosen = () if ways is None or boxes else ways.chosen
    shifts = () if ways is None or boxes else tuple((i - ndim, -by) for i, by in ways.shifts.items())
    if a is None or c is None:
        varying = fields(grid.A)
        if varying is None:
            return None
    each = [1.0] * ndim if a is None else a
    axes = tuple(axis_plan(axis, each[i], i in chosen, dtype) for i, axis in enumerate(grid.axes))
    order = ways.order if ways is not None and ways.beyond is not None else None
    return Plan(axes, c or 0.0, pre, post, shifts, varying, boxes, order)


def dampings(smoother: AbstractSmoother | None, grid: Grid, dtype: np.dtype) -> np.ndarray | None:
    """ω of each step `u += ω D⁻¹ (f - A u)`; None where the smoother does something else."""
    if smoother is None:
        return np.zeros(0, dtype)
    if any(parameter.requires_grad for parameter in smoother.parameters()):
        return None
    if isinstance(smoother, OverDiagonal) and smoother.operator is grid.A and smoother.inverse.number is None:
        return _dampings(smoother.roots, dtype)
    try:
        roots, scale = roots_of(smoother), scale_of(smoother)
    except ValueError:
        return None
    diagonal = grid.A.diagonal
    if scale is None:
        if diagonal.numel() != 1:
            return None
        roots = roots / float(diagonal)
    elif not torch.allclose(scale * diagonal, torch.ones_like(diagonal)):
        return None
    return _dampings(roots, dtype)


def _dampings(roots: np.ndarray, dtype: np.dtype) -> np.ndarray | None:
    return None if (roots.imag != 0).any() else (1 / roots.real).astype(dtype)


@functools.lru_cache(64)
def axis_plan(axis: Axis, a: float, coarsened: bool, dtype: np.dtype) -> AxisPlan:
    """Of an axis whose transfers are those of `pde.transfers`: they follow from it alone. Not to be written to."""
    middle = axis.n // 2
    edges, widths = a / axis.unit * axis.conductances, axis.widths
    if axis.periodic and axis.n == 1:
        edges = np.zeros(2)  # a point that is its own neighbour
    usual = np.array([edges[middle], edges[middle], 1.0])
    each = np.stack([edges[:-1], edges[1:], widths], axis=1)
    irregular = np.flatnonzero((abs(each - usual) > 1e-14 * abs(usual)).any(axis=1))
    first, R, P = 0, np.zeros((3, 0)), np.zeros((4, 0))
    if coarsened:
        first = axis.first
        R, P = shares(Layout(-1, axis.n, first, axis.periodic), *map(torch.from_numpy, axis.weights()))
    index, weights = nodes(axis, coarsened)
    rounded = {"edges": edges, "widths": widths, "restriction": R, "prolongation": P, "weights": weights}
    rounded = {name: x.astype(dtype) for name, x in rounded.items()}
    points = slice(1 - first, None, 2) if coarsened else slice(0)
    between = of_between(np.maximum(index[points], 0), np.ascontiguousarray(rounded["weights"][points].T), first)
    return AxisPlan(
        edges64=edges, periodic=axis.periodic, irregular=irregular, first=first, index=index, between=between, **rounded
    )


def nodes(axis: Axis, coarsened: bool) -> tuple[np.ndarray, np.ndarray]:
    """index and weights of an `AxisPlan`; a point that is kept, as all are of an axis that stays, is its own."""
    index, weights = np.full((axis.n, 6), -1), np.zeros((axis.n, 6))
    kept = slice(axis.first, None, 2) if coarsened else slice(None)
    index[kept, 0], weights[kept, 0] = np.arange(len(index[kept])), 1
    if coarsened:
        number, share = lagrange(axis)
        between, taken = slice(1 - axis.first, None, 2), number.shape[1]
        index[between, :taken], weights[between, :taken] = number, np.where(number < 0, 0, share)
    return index, weights


def of_between(index: np.ndarray, weights: np.ndarray, first: int) -> Between:
    """With what is regular. first: see `AxisPlan`; the kept point before a regular one is done with it."""
    n = len(index)
    if n == 0:
        return Between(index, weights, (0, 0))
    middle = n // 2
    following = np.add.outer(np.arange(n) - middle, index[middle, 0] + np.arange(6))
    alike = (abs(weights - weights[:, middle, None]) < 1e-14).all(axis=0) & (index == following).all(axis=1)
    others = np.flatnonzero(~alike)
    after = int(np.searchsorted(others, middle))  # of those, the first that follows the middle
    begin = max(int(others[after - 1]) + 1 if after else 0, first)
    return Between(index, weights, (begin, max(int(others[after]) if after < len(others) else n, begin)))


def shares(layout: Layout, left: Tensor, right: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """restriction and prolongation of an `AxisPlan`."""
    first, kept, between = layout.first, layout.kept, layout.between
    # one more between at either end, which has no share
    to_before, to_after = np.zeros(between + 2), np.zeros(between + 2)
    to_before[1:-1], to_after[1:-1] = (x.double().reshape(-1).expand(between).cpu().numpy() for x in (left, right))
    if layout.periodic and between == kept:
        to_before[0], to_after[0] = to_before[-2], to_after[-2]
    elif not layout.periodic:
        to_before[1] *= first == 0  # no coarse point before the first one between
        to_after[-2] *= between - first < kept  # nor after the last
    k = np.arange(kept)
    R = np.stack([to_after[k + first], np.ones(kept), to_before[k + first + 1]]) / 2
    g = np.arange((layout.n + 1) // 2)
    P = np.zeros((4, len(g)))
    if first == 0:  # even points are kept, odd ones lie between
        P[1] = 1
        P[2, :between], P[3, :between] = to_before[1:-1], to_after[1:-1]
    else:
        P[0], P[1] = to_before[1:-1][: len(g)], to_after[1:-1][: len(g)]
        P[2, :kept] = 1
    return R, P
