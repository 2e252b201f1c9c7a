"""Pictures of a solve, a hierarchy and a smoother, each on matplotlib Axes: given ones, or those of a new Figure.

No pyplot and no global style: `ax.figure.savefig("name.png")` writes a new figure, and a notebook shows
`ax.figure`. Colours are those of the demo's report (Okabe & Ito's, told apart by every kind of eye).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from unified.errors import ArgumentError
from unified.multigrid import Level
from unified.program import Program
from unified.roots import residual_polynomial
from unified.smoother import AbstractSmoother
from unified.solution import Solution

from . import checks
from .coarsening import Grid
from .hierarchy import PoissonMultigrid
from .kernels.abstract import AbstractFusedLevel
from .polynomials import roots_of, scale_of
from .spectra import spectrum, unseen_from

BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#6b7280"
SERIES = (BLUE, ORANGE, GREEN, "#cc79a7", "#e69f00", "#56b4e9", GREY)
TICKS = 1000  # of a spectrum: more are a solid band, and slow


def plot_convergence(
    solution: Solution | Iterable[Solution],
    labels: str | Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Relative residuals by cycle. labels: one for each solution; else method, rate and, not converged, the result.

    A cross ends what did not converge. A residual that is zero, or not finite, has no place on a logarithmic axis.

    >>> import pde, torch
    >>> solution = pde.solve(pde.Poisson((31, 31)), torch.ones(31, 31, dtype=torch.float64))
    >>> plot_convergence(solution).get_ylabel()
    'relative residual'
    """
    solutions = [solution] if isinstance(solution, Solution) else _several(solution)
    names = _labels(labels, solutions)
    ax = _axes(ax, (6.4, 4.0))
    for i, (one, name) in enumerate(zip(solutions, names, strict=True)):
        history = np.array(one.residuals)
        drawn = np.where(np.isfinite(history) & (history > 0), history, np.nan)  # what a logarithm has
        color, style = SERIES[i % len(SERIES)], ("-", "--", ":")[i // len(SERIES) % 3]
        ax.plot(drawn, marker="o", ms=4, lw=1.5, ls=style, color=color, label=name)
        if not one.result.ok:
            ax.plot(len(drawn) - 1, drawn[-1], "X", ms=9, mec="white", color=color)
    ax.set_yscale("log")
    ax.set(xlabel="cycle", ylabel="relative residual")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False)
    return ax


def plot_hierarchy(mg: PoissonMultigrid, ax: Axes | None = None) -> Axes:
    """The grids, a row a level, and the way of the program through them, from left to right.

    >>> import pde
    >>> plot_hierarchy(pde.multigrid(pde.Poisson((63, 63)), "W")).get_xlabel()
    'W: 68 operations, in their order'
    """
    checks.instance("mg", mg, PoissonMultigrid, "use pde.multigrid(problem)")
    ways = _ways(mg.program)
    end = float(np.nanmax([x for way in ways.values() for x, _ in way], initial=1))
    ax = _axes(ax, (min(max(7.2, 4.4 + 0.25 * end), 14), 1.2 + 0.5 * len(mg.grids)))
    ax.grid(False)
    for level in range(len(mg.grids)):
        ax.axhline(level, color="#e5e7eb", lw=1, zorder=0)
    size = float(np.clip(450 / end, 2.5, 8))
    looks: dict[str, dict[str, Any]] = {
        "way": {"color": GREY, "lw": 1.2, "label": "restrict; prolong, add"},
        "interpolate": {"color": ORANGE, "lw": 2, "ls": (0, (2, 1)), "label": "interpolate"},
        "pre": {"marker": "o", "color": BLUE, "label": "smooth, way down"},
        "post": {"marker": "o", "color": BLUE, "mfc": "white", "label": "smooth, way up"},
        "solve": {"marker": "s", "color": GREEN, "label": "solve"},
    }
    for kind, look in looks.items():
        if ways[kind]:
            look |= {} if "lw" in look else {"ls": "", "ms": size}
            ax.plot(*zip(*ways[kind], strict=True), **look)
    ax.set_yticks(range(len(mg.grids)), [_grid(i, p) for i, p in enumerate(mg.grids)], fontsize=8.5)
    ax.set_xticks([])
    ax.set_ylim(len(mg.grids) - 0.6, -0.4)
    count = f"{len(mg.program)} operation{'s' if len(mg.program) > 1 else ''}"
    ax.set_xlabel(f"{mg.program_name}: {count}, in their order")
    complexity = f"grid complexity {mg.grid_complexity:.3f}, operator complexity {mg.operator_complexity:.3f}"
    _title(ax, f"{mg.parts}\n{complexity}")
    ax.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1, 0.5))  # beside: a V leaves no room
    return ax


def plot_spectrum(mg: PoissonMultigrid, ax: Axes | None = None, level: int = 0) -> Axes:
    """What one application of a level's smoother leaves of each eigenvector of A: |p(λ)|, over A's eigenvalues.

    Where the diagonal D of A varies, the smoother is a polynomial in D⁻¹A, and λ are its eigenvalues: the axis says so.
    Below: the eigenvalues, at most a thousand, evenly chosen from all; Ritz values where they are too many to compute.
    Marked: the roots of p, a complex pair at its real part. Shaded, where they have a closed form: the eigenvalues
    that some vector unseen by the next grid has, and how little the smoother leaves of those at worst. Drawn is the
    smoother of the way down, if there is one, and both ways' where they are the halves of one polynomial ("split").

    >>> import pde
    >>> print(plot_spectrum(pde.multigrid(pde.Poisson((63, 63))), level=1).get_title(loc="left"))
    level 1, 31 × 31
    correction scheme, split of degree 2
    """
    checks.instance("mg", mg, PoissonMultigrid, "use pde.multigrid(problem)")
    checks.whole("level", level, least=0, usual=0)
    if level >= len(mg.levels):
        raise ArgumentError("level", got=level, expected=f"0 to {len(mg.levels) - 1}", do="use level=0")
    grid, smoothers = mg.grids[level], _smoothers(mg, level)
    roots, scale = np.concatenate([roots_of(one) for one in smoothers]), scale_of(smoothers[0])
    every = spectrum(grid.A, scale)
    ax = _axes(ax, (6.4, 4.0))
    low = unseen_from(grid, mg.grids[level + 1]) if scale is None and level + 1 < len(mg.grids) else None
    if low is not None:
        worst = abs(residual_polynomial(roots, np.linspace(low, every.hi, 2001))).max()
        name = f"to be smoothed: |p| ≤ {worst:.3f}"
        ax.axvspan(low, every.hi, color=BLUE, alpha=0.12, lw=0, label=name)
        ax.plot([low, every.hi], [worst, worst], "--", color=BLUE, lw=1)
    lam = np.linspace(0, every.hi, 1001)
    p = abs(residual_polynomial(roots, lam))
    ax.plot(lam, p, color=BLUE, lw=1.8, label="|p(λ)|")
    falls = p[len(p) // 3 :].max() < p.max() / 2  # then the upper right is free for the legend
    top = (1.05 if falls else 1.4) * max(1.0, p.max())
    some = every.values[np.unique(np.linspace(0, len(every.values) - 1, TICKS).round().astype(int))]
    name = every.kind if len(some) == grid.unknowns else f"{every.kind}, {len(some)} of {grid.unknowns:,}"
    crowd = float(np.clip(60 / len(some), 0.15, 1))
    ax.plot(some, np.full(len(some), -0.06 * top), "|", color=GREY, ms=8, alpha=crowd, label=name)
    _mark(ax, roots, every.hi)
    ax.set_ylim(-0.11 * top, top)
    matrix = "A" if scale is None else "D⁻¹A"
    ax.set(xlabel=f"eigenvalue λ of {matrix}", ylabel="|p(λ)|, left by smoothing")
    ax.ticklabel_format(axis="x", style="sci", scilimits=(-3, 4), useMathText=True)
    _title(ax, f"level {level}, {_shape(grid)}\n{mg.parts}")
    legend = ax.legend(frameon=False, fontsize=8.5, loc="upper right" if falls else "upper left")
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
        if handle is not None and text.get_text() == name:
            handle.set_alpha(1)  # one tick of a faint band
    return ax


def _mark(ax: Axes, roots: np.ndarray, radius: float) -> None:
    """Real roots on the axis, with their multiplicity; pairs on the curve, with their value over λmax."""
    real, times = np.unique(roots.real[roots.imag == 0], return_counts=True)
    pairs = roots[roots.imag > 0]
    if len(real):
        ax.plot(real, np.zeros(len(real)), "o", ms=7, mfc="white", color=ORANGE, label="roots", zorder=4)
    for rho, n in zip(real, times, strict=True):
        if n > 1:
            _note(ax, f"× {n}", (rho, 0.0))
    if len(pairs):
        height = abs(residual_polynomial(roots, pairs.real))
        ax.plot(pairs.real, height, "D", ms=6, mfc="white", color=ORANGE, label="complex roots a ± ib, at a", zorder=4)
        for rho, y in zip(pairs, height, strict=True):
            _note(ax, f"({rho.real / radius:.3g} ± {rho.imag / radius:.3g}i) λmax", (rho.real, y))


def _note(ax: Axes, text: str, at: tuple[float, float]) -> None:
    ax.annotate(text, at, xytext=(0, 9), textcoords="offset points", ha="center", color=ORANGE, fontsize=8.5)


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, loc="left", fontsize=10)


def _smoothers(mg: PoissonMultigrid, level: int) -> list[AbstractSmoother]:
    """That of one way; those of both where they share no root: their polynomial is the product."""
    part = mg.levels[level]
    pre, post = cast(Level, part.level if isinstance(part, AbstractFusedLevel) else part).smoothers
    each = [smoother for smoother in (pre, post) if smoother is not None]
    if not each:
        raise ArgumentError("level", got=f"{level}, which smooths nothing", expected="a smoother", do="use pre=1")
    return each if not np.intersect1d(*map(roots_of, (each[0], each[-1]))).size else each[:1]


def _ways(program: Program) -> dict[str, list[tuple[float, float]]]:
    """Points (x, level) of a drawing: where it smooths and solves; lines between, ended by NaN."""
    ways: dict[str, list[tuple[float, float]]] = {k: [] for k in ("way", "interpolate", "pre", "post", "solve")}
    x, taken = 0.0, False
    for kind, level in program:
        stays = kind in ("pre", "post", "solve")
        if taken or not stays:
            start, step = level + (kind in ("up", "interpolate")), 0.7 if stays else 1.0
            line = ways["interpolate" if kind == "interpolate" else "way"]
            line += [(x, start), (x + step, level + (kind == "down")), (np.nan, np.nan)]
            x += step
        if stays:
            ways[kind].append((x, level))
        taken = stays
    return ways


def _shape(grid: Grid) -> str:
    return " × ".join(map(str, grid.shape))


def _grid(level: int, grid: Grid) -> str:
    h = " × ".join(f"{h:.3g}" for h in (grid.h if len(set(grid.h)) > 1 else grid.h[:1]))
    return f"level {level}: {_shape(grid)}\n{grid.unknowns:,} unknowns, h = {h}"


def _several(solutions: object) -> list[Solution]:
    given = list(solutions) if isinstance(solutions, Iterable) else [solutions]
    found = [one for one in given if isinstance(one, Solution)]
    if len(found) < len(given) or not found:
        got = next((type(one).__name__ for one in given if not isinstance(one, Solution)), "none")
        raise ArgumentError("solution", got=got, expected="a Solution, or several", do="give what pde.solve returns")
    return found


def _labels(labels: object, solutions: list[Solution]) -> list[str]:
    if labels is None:
        ends = ["" if one.result.ok else f", {one.result.name.replace('_', ' ')}" for one in solutions]
        rates = [f"rate {one.rate:.3f}" if one.cycles else "no cycle" for one in solutions]
        return [f"{one.method}, {r}{end}" for one, r, end in zip(solutions, rates, ends, strict=True)]
    names = [labels] if isinstance(labels, str) else list(labels) if isinstance(labels, Sequence) else []
    if len(names) != len(solutions) or not all(isinstance(name, str) for name in names):
        expected = f"{len(solutions)} of them, as solutions"
        raise ArgumentError("labels", got=repr(labels), expected=expected, do="leave them out for method and rate")
    return names


def _axes(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """Those given, as they are, or new ones in the style of the report."""
    if ax is not None:
        checks.instance("ax", ax, Axes, "use figure.subplots(), or leave it out")
        return ax
    ax = Figure(figsize=size, dpi=120, layout="constrained").subplots()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e5e7eb")
    ax.set_axisbelow(True)
    return ax
