"""The coarsest levels, run in one launch: launches, even those of a graph, would cost more than their work."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from unified.multigrid import AbstractLevel, State, execute
from unified.program import Program

from . import block
from .device import TAPS, DevicePlan
from .instructions import BUFFERS, Compiler, Numbers
from .launch import HOW
from .level import CudaLevel
from .memory import Memory

LIMIT = 64**2  # points of a level that one block of threads is still quick enough for
BLOCK = 1024  # points at a time
WARPS = 16


class Tail:
    """A `rest` (see `unified.multigrid`) in one launch; states are views of a buffer that it uses again.

    What kernels do not take, and a level that is entered with a u, run composed. inverse: (N, N), the coarsest's.
    """

    def __init__(self, levels: Sequence[CudaLevel], inverse: Tensor, memory: Memory) -> None:
        self.memory = memory
        self.plans = [level.plan for level in levels]
        numbers, indices = _Parts(), _Parts(9 * 3 * len(levels))
        numbers.put(self.plans[0].reaction)  # first
        layout = [x for plan in self.plans for x in _layout(plan, numbers, indices)]
        steps, factors = [], []
        for level in levels:
            pre, post = (range(numbers.put(x), numbers.size) for x in (level.plan.pre, level.plan.post))
            steps.append((pre, post))
            factor = None if level.order is None else 2.0**-level.order
            factors.append(None if factor is None else numbers.put(self.plans[0].reaction.new_tensor([factor])))
        self.places = Numbers(steps, factors, numbers.put(inverse.to(numbers.parts[0])))
        self.numbers = torch.cat(numbers.parts)
        self.layout = torch.cat([indices.parts[0].new_tensor(layout), *indices.parts])

    def __call__(self, levels: Sequence[AbstractLevel], program: Program, state: State) -> list[State]:
        own = cast(Sequence[CudaLevel], levels)
        if state.u is not None or not own[0].takes(state.f):
            return execute(program, [level.composed for level in own], state)
        batch = len(state.f)
        buffer = self.memory.get(batch, Tail, lambda: self.numbers.new_empty(BUFFERS * sum(self._sizes(batch))))
        compiled = self.memory.get(batch, (Tail, program), lambda: self._compiled(program, buffer, batch))
        instructions, states = compiled
        states[0].f.copy_(state.f)
        plan = self.plans[0]
        with torch.cuda.device_of(buffer):
            block.run[(batch,)](
                buffer, self.numbers, self.layout, instructions, len(instructions),
                ndim=plan.ndim, taps=TAPS, block=BLOCK, **(HOW | {"num_warps": WARPS}),
            )  # fmt: skip
        return states

    def _sizes(self, batch: int) -> list[int]:
        return [batch * math.prod(plan.shape) for plan in self.plans]

    def _compiled(self, program: Program, buffer: Tensor, batch: int) -> tuple[Tensor, list[State]]:
        """The instructions, and where the states are after them."""
        compiler = Compiler(self._sizes(batch), self.places)
        listed = [one for op in program for one in compiler.instructions(op)]

        def view(level: int, k: int) -> Tensor:
            plan, start = self.plans[level], compiler.place(level, k)
            return buffer[start : start + compiler.sizes[level]].view(batch, 1, *plan.shape[3 - plan.ndim :])

        lowest = max(op.level + (op.kind in ("down", "up", "interpolate")) for op in program)
        states = []
        for i in range(lowest + 1):
            u = view(i, compiler.buffer[i]) if compiler.given[i] else None
            below = (*compiler.kept, None)[i + 1]
            states.append(State(u, view(i, 0), None, None if below is None else view(i + 1, below)))
        return torch.tensor(listed, dtype=torch.int64, device=buffer.device), states


class _Parts:
    """Tensors one after the other, from a place on."""

    def __init__(self, size: int = 0) -> None:
        self.parts: list[Tensor] = []
        self.size = size

    def put(self, x: Tensor) -> int:
        """Its place."""
        self.parts.append(x.reshape(-1))
        self.size += x.numel()
        return self.size - x.numel()


def _layout(plan: DevicePlan, numbers: _Parts, indices: _Parts) -> Iterator[int]:
    """What the kernel reads of a level: of each axis nine numbers."""
    for axis in plan.axes:
        yield from (numbers.put(axis.table), axis.n, axis.m, axis.first, axis.shift, axis.periodic, axis.coarsened)
        yield from (numbers.put(axis.weights), indices.put(axis.index))
