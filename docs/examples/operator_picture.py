"""The picture of `solution_operator`: one problem, the errors left of it, and error by cost and by iteration."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from random_problems import Batch
from torch import Tensor

from unified.app.figures import BLUE, GREEN, GREY, ORANGE, STYLE


def draw_operator(record: dict[str, Any], batch: Batch, fields: dict[str, Tensor]) -> Figure:
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 6.6), dpi=160, layout="constrained")
        upper, lower = figure.subfigures(2, 1, height_ratios=(1, 1.15))
        u = batch.u[0, 0]
        errors = {name: v[0, 0] - u for name, v in fields.items()}
        maps = upper.subplots(1, 5)
        show(maps[0], batch.a[0].log(), "log a", "viridis")
        show(maps[1], batch.f[0, 0], "f", "RdBu_r", centred=True)
        show(maps[2], u, "u", "RdBu_r", centred=True)
        for axes, (name, error) in zip(maps[3:], errors.items(), strict=True):
            size = float(error.norm() / u.norm())
            show(axes, error, f"{name}'s error, {size:.1%}", "RdBu_r", centred=True)
        left, right = lower.subplots(1, 2)
        by_cost(left, record)
        by_iteration(right, record)
    return figure


def show(axes: Axes, field: Tensor, title: str, colours: str, *, centred: bool = False) -> None:
    x = field.numpy()
    ends = {"vmin": -np.abs(x).max(), "vmax": np.abs(x).max()} if centred else {}
    picture = axes.imshow(x.T, origin="lower", cmap=colours, **ends)
    bar = axes.figure.colorbar(picture, ax=axes, location="bottom", shrink=0.9, pad=0.03)
    bar.locator = MaxNLocator(3, symmetric=centred)
    bar.formatter.set_powerlimits((-2, 3))
    bar.ax.tick_params(labelsize=8)
    bar.update_ticks()
    axes.set_axis_off()
    axes.set_title(title)


def by_cost(axes: Axes, record: dict[str, Any]) -> None:
    """Error by multiply-adds: V-cycles one after the other, full multigrid, the network."""
    kind = record["kinds"]["as trained on"]
    points = record["n"] ** 2
    errors = record["repeated"]["V"][1:]
    cost = kind["V"]["multiply_adds"] / points
    axes.loglog(cost * np.arange(1, len(errors) + 1), errors, "o-", color=BLUE, label="V-cycles, 1 to 8")
    for name, color, mark in (("fmg", GREEN, "D"), ("network", ORANGE, "s")):
        label = {"fmg": "full multigrid, once", "network": "network, once"}[name]
        one = kind[name]
        axes.loglog(one["multiply_adds"] / points, one["error"], mark, color=color, ms=8, label=label)
    axes.set(xlabel="multiply-adds a point", title="relative error, by cost")
    axes.legend()


def by_iteration(axes: Axes, record: dict[str, Any]) -> None:
    styles = {"V": (BLUE, "o-"), "network": (ORANGE, "s-"), "network and smoothing": (GREY, "^-")}
    for name, errors in record["repeated"].items():
        color, line = styles[name]
        axes.semilogy(errors, line, color=color, label={"V": "V-cycle"}.get(name, name))
    axes.set(xlabel="iteration", title="relative error, when repeated on what is left", ylim=(1e-9, 1e6))
    axes.legend()
