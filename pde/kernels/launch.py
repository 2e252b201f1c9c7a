"""The compiled kernels on the arrays of one level: on all threads, each with a slab of rows or a part of the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

import numpy as np

from . import arrays, field_norms, norms, threads, volume, wavefront
from . import instructions as ins
from .plan import Plan
from .start import CORRECTED, GIVEN
from .tables import Tables, tables

RUNS = {2: wavefront.run, 3: volume.run}  # what runs instructions
# points of a row, or of rows, in a strip: they stay in cache
WIDTHS = {2: {"constant": 2**12, "varying": 2**10}, 3: {"constant": 2**14, "varying": 2**14}}


@final
class Kernels:
    """The sweep, the norms and the differences of a level: NumPy arrays (B, *grid) in and out."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.dtype = plan, plan.pre.dtype
        self.shape = tuple(axis.n for axis in plan.axes)
        self.coarse_shape = tuple(axis.m for axis in plan.axes)
        self._halo = len(plan.pre) + len(plan.post) + 2
        self._known: tuple[int, Tables] | None = None

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
        self._halo = max(self._halo, halo)
        slabs = threads.slabs(rows, f.size)
        pieces = [((0, batch), slab) for slab in slabs]
        if batch >= 2 * len(slabs):
            pieces = [(some, (0, rows)) for some in threads.slabs(batch, f.size)]
        nothing = x[:0]
        flat = [z.reshape(-1) for z in (x, y, f, nothing if e is None else e, nothing if out is None else out)]
        jobs = []
        for some, slab in pieces:
            beside = x if start in (GIVEN, CORRECTED) else nothing  # u as it was: only these read it
            above, below = (self._rows(beside, at, halo).reshape(-1) for at in (slab[0] - halo, slab[1]))
            one = ins.line(ins.SWEEP, START=start, COUNT=len(steps), RESTRICT=out is not None, BATCH=some, SLAB=slab)
            jobs.append(self._job([one], steps, *flat, above, below))
        return _total(threads.collect(self._run, jobs, (batch, 2), self._kind))

    @property
    def _run(self) -> Callable[..., None]:
        return RUNS[len(self.shape)]

    @property
    def _kind(self) -> object:
        return self._run, self.dtype, self.plan.fields is None

    def _job(self, lines: Sequence[Sequence[int]], values: np.ndarray, *memory: np.ndarray) -> tuple[object, ...]:
        if self._known is None or self._known[0] < self._halo:
            self._known = self._halo, tables([self.plan], [width(self.plan)], self._halo)
        return np.array(lines, np.int64), *self._known[1], values, *memory

    def residual(self, u: np.ndarray, f: np.ndarray | None, out: np.ndarray | None = None) -> np.ndarray:
        """(B, 2): ‖f - A u‖² and ‖u‖², in float64 for any dtype; out <- A u. f or out may be missing."""
        fields, shape = self.plan.fields, (len(u), 2)
        x, y, z = (u[:0] if t is None else t for t in (u, f, out))
        if fields is not None:
            around = tuple(axis.periodic for axis in self.plan.axes)
            jobs = [(slab, x, y, z, around, *fields) for slab in threads.slabs(self.shape[0], u.size)]
            kind = field_norms.norms, u.dtype, len(around)
            return _total(threads.collect(field_norms.norms, jobs, shape, kind))
        grid = (1, *self.shape)[-3:]
        x, y, z = (t.reshape(len(t), *grid) for t in (x, y, z))
        alone = [np.zeros(2), np.ones(1), False] * (3 - len(self.shape))
        axes = [part for axis in self.plan.axes for part in (axis.edges64, axis.widths.astype(float), axis.periodic)]
        how = (*alone, *axes, self.plan.reaction)
        jobs = [(slab, x, y, z, *how) for slab in threads.slabs(grid[0] * grid[1], u.size)]
        return _total(threads.collect(norms.norms, jobs, shape, (norms.norms, u.dtype)))

    def difference(self, x: np.ndarray, below: np.ndarray, order: int, out: np.ndarray) -> None:
        """out <- (x - below) / 2^order at the points that the coarser grid keeps: `Extrapolation.difference`."""
        grids = self.shape, self.coarse_shape, kept(self.plan)
        slabs = threads.slabs(self.coarse_shape[-2], out.size)
        nothing = out[:0].reshape(-1)
        memory = (x.reshape(-1), out.reshape(-1), nothing, below.reshape(-1), *[nothing] * 3)
        lines = (ins.differences(len(x), *grids, order, slab) for slab in slabs)
        jobs = [self._job(some, self.plan.pre[:0], *memory) for some in lines]
        threads.collect(self._run, jobs, (len(out), 2), self._kind)

    def _rows(self, x: np.ndarray, at: int, n: int) -> np.ndarray:
        """A copy of n rows from `at` on; none where all are beyond a side, whose rows are not read."""
        rows, periodic = self.shape[0], self.plan.axes[0].periodic
        if at >= 0 and at + n <= rows:
            inside = x[:, at : at + n]
            copy = arrays.empty(inside.shape, x.dtype).numpy()
            np.copyto(copy, inside)
            return copy
        if not periodic and (at + n <= 0 or at >= rows):
            return x[:0]
        return np.take(x, np.arange(at, at + n), axis=1, mode="wrap" if periodic else "clip")


def kept(plan: Plan) -> tuple[tuple[int, int], ...]:
    """Of each axis the first point that the coarser grid keeps, and how many further on the next one is."""
    return tuple((axis.first, 1 + axis.coarsened) for axis in plan.axes)


def width(plan: Plan) -> int:
    """Of the strips of a level: columns, or rows in three dimensions."""
    ndim = len(plan.axes)
    points = WIDTHS[ndim]["constant" if plan.fields is None else "varying"]
    return points if ndim == 2 else max(16, points // plan.axes[-1].n)


def _total(parts: Sequence[np.ndarray]) -> np.ndarray:
    return sum(parts[1:], parts[0])  # np.sum would take as long as a small sweep
