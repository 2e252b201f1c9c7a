"""Say what is on image files, with a trained classifier."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from ..errors import ArgumentError
from .checkpoints import find


@dataclass(frozen=True)
class Options:
    files: Positional[tuple[Path, ...]]
    """Image files of any kind that Pillow reads."""
    checkpoint: Path | None = None
    """A checkpoint or its run's folder; the newest below runs/ if not given."""
    top: int = 3
    """Classes to name for each file."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options() -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    import vision

    if not options.files:
        raise ArgumentError(
            "files", got="none", expected="at least one image file", do="vcycle predict FILE [FILE ...]"
        )
    path = find(options.checkpoint)
    model, meta = vision.load_model(path)
    predictions = vision.predict(model, options.files, meta, top=options.top)
    return {"checkpoint": str(path), "model": meta["model"], "predictions": [asdict(p) for p in predictions]}


def text(report: dict[str, Any]) -> str:
    return "\n".join(
        f"{p['file']}: " + ", ".join(f"{label} {probability:.1%}" for label, probability in p["top"])
        for p in report["predictions"]
    )
