"""Launches captured once and replayed: a cycle has dozens, and small levels take less time than their launches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor

from unified.multigrid import AbstractLevel, State, execute
from unified.program import Program

from .launch import same
from .level import CudaLevel
from .memory import Memory

ENABLED = True  # whether anything is replayed: not, to see each launch
Out = TypeVar("Out")


class Graph(Generic[Out]):
    """What `run` launches, on the memory it was captured with: put inputs into the same tensors, call, read `out`.

    run: the same launches every time, without a look at a device's numbers; what it allocates stays in the graph. It
    runs before it is captured, since kernels are compiled at their first launch: put inputs in after that.
    """

    def __init__(self, run: Callable[[], Out], device: torch.device, *, before: int = 1) -> None:
        with torch.cuda.device(device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(before):
                    run()
            torch.cuda.current_stream().wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph, capture_error_mode="thread_local"):
                self.out = run()

    def __call__(self) -> Out:
        """Replayed on the current stream."""
        self.graph.replay()
        return self.out


class Replayed:
    """A `rest` (see `unified.multigrid`): programs on some levels, each replayed from a graph on a CUDA device.

    What kernels do not take, and a level that is entered with a u, are not.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory

    def __call__(self, levels: Sequence[AbstractLevel], program: Program, state: State) -> list[State]:
        f, run = state.f, partial(execute, program, levels)
        plain = f.is_cuda and state.u is None and cast(CudaLevel, levels[0]).takes(f)
        if not (ENABLED and plain) or torch.cuda.is_current_stream_capturing():
            return run(state)
        return self.memory.get(len(f), (Replayed, program), lambda: _Replay(f))(run, f)


class _Replay:
    """Run as it is the first time, which compiles and allocates; captured the second time; replayed from then on."""

    def __init__(self, f: Tensor) -> None:
        self.f = f
        self.graph: Graph[list[State]] | None = None
        self.ready = False

    def __call__(self, run: Callable[[State], list[State]], f: Tensor) -> list[State]:
        if not (self.ready and same(f, self.f)):
            self.ready = True
            return run(State(None, f))
        if self.graph is None:
            self.graph = Graph(partial(run, State(None, self.f)), f.device)
        return self.graph()
