"""The kernels of `stencils`, from tensors to tensors, on all threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unified.lines import LineRestriction

from ..axes import Axis
from ..operators import Diffusion, Direction
from . import arrays, stencils, threads, volume_stencils
from .fields import Fields, fields
from .plan import shares


class Survey(NamedTuple):
    """Of an operator: its least edge and diagonal, the largest sum of a row's absolute values, and that over D."""

    least_edge: float
    least_diagonal: float
    radius: float
    relative: float


def field_edges(axes: Sequence[Axis], a: Tensor) -> dict[Direction, Tensor]:
    """`pde.discretise.field_edges` in two dimensions."""
    cells = _array(a)
    grid = [axis.n for axis in axes]
    edges = _edges(len(cells), grid, cells.dtype)
    first = [int(axis.sides[0] != "dirichlet") for axis in axes]
    scales = [cells.dtype.type(0.5 / axis.unit**2) for axis in axes]
    around = [axis.periodic for axis in axes]
    _run(stencils.edges_of_cells, grid[0] + 1, (cells, *first, *around, *scales, *edges))
    return {(1, 0): _tensor(edges[0], a), (0, 1): _tensor(edges[1], a)}


SURVEYS = {2: stencils.survey, 3: volume_stencils.survey}


def survey(A: Diffusion) -> Survey:
    """Of an operator without negative edges: what its least edge is tells."""
    parts = _fields(A)
    found = np.array(_run(SURVEYS[A.ndim], A.shape[0], (*parts.edges, parts.reaction), 4))
    return Survey(*map(float, (*found[:, :2].min(0), *found[:, 2:].max(0))))


def varies(a: Tensor, ndim: int, bound: float) -> bool:
    """Whether neighbouring cells of a field (..., *cells) differ by more than a factor; two or three dimensions."""
    shape = a.shape[-ndim:]
    cells = np.ascontiguousarray(a.detach().reshape(-1, *[1] * (3 - ndim), *shape).numpy())
    return bool(np.any(_run(stencils.varied, cells.shape[1] * cells.shape[2], (cells, cells.dtype.type(bound)), 1)))


def is_steep(A: Diffusion, axes: Sequence[Axis], bound: float) -> bool:
    """Whether neighbouring edges differ by more than a factor, but for the grid's share."""
    edges = _fields(A).edges
    dtype = edges[0].dtype
    lines = [(axis.conductances.astype(dtype), axis.widths.astype(dtype)) for axis in axes]
    if A.ndim == 2:
        return bool(np.any(_run(stencils.steep, A.shape[0], (*edges, *lines, dtype.type(bound)), 1)))
    for axis, e in enumerate(edges):
        shares = (along if i == axis else across for i, (along, across) in enumerate(lines))
        if np.any(_run(volume_stencils.steep, e.shape[1], (e, *shares, dtype.type(bound)), 1)):
            return True
    return False


def averaged(A: Diffusion, lines: Mapping[int, LineRestriction]) -> dict[Direction, Tensor]:
    """The edges of `pde.averaging.averaged` in two dimensions."""
    fine, like = _fields(A).edges, A.like
    dtype, coarse, transfers = fine[0].dtype, list(A.shape), []
    for i in range(2):
        first, R, around = 0, np.zeros((3, 0), dtype), False
        if i in lines:
            layout = lines[i].layout
            first, around, coarse[i] = layout.first, layout.periodic and layout.between == layout.kept, layout.kept
            R = shares(layout, lines[i].left, lines[i].right)[0].astype(dtype)
        transfers += [first, R, around]
    edges = _edges(len(fine[0]), coarse, dtype)
    _run(stencils.average, coarse[0] + 1, (*fine, *transfers, *edges))
    return {(1, 0): _tensor(edges[0], like), (0, 1): _tensor(edges[1], like)}


def _fields(A: Diffusion) -> Fields:
    out = fields(A)
    assert out is not None
    return out


def _array(x: Tensor) -> np.ndarray:
    return np.ascontiguousarray(x.detach().reshape(-1, *x.shape[-2:]).numpy())


def _edges(batch: int, grid: Sequence[int], dtype: np.dtype) -> list[np.ndarray]:
    """Room for those of both axes."""
    shapes = ([n + (i == axis) for i, n in enumerate(grid)] for axis in range(2))
    return [arrays.empty((batch, *shape), dtype).numpy() for shape in shapes]


def _tensor(x: np.ndarray, like: Tensor) -> Tensor:
    """Of a batch, (B, 1, ..), or not, as like is."""
    return torch.from_numpy(x).reshape(*like.shape[:-2], *x.shape[-2:])


def _run(
    function: Callable[..., None], n: int, arguments: tuple[object, ...], results: int | None = None
) -> list[np.ndarray]:
    """On rows 0 to n, by the threads that they are worth; the results of each."""
    points = max(getattr(x, "size", 0) for x in arguments)
    jobs = [(span, *arguments) for span in threads.slabs(n, points)]
    kind = (function, *(getattr(x, "dtype", None) for x in arguments))
    if results is not None:
        return threads.collect(function, jobs, (results,), kind)
    threads.run(function, jobs, kind)
    return []
