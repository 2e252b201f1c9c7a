"""Files that are whole or not there."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def replace(path: str | Path, content: bytes) -> Path:
    """Put `content` at `path`, all or nothing: whatever happens meanwhile, what was there survives whole.

    It is written beside, synced and renamed. A killed process may leave `.NAME.tmp`, which the next call overwrites.
    Raises DataError where it cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except BaseException as error:  # Ctrl-C too must leave nothing behind
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise DataError(
                str(path),
                got=error.strerror or str(error),
                expected=f"a folder that takes {len(content):,} bytes",
                do="free space or save elsewhere; a file that was there is unchanged",
            ) from error
        raise
    return path


def sync_folder(folder: Path) -> None:
    """Make a renaming itself durable, where the system can sync a folder."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def png(figure: Figure) -> bytes:
    """A figure as a picture, without a date: the same numbers, the same bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
