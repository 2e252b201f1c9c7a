"""What a compiled kernel may be given: arrays of numbers, of which nobody wants derivatives."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch
from torch import Tensor
from torch._C._functorch import is_functorch_wrapped_tensor  # type: ignore[attr-defined]
from torch.autograd import forward_ad

CPU = torch.device("cpu")
T = TypeVar("T")


def is_array(x: Tensor, device: torch.device = CPU) -> bool:
    """Whether x is memory of that device, and not what torch.func stands for it."""
    return x.device == device and not is_functorch_wrapped_tensor(x)


def has_graph(x: Tensor) -> bool:
    """Whether derivatives by x are to be computed, backwards or forwards."""
    if torch.is_grad_enabled() and x.requires_grad:
        return True
    return forward_ad._current_level >= 0 and forward_ad.unpack_dual(x).tangent is not None


def outside_modes(make: Callable[[], T]) -> T:
    """What a function returns, without derivatives, in a thread of its own.

    Inference mode, transforms of torch.func and modes that catch what is called belong to a thread; tensors that are
    made under them, and kept, would be of no use after them.
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(torch.no_grad()(make)).result()
