"""The training step as one CUDA graph: one launch instead of some hundred."""

from __future__ import annotations

import torch
from torch import Tensor

from .step import Step

_WARM_UP = 3  # steps that compile, choose algorithms and allocate what may not happen in a capture


class GraphedStep:
    """`step`, captured at the first batch and replayed on every batch; all must have its shapes.

    The warm-up and the capture leave no trace: weights, statistics, optimizer state, sums and random numbers are put
    back. The optimizer's state must exist and its rate be a tensor (`make_optimizer` with cuda_graphs): a capture
    keeps addresses, not values.
    """

    def __init__(self, step: Step) -> None:
        self.step, self.sums = step, step.sums
        self.graph: torch.cuda.CUDAGraph | None = None
        self.batch: tuple[Tensor, ...] = ()

    def __call__(self, *batch: Tensor) -> None:
        if self.graph is None:
            self.batch = tuple(t.clone() for t in batch)
            self.graph = self._capture()
        for ours, theirs in zip(self.batch, batch, strict=True):
            ours.copy_(theirs)
        self.graph.replay()

    def _capture(self) -> torch.cuda.CUDAGraph:
        device = self.sums.device
        slots = [t for slots in self.step.optimizer.state.values() for t in slots.values()]
        tensors = [*self.step.model.state_dict().values(), *slots, self.sums]
        before = [t.clone() for t in tensors]
        graph = torch.cuda.CUDAGraph()
        with torch.random.fork_rng([device]):
            side = torch.cuda.Stream(device)
            side.wait_stream(torch.cuda.current_stream(device))
            with torch.cuda.stream(side):
                for _ in range(_WARM_UP):
                    self.step(*self.batch)
            torch.cuda.current_stream(device).wait_stream(side)
            with torch.cuda.graph(graph):  # gradients are None by then or freed by the step: they live in its pool
                self.step(*self.batch)
        with torch.no_grad():
            for tensor, value in zip(tensors, before, strict=True):
                tensor.copy_(value)
        return graph
