"""List the models: weights, multiply-adds for one image, and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from tyro.conf import arg

from ..errors import ArgumentError


@dataclass(frozen=True)
class Options:
    image: tuple[int, int, int] = (3, 32, 32)
    """Channels, height and width of an image."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options(_: list[str]) -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    import vision

    rows: list[dict[str, Any]] = []
    for name, (_, _, source) in vision.MODELS.items():
        model = vision.create_model(name, in_channels=options.image[0])
        try:
            work = vision.multiply_adds(model, options.image)
        except ArgumentError:  # more levels than such an image has
            work = None
        rows.append({"name": name, "weights": vision.count_weights(model), "multiply_adds": work, "source": source})
    return {"models": rows}


def text(report: dict[str, Any]) -> str:
    head = f"{'model':22} {'weights':>12} {'mult-adds':>10}   source"
    return "\n".join([head, *map(_line, report["models"])])


def _line(row: dict[str, Any]) -> str:
    work = "-" if row["multiply_adds"] is None else f"{row['multiply_adds'] / 1e9:.3f} G"
    return f"{row['name']:22} {row['weights']:12,} {work:>10}   {row['source']}"
