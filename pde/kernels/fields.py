"""Coefficients that are fields, as the arrays that a fused level reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..boxes import full
from ..discretise import along
from ..operators import Diffusion
from .plain import is_array


class Fields(NamedTuple):
    """Edges along each axis, (B or 1, *grid) with one more along it; c, (B or 1, *grid), or of no element."""

    edges: tuple[np.ndarray, ...]
    reaction: np.ndarray

    @property
    def batch(self) -> int:
        return max(len(self.edges[0]), len(self.reaction))

    @property
    def operator(self) -> tuple[object, ...]:
        """All flat, and whether edges and reaction are of a batch."""
        parts = (*self.edges, self.reaction)
        return *(x.reshape(-1) for x in parts), len(self.edges[0]) > 1, len(self.reaction) > 1

    def around(self, by: int) -> Fields:
        """With `by` columns of the other end on either side of the last axis, as a sweep of rows reads them."""
        n = self.edges[-1].shape[-1] - 1
        column = np.arange(-by, n + by)
        across, pairs = column % n, np.append(column, n + by) % n
        edges = *(np.take(x, across, axis=-1) for x in self.edges[:-1]), np.take(self.edges[-1], pairs, axis=-1)
        return Fields(edges, np.take(self.reaction, across if self.reaction.size else column[:0], axis=-1))


def fields(A: Diffusion) -> Fields | None:
    """Those of an operator; None where it has diagonal edges, or is no plain array on the CPU."""
    usual = [along(axis, A.ndim) for axis in range(A.ndim)]
    tensors = [*A.edges.values(), *(() if A.reaction is None else (A.reaction,))]
    if set(A.edges) != set(usual) or not all(map(is_array, tensors)):
        return None
    edges = tuple(_array(A, A.edges[direction], direction) for direction in usual)
    none = np.zeros((1, *[0] * A.ndim), edges[0].dtype)
    return Fields(edges, none if A.reaction is None else _array(A, A.reaction, (0,) * A.ndim))


def _array(A: Diffusion, x: Tensor, direction: tuple[int, ...]) -> np.ndarray:
    grid = [n + step for n, step in zip(A.shape, direction, strict=True)]
    if any(step and n == 1 and periodic for step, n, periodic in zip(direction, A.shape, A.periodic, strict=True)):
        x = torch.zeros_like(x)  # a point that is its own neighbour
    return np.ascontiguousarray(full(x.detach(), A.shape, direction).reshape(-1, *grid).numpy())
