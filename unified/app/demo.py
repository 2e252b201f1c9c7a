"""Solve, edit photographs, train and compare: a folder with a report (index.html), its figures and results.json."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from tyro.conf import arg

from ..environment import environment
from ..errors import ArgumentError
from ..files import replace


@dataclass(frozen=True)
class Options:
    folder: Path = Path("vcycle-demo")
    """Where the report goes; only its own files are overwritten."""
    seed: int = 0
    """Seed of the training."""
    quick: bool = False
    """Tiny sizes: to see that everything works, in seconds."""
    json: Annotated[bool, arg(help="Print the results as JSON.")] = False


class Sizes(NamedTuple):
    """How much a run computes."""

    grids: list[int]  # points an axis
    one_level: list[int]  # those on which damped Jacobi runs alone, too
    work: int  # its steps
    reduction: int  # of the photographs
    epochs: int
    images: int | None  # training images; None is all
    duality: int  # points an axis


FULL = Sizes([31, 63, 127, 255, 511, 1023], [31, 127, 511], 90, 1, 20, None, 63)
QUICK = Sizes([15, 31], [15, 31], 20, 8, 1, 256, 15)


def options(_: list[str]) -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    if options.seed < 0:
        raise ArgumentError("seed", got=options.seed, expected="a whole number >= 0", do="use seed=0")
    # What cannot be written is told before anything is computed.
    replace(options.folder / "results.json", b"{}\n")
    sizes = QUICK if options.quick else FULL
    results, pictures = measure(sizes, options.seed)
    results |= {"quick": options.quick, "seed": options.seed}
    text = json.dumps(results, indent=1)
    replace(options.folder / "results.json", text.encode() + b"\n")
    for name, content in pictures.items():
        replace(options.folder / name, content)
    from .chapters import document

    replace(options.folder / "index.html", document(json.loads(text), pictures).encode())
    return results | {"report": str(options.folder / "index.html")}


def measure(sizes: Sizes, seed: int) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The results, and the figures by file name."""
    seconds: dict[str, float] = {}
    with _timed("imports", seconds):
        from . import experiments, figures
    with _timed("h-independence", seconds):
        poisson = experiments.poisson(sizes.grids, sizes.one_level, sizes.work)
    with _timed("image editing", seconds):
        cloning, photographs = experiments.cloning(sizes.reduction)
    with _timed("training", seconds):
        digits, models, data = experiments.digits(seed, sizes.epochs, sizes.images)
    with _timed("dualities", seconds):
        dualities = experiments.both_dualities(sizes.duality, models, data)
    with _timed("figures", seconds):
        pictures = {f"{name}.jpg": figures.photograph(photographs[name]) for name in ("source", "pasted", "clone")}
        pictures["convergence.png"] = figures.convergence(poisson)
        pictures["training.png"] = figures.training(digits)
        pictures["digits.png"] = figures.strip(digits, data.test_images)
    results = {
        "version": _version(),
        "environment": environment(),
        "seconds": seconds,
        "poisson": poisson,
        "cloning": cloning,
        "digits": digits,
        "dualities": dualities,
        "figures": sorted(pictures),
    }
    return results, pictures


@contextmanager
def _timed(section: str, seconds: dict[str, float]) -> Iterator[None]:
    """Keep the section's seconds and tell them on stderr."""
    began = time.perf_counter()
    yield
    seconds[section] = time.perf_counter() - began
    print(f"{section:16} {seconds[section]:6.1f} s", file=sys.stderr, flush=True)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("vcycle")
    except PackageNotFoundError:  # run from its sources
        return "(not installed)"


def text(report: dict[str, Any]) -> str:
    sizes, models = report["poisson"]["sizes"], report["digits"]["models"]
    rates = [row["rate"] for row in sizes]
    lines = [
        f"V-cycles on {sizes[0]['n']}² to {sizes[-1]['n']}² points: {sizes[-1]['cycles']} cycles, "
        f"rate {min(rates):.3f} to {max(rates):.3f}",
        f"image editing: {report['cloning']['unknowns']:,} unknowns in {report['cloning']['seconds']:.1f} s",
        *(f"{m['label']} ({m['weights']:,} weights): {m['accuracy']:.2%} of the test digits" for m in models),
        f"the report is {report['report']}",
    ]
    return "\n".join(lines)
