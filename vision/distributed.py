"""Data-parallel training under `torchrun`: every process trains on its share of each batch.

The batches are those of a single process, drawn and augmented from the same seeds, and each process keeps every
size-th image: the gradients, averaged over the processes, are the single process's to rounding. Normalisations
are the exception: each process normalises by the statistics of its own share, and the running statistics are those
of the first process. Convert the model by `nn.SyncBatchNorm.convert_sync_batchnorm` beforehand for common ones (on
CUDA devices).
"""

from __future__ import annotations

import atexit
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn

from unified.errors import ArgumentError

from .device import resolve_device


def launched() -> bool:
    """Did torchrun start this process?"""
    return all(variable in os.environ for variable in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))


def rank() -> int:
    """This process's rank among those of torchrun; 0 without it."""
    return int(os.environ["RANK"]) if launched() else 0


@dataclass(frozen=True)
class Group:
    """The processes of a run and this one's rank among them; a single process is a group of one."""

    device: torch.device
    rank: int = 0
    size: int = 1

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model with its gradients averaged over the group; weights without a gradient stay without one."""
        if self.size == 1:
            return model
        where = [self.device.index] if self.device.type == "cuda" else None
        warnings.filterwarnings("ignore", "find_unused_parameters=True was specified")  # where it finds none
        return nn.parallel.DistributedDataParallel(
            model, device_ids=where, gradient_as_bucket_view=True, find_unused_parameters=True
        )

    def share(self, batch: Tensor) -> Tensor:
        """This process's part of a batch."""
        return batch[self.rank :: self.size]

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the group; `values` stays as it is."""
        if self.size > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def agree(self, tensors: Iterable[Tensor]) -> None:
        """Give every process the first one's tensors."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor, 0)

    def check_same(self, argument: str, number: int, do: str) -> None:
        """Every process has the same number, or ArgumentError in all of them."""
        if self.size > 1:
            both = torch.tensor([number, -number], device=self.device)
            dist.all_reduce(both, dist.ReduceOp.MAX)
            if both[0] != -both[1]:
                raise ArgumentError(
                    argument, got=f"{int(-both[1])} to {int(both[0])}", expected="one for all processes", do=do
                )


def _leave() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def processes(name: str) -> Iterator[Group]:
    """The group that torchrun, or the caller through torch.distributed, made; `name`: the device, or 'auto'."""
    several = launched() or (dist.is_available() and dist.is_initialized())
    if several and name in ("auto", "cuda") and torch.cuda.is_available():
        name = f"cuda:{os.environ.get('LOCAL_RANK', 0)}"
    device = resolve_device(name)
    with torch.cuda.device(device) if device.type == "cuda" else nullcontext():
        if not several:
            yield Group(device)
            return
        if not dist.is_initialized():
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            # Once for all runs of the process: a second group would find the first one's addresses in the store.
            atexit.register(_leave)
        yield Group(device, dist.get_rank(), dist.get_world_size())
