"""An inspection as files: figures, and the numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from unified.files import png, replace

from .inspect import Inspection
from .inspect_plots import plot_residuals, plot_smoothing, plot_spectra, plot_states


def write_inspection(found: Inspection, folder: str | Path) -> list[Path]:
    """spectra.png, smoothing.png, states.png, residuals.png and inspect.json in `folder`, each whole or not at all.

    Without the first where no level's A has eigenvalues (u and f have different channels), and without the second where
    no smoother is linear without bn and relu.
    """
    return [replace(Path(folder) / name, content) for name, content in _contents(found)]


def _contents(found: Inspection) -> Iterator[tuple[str, bytes]]:
    if any(level.after.A is not None for level in found.levels):
        yield "spectra.png", png(plot_spectra(found))
    if any(level.after.smoothing is not None for level in found.levels):
        yield "smoothing.png", png(plot_smoothing(found))
    yield "states.png", png(plot_states(found))
    yield "residuals.png", png(plot_residuals(found))
    yield "inspect.json", f"{json.dumps(found.as_dict(), indent=1)}\n".encode()
