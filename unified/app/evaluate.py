"""Test a trained classifier on the test images of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from ..errors import ArgumentError
from .checkpoints import find


@dataclass(frozen=True)
class Options:
    checkpoint: Path | None = None
    """A checkpoint or its run's folder; the newest below runs/ if not given."""
    data: str | None = None
    """The data set; the one it was trained on if not given."""
    root: Path | None = None
    """Where the data is: a folder, or the official .tar.gz archive (binary version)."""
    batch_size: int = 500
    """Images at once."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options() -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    import vision

    path = find(options.checkpoint)
    model, meta = vision.load_model(path)
    name: Any = options.data or meta.get("data")
    data = vision.load(name, options.root)
    if list(data.classes) != list(meta.get("classes", data.classes)):
        raise ArgumentError(
            "data",
            got=data.name,
            expected=f"the classes of the checkpoint, {meta['classes']}",
            do="use its data set",
        )
    result = vision.evaluate(model, data, batch_size=options.batch_size)
    return {
        "checkpoint": str(path),
        "model": meta["model"],
        "data": data.name,
        "test_images": len(data.test_labels),
        "accuracy": result.accuracy,
        "top5": result.top5,
        "loss": result.loss,
        "per_class": result.per_class,
        "confusion": result.confusion.tolist(),
    }


def text(report: dict[str, Any]) -> str:
    width = max(map(len, report["per_class"]))
    rows = [f"  {name:{width}}  {share:7.2%}" for name, share in report["per_class"].items()]
    return "\n".join(
        [
            f"{report['model']['name']} ({report['checkpoint']}) on {report['test_images']:,} test images of "
            f"{report['data']}",
            f"accuracy {report['accuracy']:.2%}, top five {report['top5']:.2%}, cross-entropy {report['loss']:.4f}",
            "",
            *rows,
        ]
    )
