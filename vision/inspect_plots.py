"""Figures of an inspection: spectra and roots, residual polynomials, states, residual norms.

No pyplot and no global style: `figure.savefig("name.png")` writes one, and a notebook shows it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.ticker import LogLocator, NullLocator
from numpy.typing import NDArray

from .inspect import InspectedLevel, Inspection, Spectra
from .mosaic import Colours, mosaic, photographs
from .plots import BLUE, GREY, ORANGE

Box = tuple[float, float]  # a square around the real axis: its middle and half its side
LIGHT = "#9ca3af"
FACTORS = np.array([0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 1000])  # contours of |q|


def plot_spectra(found: Inspection) -> Figure:
    """A's eigenvalues on each level, before training and after it, and the roots of the smoother's polynomial."""
    figure, axes = _grid(len(found.levels))
    _head(figure, f"{found.model}: A's spectrum on a periodic grid")
    for i, (level, ax) in enumerate(zip(found.levels, axes, strict=True)):
        heading = f"level {i}: {_shape(level)}\n{_frequencies(level)}"
        if level.after.A is None:
            ax.axis("off")
            reason = "not linear" if level.after.smoothing is None else "not square"
            _title(ax, f"{heading}\nA is {reason}: no eigenvalues")
            continue
        sides = [side for side in (level.before, level.after) if side is not None]
        _complex(ax, _box([part for side in sides for part in (side.A, _near(side))]))
        for side, color in zip(sides, (LIGHT, BLUE)[-len(sides) :], strict=True):
            _dots(ax, side.A, color)
        _roots(ax, level.before, filled=False)
        far = _roots(ax, level.after, filled=True)
        _title(ax, f"{heading}{far}")
    trained = " after training" if found.levels[0].before is not None else ""
    entries = [_dot(BLUE, f"eigenvalues of A{trained}")]
    if trained:
        entries.append(_dot(LIGHT, "before"))
    if any(level.after.polynomial for level in found.levels):
        entries.append(_diamond(True, f"roots{trained}"))
        if trained:
            entries.append(_diamond(False, "before"))
    figure.legend(handles=entries, loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def plot_smoothing(found: Inspection) -> Figure:
    """What the steps of a level leave of the residual without bn and relu: |q(λ)| around A's spectrum, a row a level.

    Where each channel has its q, the median of |q| over them. Without a polynomial: the eigenvalues of ∏ (I - A B).
    """
    sides = ["before", "after"] if found.levels[0].before is not None else ["after"]
    rows = len(found.levels)
    figure = Figure(figsize=(4.4 * len(sides) + 1.4, 3.5 * rows + 0.9), dpi=120, layout="constrained")
    _head(figure, f"{found.model}: one smoothing, without bn and relu")
    axes: Any = figure.subplots(rows, len(sides), squeeze=False)
    shown = None
    for i, level in enumerate(found.levels):
        for ax, name in zip(axes[i], sides, strict=True):
            side = getattr(level, name)
            when = f", {name} training" if len(sides) > 1 else ""
            if side.polynomial is not None and side.A is not None:
                _complex(ax, _box([side.A, _near(side)]))
                shown = _contours(ax, side)
                _dots(ax, side.A, "black")
                far = _roots(ax, side, filled=True)
                if side.polynomial.c1.shape[1] > 1:
                    what = f"median |q(λ)|\neigenvalues of ∏ (I - A B): |λ| {_most(side)}"
                else:
                    what = f"|q(λ)|\non A's eigenvalues {_most(side)}"
                _title(ax, f"level {i}{when}: {what}{far}")
            elif side.smoothing is not None:
                _complex(ax, _box([side.smoothing, np.array([-1, 1, 1j])]))
                _dots(ax, side.smoothing, BLUE)
                ax.add_patch(Circle((0, 0), 1, fill=False, color="black", lw=1.2, ls="--", zorder=4))
                product = f"∏ (I - A B), {level.steps} steps" if level.steps > 1 else "I - A B"
                _title(ax, f"level {i}{when}: no polynomial in A\neigenvalues of {product}: |λ| {_most(side)}")
            else:
                ax.axis("off")
                _title(ax, f"level {i}{when}\nno linear map without bn and relu")
    if shown is not None:
        bar = figure.colorbar(shown, ax=axes, shrink=min(1.0, 0.3 + 0.7 / rows), aspect=30, extend="both")
        bar.set_ticks(np.log10(FACTORS[1:-1]), labels=[f"{x:g}" for x in FACTORS[1:-1]])
        bar.set_label("|q(λ)|, what is left of the residual; dashed: 1")
    return figure


def plot_states(found: Inspection) -> Figure:
    """f and the residual after smoothing, u before and after it, on each level: channels as colours of three."""
    n = len(found.levels)
    columns = 2 if n > 1 else 1
    lines, width = -(-n // columns), max(len(found.images), 3)
    figure = Figure(figsize=(columns * (0.95 * width + 1.3), lines * 5.3 + 0.5), dpi=120, layout="constrained")
    colours = "red, green, blue: three main directions of f's channels, and of u's; each row has a scale of its own"
    _head(figure, f"{found.model} on {found.data}\n{colours}")
    axes: Any = figure.subplots(lines, columns, squeeze=False)
    for ax in axes.flat[n:]:
        ax.axis("off")
    for i, (level, ax) in enumerate(zip(found.levels, axes.flat, strict=False)):
        states = level.states
        f, u = Colours(states["f"]), Colours(states["u"])
        parts = [f(states["f"]), f(states["r"]), u(states["u0"]), u(states["u"])]
        ax.imshow(mosaic([photographs(found.images), *parts]))
        names = ["image", "f", "f - A u\nafter", "u\nbefore", "u\nafter"]
        ax.set_yticks(31.5 + 68 * np.arange(len(names)), names)
        ax.set_xticks([])
        ax.tick_params(length=0)
        ax.spines[:].set_visible(False)
        _title(ax, f"level {i}: {_shape(level)}")
    return figure


def plot_residuals(found: Inspection) -> Figure:
    """|f - A u| / |f| through the levels, before the first step of each and after every one."""
    steps = sum(level.steps + 1 for level in found.levels)
    figure = Figure(figsize=(max(6.4, 0.62 * steps + 1.6), 4.2), dpi=120, layout="constrained")
    ax = figure.subplots()
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e5e7eb", axis="y")
    ax.set_axisbelow(True)
    start, ticks, names = 0.0, [], []
    for i, level in enumerate(found.levels):
        x = start + np.arange(level.steps + 1)
        lower, median, upper = level.quartiles()
        ax.fill_between(x, lower, upper, color=BLUE, alpha=0.2, lw=0, label="" if i else "middle half of the images")
        ax.plot(x, median, "o-", color=BLUE, ms=5, lw=1.6, label="" if i else "median")
        if i:
            ax.axvline(start - 0.75, color="#d1d5db", lw=1)
        grid = " × ".join(map(str, level.grid))
        ax.text(x.mean(), 1, f"level {i}\n{grid}", transform=ax.get_xaxis_transform(), ha="center", va="bottom")
        ticks += list(x)
        names += [str(step) for step in range(level.steps + 1)]
        start = x[-1] + 1.5
    ax.axhline(1, color=GREY, lw=1, ls="--")
    low, high = ax.get_ylim()
    if low > 0 and high > 4 * low:
        ax.set_yscale("log")
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xticks(ticks, names)
    ax.set(xlabel="smoothing steps done on the level", ylabel="|f - A u| / |f|")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    _head(figure, f"{found.model} on {found.count} images of {found.data}")
    return figure


def _grid(n: int) -> tuple[Figure, list[Axes]]:
    columns = min(n, 2 if n == 4 else 3)
    lines = -(-n // columns)
    figure = Figure(figsize=(4.4 * columns, 4.2 * lines + 0.6), dpi=120, layout="constrained")
    axes: Any = figure.subplots(lines, columns, squeeze=False)
    for ax in axes.flat[n:]:
        ax.axis("off")
    return figure, list(axes.flat[:n])


def _head(figure: Figure, text: str) -> None:
    figure.suptitle(text, fontsize=10.5)


def _most(side: Spectra) -> str:
    most = 0.0 if side.smoothing is None else float(abs(side.smoothing).max())
    return f"at most {most:,.0f}" if most >= 1000 else f"at most {most:.3g}"


def _shape(level: InspectedLevel) -> str:
    u, f = level.channels
    return f"{' × '.join(map(str, level.grid))}, {f'{u} channels' if u == f else f'channels: {u} of u, {f} of f'}"


def _frequencies(level: InspectedLevel) -> str:
    (h, w), (height, width) = level.at.grid, level.grid
    some = f"{h * w} of {height * width:,} frequencies, those of {h} × {w}"
    known = f"all frequencies of {h} × {w}" if level.at.grid == level.grid else some
    return f"{known}{'' if level.linear else '; A without its relu'}"


def _box(parts: list[NDArray[np.complex128] | None]) -> Box:
    """What holds these points and 0, with a margin."""
    points = np.concatenate([np.zeros(1), *(part for part in parts if part is not None)])
    low, high = points.real.min(), points.real.max()
    half = 1.1 * max((high - low) / 2, abs(points.imag).max(), 1e-3)
    return float(low + high) / 2, float(half)


def _near(side: Spectra | None) -> NDArray[np.complex128] | None:
    """The roots that are no farther from 0 than twice the spectrum: others would leave it no room."""
    if side is None or side.polynomial is None or side.A is None:
        return None
    roots = np.concatenate(side.polynomial.roots)
    return roots[abs(roots) <= 2 * abs(side.A).max()]


def _complex(ax: Axes, box: Box) -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(color="#e5e7eb")
    ax.set_axisbelow(True)
    ax.axhline(0, color="#d1d5db", lw=1, zorder=0.5)
    ax.axvline(0, color="#d1d5db", lw=1, zorder=0.5)
    ax.set_aspect("equal")
    middle, half = box
    ax.set(xlim=(middle - half, middle + half), ylim=(-half, half), xlabel="Re λ", ylabel="Im λ")


def _dots(ax: Axes, values: NDArray[np.complex128], color: str) -> None:
    size, crowd = np.clip([100 / len(values) ** 0.5, 8000 / len(values)], [1.8, 0.2], [5, 0.85])
    ax.plot(values.real, values.imag, ".", ms=size, mew=0, color=color, alpha=crowd)


def _roots(ax: Axes, side: Spectra | None, *, filled: bool) -> str:
    """Draw them; what is said of those outside."""
    if side is None or side.polynomial is None:
        return ""
    roots = np.concatenate(side.polynomial.roots)
    (low, high), (_, top) = ax.get_xlim(), ax.get_ylim()
    inside = (low <= roots.real) & (roots.real <= high) & (abs(roots.imag) <= top)
    look = {"mfc": ORANGE, "mec": "white"} if filled else {"mfc": "none", "mec": ORANGE}
    size = {"ms": 6, "mew": 1.2} if len(side.polynomial.roots) == 1 else {"ms": 3.5, "mew": 0.5}
    ax.plot(roots[inside].real, roots[inside].imag, "D", ls="", zorder=4, **size, **look)
    out = roots[~inside]
    if not len(out):
        return ""
    named = ", ".join(f"{z.real:.3g}" if abs(z.imag) < 1e-9 else f"{z.real:.3g}{z.imag:+.3g}i" for z in out[:3])
    return f"\nroots outside: {named}{f' and {len(out) - 3} more' if len(out) > 3 else ''}"


def _contours(ax: Axes, side: Spectra) -> Any:
    assert side.polynomial is not None
    (low, high), (_, top) = ax.get_xlim(), ax.get_ylim()
    n = 300 if side.polynomial.c1.shape[1] == 1 else 100
    x, y = np.linspace(low, high, n), np.linspace(0, top, n // 2)  # the lower half is its mirror image
    q = np.median(abs(side.polynomial(x + 1j * y[:, None])), axis=0)
    y, q = np.concatenate([-y[:0:-1], y]), np.concatenate([q[:0:-1], q])
    size = np.log10(np.maximum(q, 1e-6))
    levels = np.log10(FACTORS)
    norm = TwoSlopeNorm(0, 1.3 * levels[0], 1.3 * levels[-1])  # lighter than the map's ends: dots must show on them
    shown = ax.contourf(x, y, size, levels, cmap="RdBu_r", norm=norm, extend="both", alpha=0.75)
    ax.contour(x, y, size, [0.0], colors="black", linewidths=1.2, linestyles="--")
    return shown


def _dot(color: str, label: str) -> Line2D:
    return Line2D([], [], marker="o", ms=5, ls="", color=color, label=label)


def _diamond(filled: bool, label: str) -> Line2D:
    look = {"mfc": ORANGE, "mec": "white"} if filled else {"mfc": "none", "mec": ORANGE}
    return Line2D([], [], marker="D", ms=6, mew=1.2, ls="", label=label, **look)


def _title(ax: Axes, text: str) -> None:
    ax.set_title(text, loc="left", fontsize=9.5)
