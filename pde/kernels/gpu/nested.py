"""Nested iteration: a coarse solution, interpolated to a higher order, is the start on the next level."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .device import TAPS, DevicePlan
from .interpolate import interpolate as along
from .launch import HOW, tile


def interpolate(plan: DevicePlan, out: Tensor, coarse: Tensor, work: Tensor) -> Tensor:
    """out <- the interpolated coarse solution, axis by axis, the last one first. work: of the size of out."""
    shape, chosen = [coarse.shape[0], *plan.coarse_shape], [i for i, axis in enumerate(plan.axes) if axis.coarsened]
    x, room = coarse, work.reshape(-1)
    with torch.cuda.device_of(out):
        for i in reversed(chosen):
            axis = plan.axes[i]
            shape[i + 1] = axis.n
            if i == chosen[0]:
                y = out
            else:
                y, room = room[: math.prod(shape)], room[math.prod(shape) :]  # at most 1/4 and 1/2 of all
            rows, inner = math.prod(shape[: i + 2]), math.prod(shape[i + 2 :])
            high, wide = tile(rows, inner)
            grid = (math.ceil(rows / high) * math.ceil(inner / wide),)
            along[grid](
                y, x, axis.index, axis.weights, rows, inner, axis.n, axis.m, taps=TAPS, high=high, wide=wide, **HOW
            )  # fmt: skip
            x = y
    return out
