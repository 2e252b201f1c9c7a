"""Pictures of an evaluation and of a comparison, each on matplotlib Axes: given ones, or those of a new Figure.

No pyplot and no global style: `ax.figure.savefig("name.png")` writes a new figure, and a notebook shows `ax.figure`.
Colours are those of the demo's report (Okabe & Ito's, told apart by every kind of eye).
"""

from __future__ import annotations

from itertools import cycle
from typing import Literal, get_args

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.ticker import EngFormatter, LogLocator
from matplotlib.transforms import Bbox

from .calibration import Reliability
from .comparison import Comparison
from .evaluate import Evaluation

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b7280"
Size = Literal["weights", "multiply_adds"]
SERIES = (BLUE, ORANGE, GREEN, "#cc79a7", "#e69f00", "#56b4e9", GREY)
COUNTED = 25  # classes, at most, for which the cells have room for their numbers
NAMED = 150  # and for which the axes have room for every name
# offsets of names in points, the best first
_PLACES = [(x, y) for y in (0, 8, -8, 20, -20) for x in (8, -8)] + [(0, 8), (0, -8)]


def plot_confusion(evaluation: Evaluation, ax: Axes | None = None) -> Axes:
    """The confusion matrix: a row a label, a column a prediction; shaded by the share of the row.

    The shade is a power of the share, so that rare errors show. Up to 25 classes the cells hold the counts.
    """
    confusion, names, k = evaluation.confusion.numpy(), evaluation.classes, len(evaluation.classes)
    side = float(np.clip(0.55 * k, 4.5, 7)) if k <= COUNTED else 12.0
    ax = _axes(ax, (side + 1.6, side + 0.6))
    ax.grid(False)
    shares = confusion / np.maximum(confusion.sum(1, keepdims=True), 1)
    shown = ax.imshow(shares, cmap="Blues", norm=PowerNorm(0.4, 0, 1))
    size = 9 if k <= COUNTED else float(np.clip(550 / k, 3, 8))
    every = np.arange(k) if k <= NAMED else np.arange(0, k, -(-k // NAMED))
    labels = [names[i] for i in every]
    ax.set_xticks(every, labels, rotation=90 if max(map(len, labels)) > 2 else 0, fontsize=size)
    ax.set_yticks(every, labels, fontsize=size)
    ax.tick_params(length=0 if k > COUNTED else 2, pad=2)
    if k <= COUNTED:
        for row, column in np.argwhere(confusion > 0):
            color = "white" if shares[row, column] > 0.3 else "black"
            ax.text(column, row, f"{confusion[row, column]}", ha="center", va="center", color=color, fontsize=8)
    else:  # a row and a column can be followed by the eye
        ax.set_xticks(np.arange(-0.5, k, 5), minor=True)
        ax.set_yticks(np.arange(-0.5, k, 5), minor=True)
        ax.grid(which="minor", color="#d1d5db", lw=0.4)
        ax.tick_params(which="minor", length=0)
    bar = ax.figure.colorbar(shown, ax=ax, shrink=0.8, aspect=30, ticks=[0, 0.01, 0.05, 0.2, 0.5, 1], format="{x:.0%}")
    bar.set_label("share of the label's images")
    ax.set(xlabel="prediction", ylabel="label")
    _title(ax, f"{confusion.sum():,} images, {evaluation.accuracy:.2%} right")
    return ax


def plot_reliability(found: Reliability, ax: Axes | None = None) -> Axes:
    """Accuracy by confidence (Guo et al. 2017, figure 1): on the diagonal the model is right as often as it says."""
    ax = _axes(ax, (5.6, 4.6))
    bins = len(found.count)
    centres, width = (np.arange(bins) + 0.5) / bins, 1 / bins
    ax.plot([0, 1], [0, 1], "--", color=GREY, lw=1, label="right as often as it says")
    ax.bar(centres, found.accuracy.numpy(), 0.92 * width, color=BLUE, alpha=0.45, label="accuracy")
    ax.plot(found.confidence.numpy(), found.accuracy.numpy(), "o", ms=4, color=BLUE, label="at the mean confidence")
    shares = found.count.numpy() / found.count.sum().item()
    ax.bar(centres, shares, 0.35 * width, color=ORANGE, label="share of the images")
    ax.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy; share of the images")
    _title(ax, f"expected calibration error {found.error:.2%}, {bins} bins")
    ax.legend(frameon=False, fontsize=8.5, loc="upper left")
    return ax


def plot_comparison(comparison: Comparison, against: Size = "weights", ax: Axes | None = None) -> Axes:
    """Mean accuracy of each model over its size, on a logarithmic axis; bars: the standard deviation over the seeds."""
    ax = _axes(ax, (5.6, 4.2))
    _points(ax, comparison, against)
    _title(ax, _lost(comparison))
    _names(ax, comparison, against)
    return ax


def plot_comparisons(comparison: Comparison) -> Figure:
    """`plot_comparison` against weights and against multiply-adds, side by side."""
    figure = Figure(figsize=(10.4, 4.2), dpi=120, layout="constrained")
    axes = dict(zip(get_args(Size), figure.subplots(1, 2, sharey=True), strict=True))
    for against, ax in axes.items():
        _style(ax)
        _points(ax, comparison, against)
        ax.label_outer()
    _title(axes["weights"], _lost(comparison))
    for against, ax in axes.items():  # when the points of both stand where they will be
        _names(ax, comparison, against)
    return figure


def _points(ax: Axes, comparison: Comparison, against: Size) -> None:
    rows = comparison.summary()
    for row, color in zip(rows, cycle(SERIES), strict=False):
        if row.accuracy is not None:
            spread = None if row.spread is None else 100 * row.spread
            point = (getattr(row, against), 100 * row.accuracy)
            ax.errorbar(*point, spread, fmt="o", ms=6, capsize=3, lw=1.2, color=color)
    ax.set_xscale("log")
    ax.margins(0.7, 0.15)  # names beside the outermost points
    ax.set(xlabel=against.replace("_", "-"), ylabel="accuracy on the test images, %")
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(EngFormatter())
    ax.minorticks_off()


def _lost(comparison: Comparison) -> str:
    lost = [row.model for row in comparison.summary() if row.accuracy is None]
    return f"diverged: {', '.join(lost)}" if lost else ""


def _names(ax: Axes, comparison: Comparison, against: Size) -> None:
    """Each model's beside its point, where it covers no other name and no point, if there is such a place."""
    rows = [(row, color) for row, color in zip(comparison.summary(), cycle(SERIES), strict=False) if row.finished]
    ax.figure.draw_without_rendering()  # the layout, which decides where the points are
    inside = ax.get_window_extent()
    points, bars, names = [], [], []
    for row, _ in rows:
        x, y, spread = getattr(row, against), 100 * row.accuracy, 100 * (row.spread or 0)
        points.append((x, y))
        bars.append(Bbox(ax.transData.transform([(x, y - spread), (x, y + spread)])).padded(6))
    for (row, color), point in zip(rows, points, strict=True):
        note = ax.annotate(row.model, point, (0, 0), textcoords="offset points", fontsize=8.5, color=color)
        note.set_in_layout(False)  # else the next layout moves what is placed now

        def hidden(place: tuple[int, int], note: Annotation = note) -> int:
            box = _put(note, place)
            cut = not (inside.containsx(box.x0) and inside.containsx(box.x1))
            return box.count_overlaps(bars) + 2 * box.count_overlaps(names) + 2 * cut  # a bar across it is the least

        names.append(_put(note, min(_PLACES, key=hidden)))


def _put(note: Annotation, place: tuple[int, int]) -> Bbox:
    x, y = place
    note.set_position(place)
    note.set_ha("left" if x > 0 else "right" if x < 0 else "center")
    note.set_va("bottom" if y > 0 else "top" if y < 0 else "center")
    return note.get_window_extent()


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, loc="left", fontsize=10)


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Those given, as they are, or new ones in the style of the report."""
    if ax is not None:
        return ax
    ax = Figure(figsize=size, dpi=120, layout="constrained").subplots()
    _style(ax)
    return ax


def _style(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e5e7eb")
    ax.set_axisbelow(True)
