"""A fused level on a CPU: the ops that follow each other on it, in one pass over memory.

It keeps the composed level, whose results it has, to rounding: that one runs for inputs that need a graph, or that were
moved to another dtype or device.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast, final

import numpy as np
import torch
from torch import Tensor, nn

from unified.lines import LineInterpolation
from unified.multigrid import AbstractLevel, Level, State, change, solution
from unified.program import Kind

from ..monitor import Norms
from . import nested, norms, plane, threads
from .plan import Plan
from .plane import CORRECTED, GIVEN, ZERO

SINGLE = 2**15  # points that one thread does faster than two
WIDTH = 4096  # columns of a strip
SWEEPS = {2: plane.sweep}


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
        self._nodes = nodes(level.interpolation, plan)
        axes = [(x.edges, x.widths, x.periodic, x.restriction, x.prolongation, x.first) for x in plan.axes]
        self._operator = [*(part for axis in axes for part in axis), plan.axes[-1].irregular]
        self._buffers: dict[str, Tensor] = {}
        self.norms_of_down: Norms | None = None  # of u and its residual, as the last "down" found them

    @property
    def A(self) -> nn.Module:  # type: ignore[override]
        return cast(nn.Module, self.composed.A)

    def release(self) -> None:
        self.norms_of_down = None
        if self.finest:
            self._buffers.pop("u", None)

    def run(
        self, kinds: Sequence[Kind], state: State, below: State | None, coarse: AbstractLevel | None
    ) -> tuple[State, State | None]:
        fused = {"pre", "post", "down", "up", "interpolate"}
        tensors = (state.u, state.f, *(below if below and kinds[0] in ("up", "interpolate") else ()))
        if not fused.issuperset(kinds) or not all(self._takes(x) for x in tensors):
            return self.composed.run(kinds, state, below, coarse)
        for part in sweeps(kinds):
            e = None
            if part[0] == "up":
                e = change(cast(State, below))
            elif part[0] == "interpolate":
                state = state._replace(u=self._interpolated(solution(cast(State, below))))
            each = {"pre": self.plan.pre, "post": self.plan.post}
            steps = np.concatenate([self.plan.pre[:0], *(each[kind] for kind in part if kind in each)])
            u, f = self._sweep(state.u, state.f, e, steps, part[-1] == "down")
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
        grid = (1, 1, *self.shape)[-3:]
        x, y = (self._array(z).reshape(len(z), *grid) for z in (u, f))
        alone = [np.zeros(2), np.ones(1), False] * (3 - len(self.shape))
        axes = [part for axis in self.plan.axes for part in (axis.edges64, axis.widths.astype(float), axis.periodic)]
        parts = 1 if y.size <= SINGLE else torch.get_num_threads()
        slabs = threads.cut(grid[0] * grid[1], parts)
        sums = [np.zeros((len(f), 2)) for _ in slabs]
        jobs = [(slab, x, y, *alone, *axes, self.plan.reaction, total) for slab, total in zip(slabs, sums, strict=True)]
        threads.run(norms.norms, jobs, ("norms", self.dtype))
        return _norms(sums)

    def _takes(self, x: Tensor | None) -> bool:
        """Whether x is an array of numbers on the CPU that needs no graph, of the level's dtype."""
        if x is None:
            return True
        plain = x.device.type == "cpu" and not torch._C._functorch.is_functorch_wrapped_tensor(x)
        graph = torch.is_grad_enabled() and x.requires_grad
        return plain and not graph and str(x.dtype).removeprefix("torch.") == self.dtype.name

    def _sweep(
        self, u: Tensor | None, f: Tensor, e: Tensor | None, steps: np.ndarray, down: bool
    ) -> tuple[Tensor | None, Tensor | None]:
        """The new u, and the restricted residual for "down": (B, 1, *grid) and (B, 1, *coarse grid)."""
        batch = len(f)
        if u is None and e is not None:
            u = self._target(batch).zero_()
        start = CORRECTED if e is not None else ZERO if u is None else GIVEN
        source, target = u, u
        if (len(steps) or e is not None) and (u is None or u is not self._buffers.get("u")):
            target = self._target(batch)
        if not len(steps) and e is None and not down:
            return u, None
        rhs = self._array(f)
        x = rhs if source is None else self._array(source)
        y = rhs if target is None else self._array(target)  # not written where there is nothing to write
        small = np.zeros((batch, *self.coarse_shape), self.dtype) if e is None and not down else None
        out = self._buffer("f", batch, self.coarse_shape) if down else None
        coarse = self._array(out) if out is not None else self._array(cast(Tensor, e)) if small is None else small
        correction = coarse if e is None else self._array(self._moved(e, -1))
        n, halo = self.shape[0], len(steps) + 2
        points = batch * math.prod(self.shape)
        parts = 1 if points <= SINGLE else torch.get_num_threads()
        by_batch = batch >= 2 * parts
        pieces = [
            (some, slab)
            for some in (threads.cut(batch, parts) if by_batch else [(0, batch)])
            for slab in ([(0, n)] if by_batch else threads.cut(n, parts))
        ]
        sums = [np.zeros((batch, 2)) for _ in pieces]
        jobs = []
        for (some, slab), total in zip(pieces, sums, strict=True):
            above, below = (np.take(x, rows, axis=1, mode=mode) for rows, mode in self._beside(slab, halo))
            jobs.append(
                (some, slab, WIDTH, start, steps, down, x, y, rhs, above, below, correction, coarse)
                + (*self._operator, self.dtype.type(self.plan.reaction), total)
            )
        threads.run(SWEEPS[len(self.shape)], jobs, (len(self.shape), self.dtype))
        if down:
            self.norms_of_down = _norms(sums)
            out = self._moved(cast(Tensor, out), 1)
        return target, out

    def _beside(self, slab: tuple[int, int], halo: int) -> list[tuple[np.ndarray, str]]:
        """The rows above and below a slab; beyond a side that is not periodic, any."""
        mode = "wrap" if self.plan.axes[0].periodic else "clip"
        return [(np.arange(slab[0] - halo, slab[0]), mode), (np.arange(slab[1], slab[1] + halo), mode)]

    def _interpolated(self, coarse: Tensor) -> Tensor:
        u = self._target(len(coarse))
        x, y = self._array(self._moved(coarse, -1)), self._array(u)
        grid, small = ((1, *shape)[-3:] for shape in (self.shape, self.coarse_shape))
        x, y = x.reshape(len(x), *small), y.reshape(len(y), *grid)
        lines = grid[0] * grid[1]
        parts = 1 if y.size <= SINGLE else torch.get_num_threads()
        jobs = [((0, len(y)), slab, x, y, *self._nodes) for slab in threads.cut(lines, parts)]
        threads.run(nested.interpolate, jobs, ("nested", self.dtype))
        return u

    def _moved(self, x: Tensor, sign: int) -> Tensor:
        """A coarse tensor as this level sees it (-1), or as the coarse level does."""
        for axis, by in self.plan.shifts:
            x = x.roll(sign * by, axis)
        return x

    def _array(self, x: Tensor) -> np.ndarray:
        """(B, 1, *grid) -> (B, *grid), a view."""
        return np.asarray(x.detach().contiguous().numpy()[:, 0])

    def _target(self, batch: int) -> Tensor:
        if self.finest:
            self._buffers.pop("u", None)
        return self._buffer("u", batch, self.shape)

    def _buffer(self, name: str, batch: int, shape: tuple[int, ...]) -> Tensor:
        if name not in self._buffers or len(self._buffers[name]) != batch:
            # NumPy asks for large pages: first touches of small ones take ten times as long as a copy
            self._buffers[name] = torch.from_numpy(np.empty((batch, 1, *shape), self.dtype))
        return self._buffers[name]


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
    lines = [(np.array([[0, -1, -1, -1]]), np.array([[1, 0, 0, 0]], dtype))] * (3 - ndim)
    for at, axis in enumerate(plan.axes[:-1], start=-ndim):
        n = np.arange(axis.n)[:, None]
        index = np.where(np.arange(4) == 0, (n - axis.first) // (2 if axis.coarsened else 1), -1)
        weights = np.where(index < 0, 0, 1).astype(dtype)
        if part := parts.get(at):
            between = slice(1 - axis.first, None, 2)
            index[between], weights[between] = (_four(x, fill) for x, fill in ((part.index, -1), (part.weights, 0)))
        lines.append((index, weights))
    last = parts.get(-1)
    index, weights = (np.zeros((0, 4), np.int64), np.zeros((0, 4), dtype)) if last is None else \
        (_four(last.index, 0), _four(last.weights, 0))  # fmt: skip
    return *(x for line in lines for x in line), plan.axes[-1].first, index, weights.astype(dtype)


def _four(x: Tensor, fill: int) -> np.ndarray:
    """(k, q) with q <= 4 -> (k, 4)."""
    return np.pad(x.numpy(), ((0, 0), (0, 4 - x.shape[1])), constant_values=fill)


