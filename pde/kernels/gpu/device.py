"""A `pde.kernels.plan.Plan` moved to a device, once: with three axes always, of one point those that there are not."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

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

    def tensor(self, batch: int, *, coarse: bool = False) -> Tensor:
        """One of any numbers: (B, 1, *grid), or of the coarse grid."""
        shape = self.coarse_shape if coarse else self.shape
        return self.reaction.new_empty(batch, 1, *shape[3 - self.ndim :])


def move(plan: Plan, device: torch.device, dtype: np.dtype | None = None) -> DevicePlan:
    """The plan of a level on a device, in its dtype or that given. Not for fields of coefficients."""
    dtype = plan.pre.dtype if dtype is None else dtype
    shifts, ndim = dict(plan.shifts), len(plan.axes)
    axes = [_axis(axis, shifts.get(i, 0), dtype) for i, axis in enumerate(plan.axes, start=-ndim)]
    axes = [_point(dtype)] * (3 - ndim) + axes
    first, second, third = (axis._replace(**{k: getattr(axis, k).to(device) for k in TENSORS}) for axis in axes)
    numbers = (np.array([plan.reaction]), plan.pre, plan.post)
    return DevicePlan((first, second, third), ndim, *(torch.from_numpy(x.astype(dtype)).to(device) for x in numbers))


TENSORS = ("table", "index", "weights")


def _axis(plan: AxisPlan, by: int, dtype: np.dtype) -> DeviceAxis:
    """by: of the restriction's `Shift`."""
    n, m = plan.n, plan.m
    if plan.coarsened:
        R, P = plan.restriction, _by_point(plan)
    else:
        R, P = np.zeros((3, m)), np.zeros((2, n))
        R[1], P[0] = 1, 1
    table = np.concatenate([plan.edges64, plan.widths, R.ravel(), P.ravel()]).astype(dtype)
    index = (np.maximum(plan.index, 0).T + by) % m  # what is missing has no weight
    parts = (table, index.astype(np.int32), plan.weights.T.astype(dtype))
    return DeviceAxis(
        *(torch.from_numpy(np.ascontiguousarray(x)) for x in parts),
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
