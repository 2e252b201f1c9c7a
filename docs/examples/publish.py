"""What both examples do with what they found: a record in docs/results, a picture in docs/figures."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from PIL import Image

from unified.files import png, replace

DOCS = Path(__file__).resolve().parents[1]
sys.path.append(str(DOCS / "benchmarks"))

from record import write  # noqa: E402 (it notes the commit when the run starts)


def publish(name: str, results: dict[str, Any], figure: Figure, folder: Path | None = None) -> None:
    """Write NAME.json, with what it was computed with, and NAME.png; folder: of both, in place of those of docs."""
    print(write(name, results, folder))
    picture = io.BytesIO()  # in 256 colours: a third of the size
    Image.open(io.BytesIO(png(figure))).convert("RGB").quantize(256).save(picture, "PNG", optimize=True)
    replace((folder or DOCS / "figures") / f"{name}.png", picture.getvalue())
