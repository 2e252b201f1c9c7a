"""Say what is on image files, with a trained classifier."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from ..errors import ArgumentError, DataError
from .checkpoints import find


@dataclass(frozen=True)
class Options:
    files: Positional[tuple[Path, ...]]
    """Image files of any kind that Pillow reads, and folders of them. One that cannot be read is named on stderr, and
    the exit status is then 1."""
    checkpoint: Path | None = None
    """A checkpoint or its run's folder; the newest below runs/ if not given."""
    top: int = 3
    """Classes to name for each file."""
    flip: bool = False
    """Average the logits of each image and its mirror image: an error where these are not of one class."""
    batch_size: int = 64
    """Images at once."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Arithmetic of the convolutions; auto: bfloat16 where the hardware has it, else float32."""
    device: str = "auto"
    """auto (cuda if there is one), cpu, cuda, cuda:1, ..."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options(_: list[str]) -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    import vision
    from vision.device import resolve_device

    if not options.files:
        raise ArgumentError(
            "files", got="none", expected="at least one image file", do="vcycle predict FILE [FILE ...]"
        )
    device = resolve_device(options.device)
    path = find(options.checkpoint)
    model, meta = vision.load_model(path)
    errors: list[DataError] = []
    how: Any = {name: getattr(options, name) for name in ("top", "flip", "batch_size", "precision")}
    predictions = vision.predict(model.to(device), options.files, meta, **how, unreadable=errors.append)
    for error in errors:
        print(f"vcycle predict: {error}", file=sys.stderr)
    return {
        "ok": not errors,
        "checkpoint": str(path),
        "model": meta["model"],
        "predictions": [asdict(p) for p in predictions],
        "unreadable": [{"file": error.argument, "error": str(error)} for error in errors],
    }


def text(report: dict[str, Any]) -> str:
    return "\n".join(
        f"{p['file']}: " + ", ".join(f"{label} {probability:.1%}" for label, probability in p["top"])
        for p in report["predictions"]
    )
