"""The coarsest levels, run in one launch: launches, even those of a graph, would cost more than their work."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
import triton.language as tl
from torch import Tensor

from unified.program import Kind, Op

from . import block
from .device import TAPS, DevicePlan
from .launch import HOW

LIMIT = 64**2  # points of a level that one block of threads is still quick enough for
BLOCK = 1024  # points at a time
WARPS = 16


class Tail:
    """Levels with their buffers, and a program on them: put f into `f`, call, and read `u`.

    plans: of levels of one dimension, finest first. inverse: (N, N), the coarsest's. given: the program starts from
    what is in `start`, not from zero.
    """

    def __init__(
        self, plans: Sequence[DevicePlan], inverse: Tensor, program: Sequence[Op], batch: int = 1, given: bool = False
    ) -> None:
        self.ndim, self.batch = plans[0].ndim, batch
        numbers = Numbers()
        numbers.put(plans[0].reaction)  # first
        indices = Numbers(9 * 3 * len(plans))
        layout = [x for plan in plans for x in _layout(plan, numbers, indices)]
        offset = list(itertools.accumulate((3 * batch * math.prod(plan.shape) for plan in plans), initial=0))
        compiler = Compiler(plans, offset, numbers, numbers.put(inverse), given)
        listed = [one for op in program for one in compiler.instructions(*op)]
        like = {"device": inverse.device}
        self.buffer = inverse.new_zeros(offset[-1])
        self.numbers = torch.cat(numbers.parts)
        self.layout = torch.cat([torch.tensor(layout, dtype=torch.int32, **like), *indices.parts])
        self.instructions = torch.tensor(listed, dtype=torch.int64, **like)
        shape = plans[0].shape[3 - self.ndim :]
        size = batch * math.prod(shape)
        self.f, self.start, other = (x.view(batch, 1, *shape) for x in self.buffer[: 3 * size].split(size))
        self.u = other if compiler.side[0] else self.start

    def __call__(self) -> Tensor:
        with torch.cuda.device_of(self.buffer):
            block.run[(self.batch,)](
                self.buffer, self.numbers, self.layout, self.instructions, len(self.instructions),
                ndim=self.ndim, taps=TAPS, block=BLOCK, **(HOW | {"num_warps": WARPS}),
            )  # fmt: skip
        return self.u


class Numbers:
    """Tensors one after the other, from a place on."""

    def __init__(self, size: int = 0) -> None:
        self.parts: list[Tensor] = []
        self.size = size

    def put(self, x: Tensor) -> int:
        """Its place."""
        self.parts.append(x.reshape(-1))
        self.size += x.numel()
        return self.size - x.numel()


class Instruction(NamedTuple):
    """kind: one of `pde.kernels.gpu.block`'s. level: whose axes. given: 0 for u = 0.

    x: place of u; y: of f, or of the coarse u; out: of what is written, all in the buffer. number: of ω or the inverse.
    """

    kind: int
    level: int
    given: int
    x: int
    y: int
    out: int
    number: int = 0


class Compiler:
    """From ops to instructions. It knows which levels have a u, and in which (`side`) of their two buffers."""

    def __init__(
        self, plans: Sequence[DevicePlan], offset: Sequence[int], numbers: Numbers, inverse: int, given: bool
    ) -> None:
        self.offset, self.inverse = offset, inverse
        self.steps = [[range(numbers.put(x), numbers.size) for x in (plan.pre, plan.post)] for plan in plans]
        self.side, self.given = [0] * len(plans), [int(given), *[0] * (len(plans) - 1)]

    def f(self, level: int) -> int:
        return self.offset[level]

    def u(self, level: int, other: int = 0) -> int:
        start, end = self.offset[level : level + 2]  # f and two buffers of u
        return start + (1 + (self.side[level] ^ other)) * (end - start) // 3

    def instructions(self, kind: Kind, i: int) -> Iterator[Instruction]:
        if kind in ("pre", "post"):
            for omega in self.steps[i][kind == "post"]:
                yield self._one(block.RELAX, i, self.f(i), self.u(i, 1), omega)
                self.side[i], self.given[i] = 1 - self.side[i], 1
        elif kind == "down":
            yield self._one(block.RESTRICT, i, self.f(i), self.f(i + 1))
            self.given[i + 1] = 0
        elif kind == "solve":
            yield self._one(block.SOLVE, i, self.f(i), self.u(i), self.inverse)
        else:
            yield self._one({"up": block.CORRECT, "interpolate": block.INTERPOLATE}[kind], i, self.u(i + 1), self.u(i))
        if kind in ("solve", "up", "interpolate"):
            self.given[i] = 1

    def _one(self, kind: tl.constexpr, i: int, y: int, out: int, number: int = 0) -> Instruction:
        return Instruction(kind.value, i, self.given[i], self.u(i), y, out, number)


def _layout(plan: DevicePlan, numbers: Numbers, indices: Numbers) -> Iterator[int]:
    """What the kernel reads of a level: of each axis nine numbers."""
    for axis in plan.axes:
        yield from (numbers.put(axis.table), axis.n, axis.m, axis.first, axis.shift, axis.periodic, axis.coarsened)
        yield from (numbers.put(axis.weights), indices.put(axis.index))
