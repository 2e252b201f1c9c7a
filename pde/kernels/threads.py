"""Jobs side by side: compiled functions that release Python's lock, on as many threads as torch uses."""

from __future__ import annotations

import gc
import itertools
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import torch

from . import compiled

SINGLE = 2**18  # points that one thread does faster than two: another takes a few tenths of a millisecond to wake
PATIENCE = 1.5  # seconds after which a first call says that it compiles
ANNOUNCEMENT = "vcycle: compiling the fused levels (about 20 s, once: they are kept on disk)"

_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}
_ready: set[object] = set()


def cut(n: int, parts: int) -> list[tuple[int, int]]:
    """0 to n in parts that differ by one at most.

    >>> cut(7, 2)
    [(0, 3), (3, 7)]
    """
    ends = [n * k // parts for k in range(parts + 1)]
    return [(low, high) for low, high in itertools.pairwise(ends) if high > low]


def slabs(n: int, points: int) -> list[tuple[int, int]]:
    """0 to n, for the threads that so many points in all are worth."""
    return cut(n, 1 if points <= SINGLE else torch.get_num_threads())


def run(function: Callable[..., object], jobs: Sequence[tuple[object, ...]], kind: object) -> None:
    """function(*job) for each job, at once. kind: what it is compiled for, once."""
    if kind not in _ready:
        compiled.check()
        with _first_call():
            function(*jobs[0])
        _ready.add(kind)
        jobs = jobs[1:]
    if not jobs:
        return
    first, *others = jobs
    if not others:
        function(*first)
        return
    # a pool does not survive a fork
    key = os.getpid(), max(torch.get_num_threads() - 1, 1)
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(key[1], thread_name_prefix="vcycle")
    waiting = [_pools[key].submit(function, *job) for job in others]
    try:
        function(*first)
    finally:
        for job in waiting:
            job.result()


def collect(
    function: Callable[..., object], jobs: Sequence[tuple[object, ...]], shape: tuple[int, ...], kind: object
) -> list[np.ndarray]:
    """function(*job, result) for each job, at once: the results, of that shape and zero at first."""
    results = [np.zeros(shape) for _ in jobs]
    run(function, [(*job, result) for job, result in zip(jobs, results, strict=True)], kind)
    return results


@contextmanager
def _first_call() -> Iterator[None]:
    """Says on stderr that kernels are compiled, if it takes long: not where they come from the disk.

    A compiler makes millions of objects that stay. To look through them for garbage takes a tenth of its time, so that
    waits.
    """
    timer = threading.Timer(PATIENCE, lambda: print(ANNOUNCEMENT, file=sys.stderr, flush=True))
    timer.daemon = True
    collects = gc.isenabled()
    timer.start()
    gc.disable()
    try:
        yield
    finally:
        timer.cancel()
        if collects:
            gc.enable()
