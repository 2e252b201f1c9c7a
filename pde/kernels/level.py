"""A fused level on a CPU: the ops that follow each other on it, in one pass over memory.

It keeps the composed level, whose results it has, to rounding: that one runs for inputs that need a graph, or that were
moved to another dtype or device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast, final

import numpy as np
import torch
from torch import Tensor, nn

from unified.lines import LineInterpolation
from unified.multigrid import AbstractLevel, Level, State, change, solution
from unified.program import Kind

from ..coarsening import Extrapolation
from ..monitor import Norms
from . import arrays, field_norms, nested, norms, plane, plane_field, threads, volume
from .fields import Fields
from .plan import Plan
from .plane import ADDED, CORRECTED, GIVEN, NESTED, ZERO

SINGLE = 2**15  # points that one thread does faster than two
SWEEPS = {2: plane.sweep, 3: volume.sweep}
WIDTHS = {plane.sweep: 2**12, plane_field.sweep: 2**10, volume.sweep: 2**14}  # points of a row, or of rows, in a strip


@final
class FusedLevel(AbstractLevel):
    """What `level` does, fused. finest: its u leaves the hierarchy, and is a new tensor in each run.

    u is written in place by those ops of a run that follow the first; all other arrays are made once and used again, so
    a level is for one run at a time.
    """

    def __init__(self, level: Level, plan: Plan, *, finest: bool) -> None:
        super().__init__()
        self.composed, self.plan, self.finest = level, plan, finest
        self.shape = tuple(axis.n for axis in plan.axes)
        self.coarse_shape = tuple(axis.m for axis in plan.axes)
        self.dtype = plan.axes[0].edges.dtype
        self._torch_dtype = torch.from_numpy(np.empty(0, self.dtype)).dtype
        self._steps: dict[tuple[Kind, ...], np.ndarray] = {}
        self._nodes = nodes(level.interpolation, plan)
        axes = [(x.edges, x.widths, x.periodic, x.restriction, x.prolongation, x.first) for x in plan.axes]
        if len(axes) == 2:
            axes = [(*axes[0], *self._nodes[2:4]), (*axes[1], self._nodes[5], self._nodes[6].T.copy())]
        if plan.fields is not None:
            axes = [part[2:] for part in axes]
        self._operator = [part for axis in axes for part in axis]
        self._around: dict[int, Fields] = {}  # the fields of a periodic axis, by halo
        self._work: dict[str, Tensor] = {}
        self.norms_of_down: Norms | None = None  # of u and its residual, as the last "down" found them

    @property
    def A(self) -> nn.Module:  # type: ignore[override]
        return cast(nn.Module, self.composed.A)

    def release(self) -> None:
        self.norms_of_down = None
        if self.finest:
            self._work.pop("u", None)

    def run(
        self, kinds: Sequence[Kind], state: State, below: State | None, coarse: AbstractLevel | None
    ) -> tuple[State, State | None]:
        fused = {"pre", "post", "down", "up", "interpolate"}
        tensors = (state.u, state.f, *(below if below and kinds[0] in ("up", "interpolate") else ()))
        batches = self.plan.fields is None or self.plan.fields.batch in (1, len(state.f))
        if not fused.issuperset(kinds) or not batches or not all(self._takes(x) for x in tensors):
            return self.composed.run(kinds, state, below, coarse)
        for part in sweeps(kinds):
            e = None
            if part[0] == "up":
                e = change(cast(State, below))
            elif part[0] == "interpolate":
                e, state = self._nested(cast(State, below), coarse, state)
            steps = self._steps.get(tuple(part))
            if steps is None:
                each = {"pre": self.plan.pre, "post": self.plan.post}
                steps = np.concatenate([self.plan.pre[:0], *(each[kind] for kind in part if kind in each)])
                self._steps[tuple(part)] = steps
            u, f = self._sweep(state.u, state.f, e, steps, part[-1] == "down", nested=part[0] == "interpolate")
            state = state._replace(u=u)
            below = below if f is None else State(None, f)
        return state, below

    def pre(self, state: State) -> State:
        return self.run(["pre"], state, None, None)[0]

    def post(self, state: State) -> State:
        return self.run(["post"], state, None, None)[0]

    def down(self, state: State, coarse: AbstractLevel) -> State:
        return cast(State, self.run(["down"], state, None, coarse)[1])

    def up(self, state: State, coarse: State) -> State:
        return self.run(["up"], state, coarse, None)[0]

    def interpolate(self, state: State, coarse: State) -> State:
        return self.run(["interpolate"], state, coarse, None)[0]

    def solve(self, state: State) -> State:
        return self.composed.solve(state)

    def norms(self, u: Tensor, f: Tensor) -> Norms:
        """Of f - A u and u, in float64 for a float32 level too: (B, 1, *grid) -> (B,)."""
        if self.plan.fields is None:
            return _norms(self._residual(u, f, None))
        x, y = self._array(u), self._array(f)
        slabs = self._slabs(y, self.shape[0])
        sums = [np.zeros((len(f), 2)) for _ in slabs]
        around = [axis.periodic for axis in self.plan.axes]
        jobs = [(slab, x, y, *around, *self.plan.fields, total) for slab, total in zip(slabs, sums, strict=True)]
        threads.run(field_norms.norms, jobs, ("field norms", self.dtype))
        return _norms(sums)

    def product(self, u: Tensor) -> Tensor:
        """A u, in one pass, for float64 on a float32 level too: (B, 1, *grid) -> the same."""
        if self.plan.fields is not None or not self._takes(u, u.dtype):
            out: Tensor = self.A(u)
            return out
        out = arrays.empty(u.shape, u.numpy().dtype)
        self._residual(u, None, out)
        return out

    def _residual(self, u: Tensor, f: Tensor | None, out: Tensor | None) -> list[np.ndarray]:
        grid = (1, 1, *self.shape)[-3:]
        x = self._array(u).reshape(len(u), *grid)
        y, z = (x[:0] if t is None else self._array(t).reshape(x.shape) for t in (f, out))
        alone = [np.zeros(2), np.ones(1), False] * (3 - len(self.shape))
        axes = [part for axis in self.plan.axes for part in (axis.edges64, axis.widths.astype(float), axis.periodic)]
        slabs = self._slabs(x, grid[0] * grid[1])
        sums = [np.zeros((len(u), 2)) for _ in slabs]
        jobs = [(slab, x, y, z, *alone, *axes, self.plan.reaction, s) for slab, s in zip(slabs, sums, strict=True)]
        threads.run(norms.norms, jobs, ("norms", x.dtype))
        return sums

    @staticmethod
    def _slabs(x: np.ndarray, n: int) -> list[tuple[int, int]]:
        return threads.cut(n, 1 if x.size <= SINGLE else torch.get_num_threads())

    def _takes(self, x: Tensor | None, dtype: torch.dtype | None = None) -> bool:
        """Whether x is an array of numbers on the CPU that needs no graph, of the level's dtype or that given."""
        if x is None:
            return True
        plain = x.device.type == "cpu" and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        graph = torch.is_grad_enabled() and x.requires_grad
        return plain and not graph and x.dtype == (dtype or self._torch_dtype)

    def _sweep(
        self, u: Tensor | None, f: Tensor, e: Tensor | None, steps: np.ndarray, down: bool, *, nested: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """The new u, and the restricted residual for "down": (B, 1, *grid) and (B, 1, *coarse grid)."""
        batch = len(f)
        if nested and len(self.shape) == 3:
            u, e, nested = self._interpolated(cast(Tensor, e), self._target(batch)), None, False
        if u is None and e is not None and not nested:
            u = self._target(batch).zero_()
        start = NESTED if nested else CORRECTED if e is not None else ZERO if u is None else GIVEN
        source, target = u, u
        if (len(steps) or e is not None) and (u is None or u is not self._work.get("u")):
            target = self._target(batch)
        if not len(steps) and e is None and not down:
            return u, None
        rhs = self._array(f)
        x = rhs if source is None else self._array(source)
        y = rhs if target is None else self._array(target)  # not written where there is nothing to write
        out = self._buffer("f", batch, self.coarse_shape) if down else None
        correction = None if e is None else self._array(self._moved(e, -1))
        sums = self._launch(start, steps, x, y, rhs, correction, None if out is None else self._array(out))
        if out is not None:
            out = self._moved(out, 1)
            self.norms_of_down = _norms(sums)
        return target, out

    def _launch(
        self,
        start: int,
        steps: np.ndarray,
        x: np.ndarray,
        y: np.ndarray,
        f: np.ndarray,
        e: np.ndarray | None,
        out: np.ndarray | None,
    ) -> list[np.ndarray]:
        """The kernel, on slabs or parts of a batch side by side: y from x, f and e, and out; squared norms of each."""
        batch, n, halo = len(f), self.shape[0], len(steps) + 2
        some_array = next((z for z in (e, out) if z is not None), None)
        if some_array is None:  # for its shape: it is neither read nor written
            some_array = np.empty((batch, *self.coarse_shape), self.dtype)
        coarse, e = (some_array if z is None else z for z in (out, e))
        parts = 1 if f.size <= SINGLE else torch.get_num_threads()
        by_batch = batch >= 2 * parts
        pieces = [
            (some, slab)
            for some in (threads.cut(batch, parts) if by_batch else [(0, batch)])
            for slab in ([(0, n)] if by_batch else threads.cut(n, parts))
        ]
        sums = [np.zeros((batch, 2)) for _ in pieces]
        kernel = SWEEPS[len(self.shape)] if self.plan.fields is None else plane_field.sweep
        width = WIDTHS[kernel] if len(self.shape) == 2 else max(16, WIDTHS[kernel] // self.shape[-1])
        jobs = []
        for (some, slab), total in zip(pieces, sums, strict=True):
            above, below = (np.take(x, rows, axis=1, mode=mode) for rows, mode in self._beside(slab, halo))
            arrays_ = (x, y, f, above, below, e, coarse)
            how = (*self._operator, *self._coefficients(halo))
            jobs.append((some, slab, width, start, steps, out is not None, *arrays_, *how, total))
        threads.run(kernel, jobs, (kernel, self.dtype))
        return sums

    def _coefficients(self, halo: int) -> tuple[object, ...]:
        """The last arguments of a sweep but its sums."""
        fields, last = self.plan.fields, self.plan.axes[-1]
        if fields is None:
            return last.irregular, self.dtype.type(self.plan.reaction)
        if last.periodic:
            if halo not in self._around:
                self._around[halo] = fields.around(halo)
            fields = self._around[halo]
        return fields

    def _beside(self, slab: tuple[int, int], halo: int) -> list[tuple[np.ndarray, str]]:
        """The rows above and below a slab; beyond a side that is not periodic, any."""
        mode = "wrap" if self.plan.axes[0].periodic else "clip"
        return [(np.arange(slab[0] - halo, slab[0]), mode), (np.arange(slab[1], slab[1] + halo), mode)]

    def _interpolated(self, coarse: Tensor, u: Tensor) -> Tensor:
        """u <- the interpolation of a coarse tensor."""
        x, y = self._array(self._moved(coarse, -1)), self._array(u)
        if len(self.shape) == 2:
            self._launch(NESTED, self.plan.pre[:0], y, y, y, x, None)
            return u
        parts = 1 if y.size <= SINGLE else torch.get_num_threads()
        jobs = [((0, len(y)), slab, x, y, *self._nodes) for slab in threads.cut(y.shape[1] * y.shape[2], parts)]
        threads.run(nested.interpolate, jobs, ("nested", self.dtype))
        return u

    def _extended(self, u: Tensor, coarse: Tensor) -> Tensor:
        """u and the interpolation of a coarse tensor, in another array."""
        best = self._buffer("best", len(u), self.shape)
        if len(self.shape) == 3 or self.plan.fields is not None:
            return self._interpolated(coarse, best).add_(u)
        x, y, e = (self._array(z) for z in (u, best, self._moved(coarse, -1)))
        self._launch(ADDED, self.plan.pre[:0], x, y, x, e, None)
        return best

    def _nested(self, below: State, coarse: AbstractLevel | None, state: State) -> tuple[Tensor, State]:
        """What is to be interpolated, and the state without u, which remembers the level below."""
        e = u = solution(below)
        extrapolation = self.composed.extrapolation
        if isinstance(extrapolation, Extrapolation) and below.below is not None:
            difference = extrapolation.difference(u, below.below)
            if isinstance(coarse, FusedLevel):
                e = coarse._extended(u, difference)
            else:
                e = u + extrapolation.interpolation(difference)
        if not self.finest:  # u is written to by the cycles that follow
            u = self._buffer("below", len(u), self.coarse_shape).copy_(u)
        return e, State(None, state.f, None, u)

    def _moved(self, x: Tensor, sign: int) -> Tensor:
        """A coarse tensor as this level sees it (-1), or as the coarse level does."""
        for axis, by in self.plan.shifts:
            x = x.roll(sign * by, axis)
        return x

    def _array(self, x: Tensor) -> np.ndarray:
        """(B, 1, *grid) -> (B, *grid), a view."""
        return x.detach().contiguous().numpy()[:, 0]  # type: ignore[no-any-return]

    def _target(self, batch: int) -> Tensor:
        if self.finest:
            self._work.pop("u", None)
        return self._buffer("u", batch, self.shape)

    def _buffer(self, name: str, batch: int, shape: tuple[int, ...]) -> Tensor:
        if name not in self._work or len(self._work[name]) != batch:
            self._work[name] = arrays.empty((batch, 1, *shape), self.dtype)
        return self._work[name]


def _norms(squares: Sequence[np.ndarray]) -> Norms:
    return Norms(*torch.from_numpy(np.sqrt(sum(squares))).unbind(1))


def sweeps(kinds: Sequence[Kind]) -> list[list[Kind]]:
    """Cut into what one pass over memory can do: a start, smoothing, a residual.

    >>> sweeps(["up", "post", "pre", "down", "up"])
    [['up', 'post', 'pre', 'down'], ['up']]
    """
    out: list[list[Kind]] = []
    for kind in kinds:
        if not out or kind in ("up", "interpolate") or out[-1][-1] == "down":
            out.append([])
        out[-1].append(kind)
    return out


def nodes(interpolation: nn.Module | None, plan: Plan) -> tuple[np.ndarray | int, ...]:
    """The arguments of `nested.interpolate` after the arrays."""
    parts = {part.layout.axis: part for part in interpolation or () if isinstance(part, LineInterpolation)}
    dtype, ndim = plan.axes[0].edges.dtype, len(plan.axes)
    lines = [(np.array([[0, *[-1] * 5]]), np.array([[1, *[0] * 5]], dtype))] * (3 - ndim)
    for at, axis in enumerate(plan.axes[:-1], start=-ndim):
        n = np.arange(axis.n)[:, None]
        index = np.where(np.arange(6) == 0, (n - axis.first) // (2 if axis.coarsened else 1), -1)
        weights = np.where(index < 0, 0, 1).astype(dtype)
        if part := parts.get(at):
            between = slice(1 - axis.first, None, 2)
            index[between], weights[between] = (_six(x, fill) for x, fill in ((part.index, -1), (part.weights, 0)))
        lines.append((index, weights))
    last = parts.get(-1)
    index, weights = (np.zeros((0, 6), np.int64), np.zeros((0, 6), dtype)) if last is None else \
        (_six(last.index, 0), _six(last.weights, 0))  # fmt: skip
    return *(x for line in lines for x in line), plan.axes[-1].first, index, weights.astype(dtype)


def _six(x: Tensor, fill: int) -> np.ndarray:
    """(k, q) with q <= 6 -> (k, 6)."""
    out = np.full((len(x), 6), fill, x.numpy().dtype)
    out[:, : x.shape[1]] = x.numpy()
    return out


