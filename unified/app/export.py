"""Write a trained classifier for other programs; the file is read back and compared with the model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from .checkpoints import find


@dataclass(frozen=True)
class Options:
    file: Positional[Path]
    """The file to write. Its suffix is the format: .safetensors (weights and configuration, for vision.load_model),
    .pt2 (torch.export) or .onnx; the last two take uint8 images of 0 to 255, and normalise them."""
    checkpoint: Path | None = None
    """A checkpoint or its run's folder; the newest below runs/ if not given."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options(_: list[str]) -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    import vision

    path = find(options.checkpoint)
    model, meta = vision.load_model(path)
    done = vision.export(model, options.file, meta)
    return {
        "checkpoint": str(path),
        "model": meta["model"],
        "file": str(done.path),
        "bytes": done.size,
        "difference": done.difference,
    }


def text(report: dict[str, Any]) -> str:
    return (
        f"{report['model']['name']} ({report['checkpoint']}) is {report['file']}: {report['bytes']:,} bytes; its "
        f"logits differ from the model's by {report['difference']:.1e} at most"
    )
