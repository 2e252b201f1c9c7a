"""An inspection as files: figures, and the numbers as JSON."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path

from matplotlib.figure import Figure

from unified.errors import DataError

from .inspect import Inspection
from .inspect_plots import plot_residuals, plot_smoothing, plot_spectra, plot_states


def write_inspection(found: Inspection, folder: str | Path) -> list[Path]:
    """spectra.png, smoothing.png, states.png, residuals.png and inspect.json in `folder`, each whole or not at all.

    Without the first where no level's A has eigenvalues (u and f have different channels), and without the second where
    no smoother is linear without bn and relu.
    """
    written = []
    for name, content in _contents(found):
        path, temporary = Path(folder) / name, Path(folder) / f".{name}.tmp"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(content)
            os.replace(temporary, path)
        except OSError as error:
            raise DataError(
                str(path),
                got=error.strerror or str(error),
                expected="a folder to write to",
                do="free space or use another folder",
            ) from error
        written.append(path)
    return written


def _contents(found: Inspection) -> Iterator[tuple[str, bytes]]:
    if any(level.after.A is not None for level in found.levels):
        yield "spectra.png", _png(plot_spectra(found))
    if any(level.after.smoothing is not None for level in found.levels):
        yield "smoothing.png", _png(plot_smoothing(found))
    yield "states.png", _png(plot_states(found))
    yield "residuals.png", _png(plot_residuals(found))
    yield "inspect.json", f"{json.dumps(found.as_dict(), indent=1)}\n".encode()


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # the same numbers, the same bytes
    return buffer.getvalue()
