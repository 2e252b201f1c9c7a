"""Test a trained classifier: accuracy, calibration, and what it takes for what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from .. import files
from .checkpoints import find
from .data import Name, prepare, same


@dataclass(frozen=True)
class Options:
    checkpoint: Path | None = None
    """A checkpoint or its run's folder; the newest below runs/ if not given."""
    data: Name | None = None
    """The data set; the one it was trained on if not given."""
    root: Path | None = None
    """Where the data is: a folder, or the official .tar.gz archive (binary version)."""
    split: Literal["train", "valid", "test"] = "test"
    """The images to test on; valid: those that the training held out."""
    flip: bool = False
    """Average the logits of each image and its mirror image: an error where these are not of one class."""
    figures: Path | None = None
    """A folder for confusion.png and reliability.png."""
    batch_size: int = 500
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

    device = resolve_device(options.device)
    path = find(options.checkpoint)
    model, meta = vision.load_model(path)
    data = prepare(meta, options.data, options.root, options.split)
    how: Any = {name: getattr(options, name) for name in ("split", "flip", "batch_size", "precision")}
    result = vision.evaluate(model.to(device), data, **how)
    if options.figures is not None:
        _draw(result, options.figures)
    found = result.reliability
    return {
        "checkpoint": str(path),
        "model": meta["model"],
        "data": data.name,
        "held_out": same(meta, data, options.split),
        "split": options.split,
        "flip": options.flip,
        "images": int(result.confusion.sum()),
        "accuracy": result.accuracy,
        "top5": result.top5,
        "loss": result.loss,
        "brier": result.brier,
        "calibration_error": found.error,
        "reliability": {name: getattr(found, name).tolist() for name in ("count", "confidence", "accuracy")},
        "per_class": result.per_class,
        "confused": [list(row) for row in result.confused()],
        "confusion": result.confusion.tolist(),
        "figures": None if options.figures is None else str(options.figures),
    }


def _draw(result: Any, folder: Path) -> None:
    import vision

    plots = {"confusion": vision.plot_confusion(result), "reliability": vision.plot_reliability(result.reliability)}
    for name, ax in plots.items():
        figure: Any = ax.figure
        files.replace(folder / f"{name}.png", files.png(figure))


def text(report: dict[str, Any]) -> str:
    width = max(map(len, report["per_class"]))
    rows = [f"  {name:{width}}  {share:7.2%}" for name, share in report["per_class"].items()]
    split = {"train": "training", "valid": "validation", "test": "test"}[report["split"]]
    seen = report["held_out"] is False
    wrong = ", ".join(f"{label} as {said} ({n})" for label, said, n in report["confused"])
    return "\n".join(
        [
            f"{report['model']['name']} ({report['checkpoint']}) on {report['images']:,} {split} images of "
            f"{report['data']}{', each with its mirror image' if report['flip'] else ''}",
            f"accuracy {report['accuracy']:.2%}, top five {report['top5']:.2%}, cross-entropy {report['loss']:.4f}",
            f"Brier score {report['brier']:.4f}, expected calibration error {report['calibration_error']:.2%} "
            f"({len(report['reliability']['count'])} bins)",
            *(["these are not the images that the training left out: it may have seen some"] if seen else []),
            "",
            *rows,
            *(["", f"most often taken: {wrong}"] if wrong else []),
            *(["", f"the figures are in {report['figures']}"] if report["figures"] else []),
        ]
    )
