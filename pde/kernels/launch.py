"""The compiled kernels on the arrays of one level: on all threads, each with a slab of rows or a part of the batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np
import torch

from . import field_norms, nested, norms, threads, volume, wavefront
from .plan import Plan
from .start import NESTED

SINGLE = 2**15  # points that one thread does faster than two
SWEEPS = {2: wavefront.sweep, 3: volume.sweep}
# points of a row, or of rows, in a strip: they stay in cache
WIDTHS = {2: {"constant": 2**12, "varying": 2**10}, 3: {"constant": 2**14, "varying": 2**14}}


@final
class Kernels:
    """The sweep, the norms and the interpolation of solutions of a level: NumPy arrays (B, *grid) in and out."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.dtype = plan, plan.pre.dtype
        self.shape = tuple(axis.n for axis in plan.axes)
        self.coarse_shape = tuple(axis.m for axis in plan.axes)
        ndim = len(self.shape)
        self._sweep = SWEEPS[ndim]
        points = WIDTHS[ndim]["constant" if plan.fields is None else "varying"]
        self._width = points if self.nests else max(16, points // self.shape[-1])
        self._how: dict[int, tuple[object, ...]] = {}  # what a sweep takes of the plan, by halo
        self._nothing = np.empty((0, *self.coarse_shape), self.dtype)

    @property
    def nests(self) -> bool:
        """Whether a sweep can start from the interpolated coarse solution; else that is a pass of its own."""
        return len(self.shape) == 2

    def sweep(
        self,
        start: int,
        steps: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        f: np.ndarray,
        e: np.ndarray | None = None,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """y <- smoothed from x, f and e as `start` says, out <- R(f - A y): (B, 2), ‖f - A y‖² and ‖y‖².

        x may be y. y is not written where there is nothing to do, and the residual is not computed without out. e, out:
        (B, *coarse grid), as this level counts the points of periodic axes.
        """
        batch, rows, halo = len(f), self.shape[0], len(steps) + 2
        parts = _parts(f)
        by_batch = batch >= 2 * parts
        pieces = [
            (some, slab)
            for some in (threads.cut(batch, parts) if by_batch else [(0, batch)])
            for slab in ([(0, rows)] if by_batch else threads.cut(rows, parts))
        ]
        given, coarse = (self._nothing if z is None else z for z in (e, out))
        if halo not in self._how:
            self._how[halo] = self._plane(halo) if self.nests else self._volume()
        jobs = []
        for some, slab in pieces:
            above, below = (self._rows(x, at, halo) for at in (slab[0] - halo, slab[1]))
            arrays = (x, y, f, above, below, given, coarse)
            jobs.append((some, slab, self._width, start, steps, out is not None, *arrays, *self._how[halo]))
        kind = self._sweep, self.dtype, self.plan.fields is None
        return _total(threads.collect(self._sweep, jobs, (batch, 2), kind))

    def residual(self, u: np.ndarray, f: np.ndarray | None, out: np.ndarray | None = None) -> np.ndarray:
        """(B, 2): ‖f - A u‖² and ‖u‖², in float64 for any dtype; out <- A u. f or out may be missing."""
        fields, shape = self.plan.fields, (len(u), 2)
        x, y, z = (u[:0] if t is None else t for t in (u, f, out))
        if fields is not None:
            around = tuple(axis.periodic for axis in self.plan.axes)
            jobs = [(slab, x, y, z, around, *fields) for slab in threads.cut(self.shape[0], _parts(u))]
            kind = field_norms.norms, u.dtype, len(around)
            return _total(threads.collect(field_norms.norms, jobs, shape, kind))
        grid = (1, *self.shape)[-3:]
        x, y, z = (t.reshape(len(t), *grid) for t in (x, y, z))
        alone = [np.zeros(2), np.ones(1), False] * (3 - len(self.shape))
        axes = [part for axis in self.plan.axes for part in (axis.edges64, axis.widths.astype(float), axis.periodic)]
        how = (*alone, *axes, self.plan.reaction)
        jobs = [(slab, x, y, z, *how) for slab in threads.cut(grid[0] * grid[1], _parts(u))]
        return _total(threads.collect(norms.norms, jobs, shape, (norms.norms, u.dtype)))

    def interpolate(self, coarse: np.ndarray, out: np.ndarray) -> None:
        """out <- the interpolation of a coarse solution, (B, *coarse grid) as this level counts periodic axes."""
        if self.nests:
            self.sweep(NESTED, self.plan.pre[:0], out, out, out, coarse)
            return
        *others, last = self.plan.axes
        nodes = [part for axis in others for part in (axis.index, axis.weights)]
        nodes += [last.first, *last.between]
        slabs = threads.cut(out.shape[1] * out.shape[2], _parts(out))
        jobs = [((0, len(out)), slab, coarse, out, *nodes) for slab in slabs]
        threads.run(nested.interpolate, jobs, (nested.interpolate, self.dtype))

    def _plane(self, halo: int) -> tuple[object, ...]:
        """What a sweep takes of the axes, and the coefficients: constant ones or fields."""
        first, last = self.plan.axes
        index, weights = last.between
        axes = [
            (axis.periodic, axis.restriction, axis.prolongation, axis.first, *nodes)
            for axis, nodes in ((first, (first.index, first.weights)), (last, (index, np.ascontiguousarray(weights.T))))
        ]
        if self.plan.fields is None:
            c = self.dtype.type(self.plan.reaction)
            return *axes, (first.edges, first.widths, last.edges, last.widths, last.irregular, c), ()
        fields = self.plan.fields.around(halo) if last.periodic else self.plan.fields
        return *axes, (), (*fields.operator, halo if last.periodic else 0)

    def _volume(self) -> tuple[object, ...]:
        """`_plane` in three dimensions."""
        plan = self.plan
        axes = [(axis.periodic, axis.restriction, axis.prolongation, axis.first) for axis in plan.axes]
        if plan.fields is not None:
            return *axes, (), plan.fields.operator
        each = (part for axis in plan.axes for part in (axis.edges, axis.widths))
        return *axes, (*each, plan.axes[-1].irregular, self.dtype.type(plan.reaction)), ()

    def _rows(self, x: np.ndarray, at: int, n: int) -> np.ndarray:
        """n rows from `at` on, as they are before a sweep; beyond a side that is not periodic, any."""
        return np.take(x, np.arange(at, at + n), axis=1, mode="wrap" if self.plan.axes[0].periodic else "clip")


def _parts(x: np.ndarray) -> int:
    return 1 if x.size <= SINGLE else torch.get_num_threads()


def _total(parts: Sequence[np.ndarray]) -> np.ndarray:
    return sum(parts[1:], parts[0])  # np.sum would take as long as a small sweep
