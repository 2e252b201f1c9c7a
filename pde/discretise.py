"""From coefficients to the edges of a grid's operator: second-order finite volumes around the points.

The flux between two points is `a (u_i - u_j) / h` times the face they share. Rows are divided by the volume of an
inner control volume, so that inside they are in the units of f; a row on a Neumann side is halved, and A symmetric.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from .axes import Axis
from .kernels import arrays, quick
from .kernels.plain import is_array
from .operators import Direction


def along(axis: int, ndim: int) -> Direction:
    """The step to the next point of an axis."""
    return tuple(int(i == axis) for i in range(ndim))


def line(values: np.ndarray, axis: int, ndim: int) -> Tensor:
    """Numbers along one axis, as a tensor (1, .., n, .., 1); a single number where all are equal."""
    return torch.tensor(along_axis(values, axis, ndim), dtype=torch.float64, device="cpu")


def along_axis(values: np.ndarray, axis: int, ndim: int) -> np.ndarray:
    """`line` as an array: what is kept from one problem to the next knows no device, and no mode that is on."""
    if (values == values[0]).all():
        values = values[:1]
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


def volumes(axes: Sequence[Axis], without: int | None = None) -> Tensor:
    """The control volumes over that of an inner point, or their faces across one axis: 1 inside, halves on sides."""
    return _product([_values(axis, "widths", i, len(axes)) for i, axis in enumerate(axes) if i != without])


def constant_edges(axes: Sequence[Axis], a: Sequence[float]) -> dict[Direction, Tensor]:
    """Edges of `-Σ a_i ∂²/∂x_i²` on points with any gaps: float64, an axis along which they are equal has size 1."""
    ndim, out = len(axes), {}
    widths = [_values(axis, "widths", i, ndim) for i, axis in enumerate(axes)]
    for i, axis in enumerate(axes):
        faces = [*widths[:i], *widths[i + 1 :]]
        out[along(i, ndim)] = _product([*faces, a[i] / axis.unit * _values(axis, "conductances", i, ndim)])
    return out


@functools.lru_cache(256)
def _values(axis: Axis, what: str, i: int, ndim: int) -> np.ndarray:
    return along_axis(getattr(axis, what), i, ndim)


def _product(lines: Sequence[np.ndarray]) -> Tensor:
    """In memory that was used before where it is large: where sides are Neumann's, edges are one a point."""
    *others, last = lines or [np.ones(1)]
    rest = functools.reduce(np.multiply, others, np.ones((1,) * last.ndim))
    shape = np.broadcast_shapes(rest.shape, last.shape)
    if math.prod(shape) * last.itemsize < arrays.SMALL:
        return torch.tensor(rest * last, device="cpu")
    x, y = (torch.tensor(z, device="cpu") for z in (rest, last))
    plain = type(x) is Tensor and is_array(x)  # no stand-in for a tensor
    return torch.mul(x, y, out=arrays.empty(shape, np.dtype(float)) if plain else None)


def field_edges(axes: Sequence[Axis], a: Tensor) -> dict[Direction, Tensor]:
    """Edges of `-∇·(a ∇)` on a uniform grid, a one number a cell: (..., *cells), cells the gaps that exist.

    A face cuts the cells around it into equal parts: its a is their mean (exact for jumps along grid lines).
    """
    ndim = len(axes)
    if ndim == 2 and quick(a):
        from .kernels import assembly

        return assembly.field_edges(axes, a)
    for i, axis in enumerate(axes):
        a = _closed_cells(a, i - ndim, axis)
    out = {}
    for i, axis in enumerate(axes):
        e = a / axis.unit**2
        for j in range(ndim):
            if j != i:
                n = axes[j].n
                e = (e.narrow(j - ndim, 0, n) + e.narrow(j - ndim, 1, n)) / 2
        out[along(i, ndim)] = e
    return out


def _closed_cells(a: Tensor, dim: int, axis: Axis) -> Tensor:
    """With an empty cell beyond each Neumann side, and the last cell of a periodic axis before the first too."""
    if axis.periodic:
        return torch.cat([a.narrow(dim, axis.n - 1, 1), a], dim)
    empty = torch.zeros_like(a.narrow(dim, 0, 1))
    low, high = ([empty] if side == "neumann" else [] for side in axis.sides)
    return torch.cat([*low, a, *high], dim)
