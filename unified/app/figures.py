"""The demo's figures, each as the bytes of a file, drawn from the numbers of results.json and from pictures.

Figure objects on the Agg canvas: no global state. Colours are Okabe & Ito's, told apart by every kind of eye.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image
from torch import Tensor

from ..files import png

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b7280"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "grid.color": "#e5e7eb",
    "legend.frameon": False,
}


def convergence(poisson: dict[str, Any]) -> bytes:
    """Residuals by work, of the cycle and of the finest level alone; errors by size."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.9), dpi=160, layout="constrained")
        left, right = figure.subplots(1, 2, width_ratios=(2.2, 1))
        residuals(left, poisson)
        n = np.array([row["n"] for row in poisson["sizes"]])
        error = np.array([row["error"] for row in poisson["sizes"]])
        right.loglog(n, error, "o-", color=BLUE, ms=5, label="V-cycles")
        fmg = error * [row["fmg_error"] for row in poisson["sizes"]]
        right.loglog(n, fmg, "x", color=ORANGE, ms=9, mew=1.6, label="full multigrid\nonce, no cycle more")
        right.loglog(n, error[0] * (n[0] / n) ** 2 / 2.5, "--", color=GREY, label="order 2")
        right.set_xticks(n, [str(i) for i in n], rotation=45)
        right.minorticks_off()
        right.set(xlabel="points an axis", title="largest error")
        right.legend(fontsize=8.5, loc="lower left")
        return png(figure)


def residuals(axes: Any, poisson: dict[str, Any]) -> None:
    """The left half of `convergence`."""
    sizes, one_level = poisson["sizes"], poisson["one_level"]
    for row, shade in zip(one_level, np.linspace(0.55, 0.85, len(one_level)), strict=True):
        axes.semilogy(row["residuals"], "--", color=colormaps["Oranges"](shade), lw=1.5)
    end = len(one_level[-1]["residuals"]) - 1
    axes.text(end, 1.8, f"finest level alone, {_sizes(one_level)}", ha="right", va="bottom", color=ORANGE)
    for row, shade in zip(sizes, np.linspace(0.4, 1.0, len(sizes)), strict=True):
        work = row["work"] * np.arange(len(row["residuals"]))
        axes.semilogy(work, row["residuals"], "o-", color=colormaps["Blues"](shade), ms=4, lw=1.5)
    middle = len(sizes[-1]["residuals"]) // 2
    axes.annotate(
        f"V-cycles, {_sizes(sizes)}:\none point a cycle",
        (sizes[-1]["work"] * middle, sizes[-1]["residuals"][middle]),
        xytext=(12, 2),
        textcoords="offset points",
        color=BLUE,
    )
    axes.set(xlim=(0, end), ylim=(None, 12), xlabel="work: products with the finest matrix", title="relative residual")


def _sizes(rows: list[dict[str, Any]]) -> str:
    return f"{rows[0]['n']}² to {rows[-1]['n']}²"


def training(digits: dict[str, Any]) -> bytes:
    """Loss and validation error by epoch."""
    with rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.2), dpi=160, layout="constrained")
        left, right = figure.subplots(1, 2)
        for row, color in zip(digits["models"], (BLUE, ORANGE), strict=True):
            epoch = [record["epoch"] for record in row["history"]]
            left.semilogy(epoch, [record["loss"] for record in row["history"]], color=color, label=row["label"])
            wrong = [100 * (1 - record["valid_accuracy"]) for record in row["history"]]
            right.semilogy(epoch, np.maximum(wrong, 0.1), color=color, label=row["label"])
        right.axhline(3, color=GREY, lw=1, ls="--")
        right.set_yticks([0.3, 1, 3, 10, 30, 100], ["0.3", "1", "3", "10", "30", "100"])
        right.minorticks_off()
        right.set(title="validation images classified wrongly, %", ylim=(0.25, 110))
        left.set(title="training loss")
        for axes in (left, right):
            axes.set(xlabel="epoch")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.legend(loc="upper right")
        return png(figure)


def strip(digits: dict[str, Any], images: Tensor, columns: int = 15) -> bytes:
    """The first test digits with predictions, and each model's errors. images: the test images (N, 1, 8, 8), uint8."""
    labels = np.array(digits["labels"])
    rows: list[tuple[str, np.ndarray, np.ndarray]] = []
    for row in digits["models"]:
        said = np.array(row["predictions"])
        rows.append((f"{row['label']}: the first {columns}", np.arange(len(labels))[:columns], said))
        wrong = np.flatnonzero(said != labels)
        count = f"{len(wrong)}" if len(wrong) <= columns else f"{columns} of {len(wrong)}"
        rows.append((f"{row['label']}: {count} wrong", wrong[:columns], said))
    figure = Figure(figsize=(8.4, 1.05 * len(rows)), dpi=160)
    parts: Any = figure.subfigures(len(rows), 1)
    for part, (title, index, said) in zip(parts, rows, strict=True):
        part.text(0.012, 0.98, title, fontsize=9.5, color="#111827", va="top")
        part.subplots_adjust(0.01, 0.02, 0.99, 0.62, wspace=0.25)
        for axes in part.subplots(1, columns):
            axes.axis("off")
        for axes, i in zip(part.axes, index, strict=False):
            good = said[i] == labels[i]
            axes.imshow(images[i, 0].numpy(), cmap="gray_r")
            label = f"{said[i]}" if good else f"{said[i]}, not {labels[i]}"
            axes.set_title(label, fontsize=8, pad=2, color=GREEN if good else ORANGE, loc="center")
    return png(figure)


def photograph(picture: Tensor) -> bytes:
    """A JPEG of (3, H, W) in [0, 1]."""
    buffer = io.BytesIO()
    image(picture).save(buffer, "JPEG", quality=90, subsampling=0, optimize=True)
    return buffer.getvalue()


def side_by_side(left: Tensor, right: Tensor, gap: int = 8) -> bytes:
    """A PNG of two pictures (3, H, W) in 256 colours, dithered: a third of the size, and hardly to be told."""
    both = Image.new("RGB", (left.shape[2] + gap + right.shape[2], left.shape[1]), "white")
    both.paste(image(left), (0, 0))
    both.paste(image(right), (left.shape[2] + gap, 0))
    palette = both.quantize(256, kmeans=1)
    buffer = io.BytesIO()
    both.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def image(picture: Tensor) -> Image.Image:
    """(3, H, W) in [0, 1], clipped to it, as a picture of 8 bits."""
    return Image.fromarray((picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).contiguous().numpy())
