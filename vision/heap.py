"""Memory that one training step frees stays with the process for the next one.

glibc gives large arrays back to the system and asks for them again, and the system hands out zeroed pages, one by one:
thousands in each step on a CPU.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# <malloc.h>; what follows each is glibc's own choice, once it has seen large arrays
TRIM_THRESHOLD, MMAP_THRESHOLD, MMAP_MAX = -1, -3, -4
_USUAL = {TRIM_THRESHOLD: 64 << 20, MMAP_THRESHOLD: 32 << 20, MMAP_MAX: 65536}
_KEPT = {TRIM_THRESHOLD: -1, MMAP_MAX: 0}  # give nothing back; take nothing that would be given back


@contextmanager
def kept_heap() -> Iterator[None]:
    """What is freed inside is kept until the end, for the whole process. Without glibc this does nothing.

    Aligned arrays, as torch's are, do not always fit where one of their size was: a loop over one array grew to eight
    times its size, and no further; MgNet-64 at batch 128 took 3 % more memory in bfloat16, a third more in float32.
    Afterwards glibc's thresholds have its defaults, not those of an environment variable.
    """
    libc: Any = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt"):
        yield
        return
    for option, value in _KEPT.items():
        libc.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in _USUAL.items():
            libc.mallopt(option, value)
        libc.malloc_trim(0)
