"""Launches captured once and replayed: a cycle has dozens, and small levels take less time than their launches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import torch

Out = TypeVar("Out")


class Graph(Generic[Out]):
    """What `run` launches, on the memory it was captured with: put inputs into the same tensors, call, read `out`.

    run: the same launches every time, without a look at a device's numbers; what it allocates stays in the graph. It
    runs a few times before it is captured, since kernels are compiled at their first launch: put inputs in after that.
    """

    def __init__(self, run: Callable[[], Out], device: torch.device, *, before: int = 2) -> None:
        with torch.cuda.device(device):
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                for _ in range(before):
                    run()
            torch.cuda.current_stream().wait_stream(side)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.out = run()

    def __call__(self) -> Out:
        """Replayed on the current stream."""
        self.graph.replay()
        return self.out
