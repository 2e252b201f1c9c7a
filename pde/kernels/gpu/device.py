"""A `pde.kernels.plan.Plan` moved to a device, once: with three axes always, of one point those that there are not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from unified.lines import LineInterpolation

from ..plan import AxisPlan, Plan

TAPS = 6  # coarse points that a point is interpolated from, at most


class DeviceAxis(NamedTuple):
    """One axis of n points, and its m coarse ones.

    table: edges (n + 1), widths (n), restriction (3, m) and prolongation (2, n), one after the other. Point i is
    prolonged from coarse points `(i - first) >> coarsened` and the next, by these shares; coarse point k is restricted
    from the points before, at and after `(k << coarsened) + first`. It stands at k + shift of a periodic coarse axis.
    index, weights: (TAPS, n), of the interpolation of solutions.
    """

    table: Tensor
    index: Tensor
    weights: Tensor
    n: int
    m: int
    first: int
    shift: int
    periodic: bool
    coarsened: bool


class DevicePlan(NamedTuple):
    """A level. reaction: (1,). pre, post: ω of each step. Numbers are tensors, for scalars would come as float32."""

    axes: tuple[DeviceAxis, DeviceAxis, DeviceAxis]
    ndim: int
    reaction: Tensor
    pre: Tensor
    post: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        n0, n1, n2 = (axis.n for axis in self.axes)
        return n0, n1, n2

    @property
    def coarse_shape(self) -> tuple[int, int, int]:
        m0, m1, m2 = (axis.m for axis in self.axes)
        return m0, m1, m2


def move(plan: Plan, interpolation: Iterable[nn.Module] | None, device: torch.device) -> DevicePlan:
    """The plan of a level, and its interpolation of solutions, on a device. Not for fields of coefficients."""
    ndim, dtype = len(plan.axes), plan.pre.dtype
    shifts = dict(plan.shifts)
    lines = {part.layout.axis: part for part in interpolation or () if isinstance(part, LineInterpolation)}
    axes = [_axis(axis, lines.get(i), shifts.get(i, 0)) for i, axis in enumerate(plan.axes, start=-ndim)]
    axes = [_point(dtype)] * (3 - ndim) + axes
    first, second, third = (axis._replace(**{k: getattr(axis, k).to(device) for k in TENSORS}) for axis in axes)
    numbers = (np.array([plan.reaction], dtype), plan.pre, plan.post)
    return DevicePlan((first, second, third), ndim, *(torch.from_numpy(x.copy()).to(device) for x in numbers))


TENSORS = ("table", "index", "weights")


def _axis(plan: AxisPlan, line: LineInterpolation | None, by: int) -> DeviceAxis:
    """by: of the restriction's `Shift`."""
    n, m = plan.n, plan.m
    edges = plan.edges if n > 1 or not plan.periodic else np.zeros_like(plan.edges)  # its own neighbour
    if plan.coarsened:
        R, P = plan.restriction, _by_point(plan)
    else:
        R, P = np.zeros((3, m), edges.dtype), np.zeros((2, n), edges.dtype)
        R[1], P[0] = 1, 1
    table = np.concatenate([edges, plan.widths, R.ravel(), P.ravel()])
    index, weights = _nodes(plan, line)
    index = (index + by) % m
    return DeviceAxis(
        *(torch.from_numpy(np.ascontiguousarray(x)) for x in (table, index.astype(np.int32), weights)),
        n=n, m=m, first=plan.first, shift=by % m, periodic=plan.periodic, coarsened=plan.coarsened,
    )  # fmt: skip


def _point(dtype: np.dtype) -> DeviceAxis:
    """An axis that there is not: one point without edges, of width 1, its own coarse point."""
    table = torch.from_numpy(np.array([0, 0, 1, 0, 1, 0, 1, 0], dtype))
    index, weights = torch.zeros(TAPS, 1, dtype=torch.int32), (torch.arange(TAPS)[:, None] == 0).to(table)
    return DeviceAxis(table, index, weights, n=1, m=1, first=0, shift=0, periodic=False, coarsened=False)


def _by_point(plan: AxisPlan) -> np.ndarray:
    """(2, n): the shares of the two coarse points of `DeviceAxis`, from those of pairs."""
    pairs = plan.prolongation
    low = pairs[:2] if plan.first == 1 else np.stack([pairs[1], pairs[0]])  # 0 or 1 kept: the near one is itself
    out = np.empty((2, 2 * pairs.shape[1]), pairs.dtype)
    out[:, 0::2], out[:, 1::2] = low, pairs[2:]
    return out[:, : plan.n]


def _nodes(plan: AxisPlan, line: LineInterpolation | None) -> tuple[np.ndarray, np.ndarray]:
    """Index and weights of all points: a kept one is its coarse point."""
    n = plan.n
    index, weights = np.zeros((TAPS, n), int), np.zeros((TAPS, n), plan.edges.dtype)
    kept = np.arange(plan.first, n, 2) if plan.coarsened else np.arange(n)
    index[0, kept], weights[0, kept] = np.arange(len(kept)), 1
    if line is not None:
        between, taps = np.arange(1 - plan.first, n, 2), line.index.shape[1]
        index[:taps, between], weights[:taps, between] = line.index.T.cpu(), line.weights.T.cpu()
    return index, weights
