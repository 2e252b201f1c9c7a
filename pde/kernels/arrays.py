"""Arrays that are used again: the first touch of new memory takes longer than a multigrid cycle.

An array returns by itself when nothing refers to it any more: no level, no tensor that a user holds.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Sequence

import numpy as np
import psutil
import torch
from torch import Tensor

from .plain import is_array

KEPT = 1 / 8  # of the machine's memory: at most so much is kept that nobody uses
SMALL = 2**20  # bytes: what is smaller is not kept

_blocks: list[np.ndarray] = []
_lock = threading.Lock()


def empty(shape: Sequence[int], dtype: np.dtype) -> Tensor:
    """A tensor with any numbers in it, in memory that was used before where there is some."""
    size = math.prod(shape) * dtype.itemsize
    if size < SMALL:
        return torch.from_numpy(np.empty(shape, dtype))
    with _lock:
        at = next((i for i in range(len(_blocks)) if _blocks[i].nbytes == size and _is_free(i)), None)
        if at is None:
            _shrink(psutil.virtual_memory().total * KEPT - size)
            at = len(_blocks)
            _blocks.append(np.empty(size, np.uint8))  # of large pages, where the system has them for NumPy
        return torch.from_numpy(_blocks[at].view(dtype).reshape(shape))


def copy(x: Tensor) -> Tensor:
    """A copy without derivatives; of a plain array on the CPU in such memory."""
    if not is_array(x):
        return x.detach().clone()
    return empty(x.shape, x.detach().numpy().dtype).copy_(x.detach())


def release() -> int:
    """Give back what is kept and not used; the bytes of it."""
    with _lock:
        return _shrink(0)


def _shrink(least: float) -> int:
    """Forget unused arrays, the oldest first, until they take `least` bytes or fewer."""
    given = 0
    free = [i for i in range(len(_blocks)) if _is_free(i)]
    kept = sum(_blocks[i].nbytes for i in free)
    for i in free:
        if kept <= least:
            break
        kept -= _blocks[i].nbytes
        given += _blocks[i].nbytes
        _blocks[i] = np.empty(0, np.uint8)
    _blocks[:] = [block for block in _blocks if block.nbytes]
    return given


def _is_free(i: int) -> bool:
    """Whether nothing but the list refers to a block."""
    return sys.getrefcount(_blocks[i]) <= _UNUSED


_probe = [np.empty(0)]
_UNUSED = sys.getrefcount(_probe[0])
