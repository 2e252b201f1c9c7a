"""The picture of speed.py's results: a panel of bars for each case, and time per unknown by size."""

from __future__ import annotations

import io
import math
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from unified.app.figures import BLUE, GREY, ORANGE, STYLE

TITLES = {
    "large": "-Δu = f, smooth",
    "medium": "-Δu = f, smooth",
    "small": "-Δu = f, smooth",
    "random": "-Δu = f, random",
    "field": "-∇·(a ∇u) = f",
    "cube": "-Δu = f, smooth",
}


def draw(results: dict[str, Any]) -> bytes:
    cases, growth = results["cases"], results["growth"]
    panels = len(cases) + bool(growth)
    rows = max(1, -(-panels // 2))
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 2.9 * rows), dpi=160, layout="constrained")
        axes = figure.subplots(rows, 2, squeeze=False).ravel()
        for ax, (key, case) in zip(axes, cases.items(), strict=False):
            bars(ax, f"{TITLES[key]}, {' x '.join(map(str, case['shape']))}", case["entrants"])
        if growth:
            by_size(axes[len(cases)], growth)
        for ax in axes[panels:]:
            ax.set_axis_off()
        out = io.BytesIO()
        figure.savefig(out, format="png")
    return out.getvalue()


def bars(ax: Axes, title: str, entrants: dict[str, Any]) -> None:
    names = list(entrants)
    totals = [entrants[name]["in_copies"]["total"] for name in names]
    solves = [entrants[name]["in_copies"]["solve"] for name in names]
    colors = [BLUE if name.startswith("ours") else GREY for name in names]
    ax.barh(names, totals, color=colors, height=0.65)
    ax.plot(solves, names, "|", color=ORANGE, ms=11, mew=2)
    for name, total in zip(names, totals, strict=True):
        ax.annotate(
            f"{entrants[name]['seconds']['total']:.3g} s",
            (total, name),
            (4, 0),
            textcoords="offset points",
            va="center",
        )
    ax.set_xscale("log")
    ax.set_xlim(10 ** math.floor(math.log10(0.8 * min(solves))), 5 * max(totals))
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.invert_yaxis()
    ax.grid(False, axis="y")
    ax.set(title=title, xlabel="copies of an array; mark: solve alone")


def by_size(ax: Axes, growth: list[dict[str, Any]]) -> None:
    for name, color in zip(growth[0]["entrants"], (BLUE, ORANGE), strict=True):
        at = [case["shape"][0] for case in growth]
        ax.plot(at, [c["entrants"][name]["nanoseconds_per_unknown"] for c in growth], "o-", color=color, label=name)
    ax.set_xscale("log", base=2)
    ax.set_xticks(at, [f"{n}²" for n in at])
    ax.set_yscale("log")  # small grids take what set-up and calls take: a linear axis shows nothing else
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.minorticks_off()
    ax.set(title="Growth", ylabel="nanoseconds per unknown")
    ax.legend()
