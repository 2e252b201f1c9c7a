"""Coefficients that are fields, as the arrays that a fused level reads."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from torch import Tensor

from ..boxes import full
from ..operators import Diffusion
from .plain import is_array


class Fields(NamedTuple):
    """Edges along the axes, (B or 1, n0 + 1, n1) and (B or 1, n0, n1 + 1); c, (B or 1, n0, n1), or of no element."""

    edges0: np.ndarray
    edges1: np.ndarray
    reaction: np.ndarray

    @property
    def batch(self) -> int:
        return max(map(len, self))

    def around(self, by: int) -> Fields:
        """With `by` columns of the other end on either side, as a sweep reads them along a periodic axis."""
        n = self.edges1.shape[2] - 1
        column = np.arange(-by, n + by)
        across, along = column % n, np.append(column, n + by) % n
        c = self.reaction
        parts = ((self.edges0, across), (self.edges1, along), (c, across if c.size else column[:0]))
        return Fields(*(np.take(x, columns, axis=2) for x, columns in parts))


def fields(A: Diffusion) -> Fields | None:
    """Those of an operator in two dimensions; None where it has diagonal edges, or is no plain array on the CPU."""
    tensors = [*A.edges.values(), *(() if A.reaction is None else (A.reaction,))]
    if set(A.edges) != {(1, 0), (0, 1)} or not all(map(is_array, tensors)):
        return None
    edges0, edges1 = (_array(A, A.edges[direction], direction) for direction in ((1, 0), (0, 1)))
    c = np.zeros((1, 0, 0), edges0.dtype) if A.reaction is None else _array(A, A.reaction, (0, 0))
    return Fields(edges0, edges1, c)


def _array(A: Diffusion, x: Tensor, direction: tuple[int, ...]) -> np.ndarray:
    grid = [n + step for n, step in zip(A.shape, direction, strict=True)]
    return np.ascontiguousarray(full(x.detach(), A.shape, direction).reshape(-1, *grid).numpy())
