"""Train several classifiers with one recipe and the same seeds; a table and a figure of what they reach. The same
command again goes on where it was interrupted, and trains what was added."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, Positional, arg

from ..errors import ArgumentError
from . import train
from .data import DataOptions


def options(arguments: list[str]) -> type:
    """The settings are those of `train`, with its recipes."""
    from vision.config import TrainConfig
    from vision.recipes import RECIPES

    defaults = train.options(arguments)()

    @dataclass(frozen=True)
    class Options:
        models: Positional[tuple[str, ...]]
        """Their names; `vcycle models` lists them."""
        data: OmitArgPrefixes[DataOptions] = field(default_factory=DataOptions)
        folder: Path = Path("runs/compare")
        """Gets a folder a run, compare.json, compare.md and compare.png."""
        seeds: tuple[int, ...] = (0, 1, 2)
        """A run of each model with each seed."""
        recipe: Annotated[Literal[tuple(RECIPES)] | None, arg(help="Settings to start from.")] = defaults.recipe  # type: ignore[valid-type]
        config: OmitArgPrefixes[TrainConfig] = field(default_factory=lambda: defaults.config)
        json: Annotated[bool, arg(help="Print the report as JSON.")] = False

    return Options


def run(options: Any) -> dict[str, Any]:
    import vision
    from vision.distributed import rank

    if options.config.seed:
        raise ArgumentError("seed", got=options.config.seed, expected="seeds", do=f"use --seeds {options.config.seed}")
    data = options.data.load(progress=not options.json)
    found = vision.compare(options.models, data, options.config, folder=options.folder, seeds=options.seeds)
    if rank():  # of several processes the first one reports
        raise SystemExit(0)
    diverged = [f"{run.model}, seed {run.seed}: {run.diverged}" for run in found.runs if run.diverged]
    return {**found.as_dict(), "folder": str(options.folder), "text": "\n".join([found.table(), *diverged])}


def text(report: dict[str, Any]) -> str:
    return f"{report['text']}\n\nthe table and the figure are in {report['folder']}"
