"""Compiled kernels that are kept on disk, and belong to the sources as they are.

What a kernel calls is compiled into it, but when Numba takes a compiled one from disk it looks at the kernel's own file
alone (since 0.68.1 at its content), and would not notice a changed helper in another file.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
from pathlib import Path

import numba

from unified import files
from unified.errors import DataError

STAMP = "vcycle-kernels.sha256"
HERE = Path(__file__).parent


@numba.njit(cache=True)
def _probe() -> None:
    """Never called: it knows where those of this folder are kept."""


def digest(folder: Path = HERE) -> str:
    """Of all sources of a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def discard_stale(cache: Path, folder: Path = HERE) -> int:
    """Forget what a cache has of other sources than those of the folder; how many kernels.

    The stamp is written before there is anything, too: else the next process would forget what this one compiles.
    """
    stamp, now = cache / STAMP, digest(folder)
    if stamp.exists() and stamp.read_text() == now:
        return 0
    stems = {path.stem for path in folder.glob("*.py")}
    indices = [path for path in cache.glob("*.nbi") if path.name.split(".")[0] in stems]
    for path in indices:  # what the index does not name is written anew
        path.unlink(missing_ok=True)
    files.replace(stamp, now.encode())
    return len(indices)


@functools.lru_cache(1)
def check() -> None:
    """To be done before a kernel is taken from disk. A cache that cannot be written to is left as it is."""
    with contextlib.suppress(OSError, DataError):
        discard_stale(Path(_probe.stats.cache_path))
