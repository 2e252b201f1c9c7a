"""Look into a trained network: spectra, roots, states and residuals of its levels, as figures and as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, arg

from .checkpoints import find
from .data import Name, prepare


@dataclass(frozen=True)
class Options:
    checkpoint: Positional[Path | None] = None
    """A checkpoint or its run's folder; the newest below runs/ if not given."""
    data: Name | None = None
    """The data set; the one it was trained on if not given."""
    root: Path | None = None
    """Where the data is: a folder, or the official .tar.gz archive (binary version)."""
    images: int = 100
    """Test images whose residuals are measured."""
    folder: Path | None = None
    """Gets the figures and inspect.json; the checkpoint's folder, in it inspect/, if not given."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options(_: list[str]) -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    import vision
    from vision.inputs import read_inputs

    path = find(options.checkpoint)
    model, meta = vision.load_model(path)
    read_inputs(meta)  # it has what inspect needs
    data = prepare(meta, options.data, options.root, "test")
    before = vision.initial_model(meta)
    found = vision.inspect(model, data, before=before, images=options.images)
    written = vision.write_inspection(found, options.folder or path.parent / "inspect")
    seed = meta.get("config", {}).get("seed", 0)
    fresh = f"a fresh model with seed {seed}"
    start = fresh if before is not None else f"not known; {fresh} has other weights here"
    return {"checkpoint": str(path), "before": start, **found.as_dict(), "files": [str(file) for file in written]}


def text(report: dict[str, Any]) -> str:
    rows = [
        ("level", "grid", "c_u", "steps", "|λ| before", "after", "Re λ", "smoothing before", "after", "|f - Au|/|f|"),
        *(_row(level) for level in report["levels"]),
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    table = ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True)) for row in rows]
    roots = [line for level in report["levels"] for line in _roots(level)]
    sampled = [
        f"level {level['level']}: eigenvalues at the frequencies of {_by(level['frequencies']['grid'])} points alone"
        for level in report["levels"]
        if level["frequencies"]["grid"] != level["grid"]
    ]
    return "\n".join(
        [
            f"{report['model']} ({report['checkpoint']}), {report['images']} test images of {report['data']}; before "
            f"training: {report['before']}",
            "",
            *table,
            "",
            *roots,
            *([""] if roots else []),
            "|λ|: A's largest, with periodic boundary. smoothing: the largest |λ| of ∏ (I - A B) without bn and relu;",
            "of a polynomial, |q|. |f - Au|/|f|: the median before and after the level's steps, with bn and relu.",
            *sampled,
            "",
            *report["files"],
        ]
    )


def _row(level: dict[str, Any]) -> tuple[str, ...]:
    before, after, median = level["before"], level["after"], level["residuals"]["median"]
    span = f"{after['real'][0]:.3g} to {after['real'][1]:.3g}" if "real" in after else "-"
    return (
        str(level["level"]),
        _by(level["grid"]),
        str(level["channels"][0]),
        str(level["steps"]),
        _number(before, "radius"),
        _number(after, "radius"),
        span,
        _number(before, "smoothing_radius"),
        _number(after, "smoothing_radius"),
        f"{median[0]:.3g} -> {median[-1]:.3g}",
    )


def _by(grid: list[int]) -> str:
    return " x ".join(map(str, grid))


def _number(side: dict[str, Any] | None, name: str) -> str:
    return f"{side[name]:.3g}" if side and name in side else "-"


def _roots(level: dict[str, Any]) -> list[str]:
    """A line a level with roots: before -> after, of one channel where each has its own."""
    sides = [level[name]["roots"] for name in ("before", "after") if "roots" in (level[name] or {})]
    if not sides:
        return []
    many = f", the first of {len(sides[-1])} channels" if len(sides[-1]) > 1 else ""
    roots = [", ".join(f"{x:.3g}{y:+.3g}i" if y else f"{x:.3g}" for x, y in side[0]) for side in sides]
    return [f"roots on level {level['level']}{many}: {' -> '.join(roots)}"]
