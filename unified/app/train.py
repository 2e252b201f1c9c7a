"""Train a classifier. Its run's folder gets a log (log.jsonl) and checkpoints, of the last epoch (last.safetensors)
and of the best by validation (best.safetensors)."""

import argparse
import contextlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, arg

from .data import DataOptions


def options(arguments: list[str]) -> type:
    """The recipe that the arguments name gives the settings their defaults."""
    from vision.config import TrainConfig
    from vision.recipes import RECIPES

    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    reader.add_argument("--recipe")
    named = ""  # also where the name is missing or wrong: who reads all options says so
    with contextlib.suppress(argparse.ArgumentError):
        known, _ = reader.parse_known_args(arguments)
        named = known.recipe if known.recipe in RECIPES else ""
    defaults = TrainConfig(**RECIPES.get(named, {}))

    @dataclass(frozen=True)
    class Options:
        model: str = "mgnet-16"
        """Its name; `vcycle models` lists them."""
        steps: tuple[int, ...] = ()
        """Smoothing steps of each level (an MgNet has as many levels as numbers); the model's own if not given."""
        data: OmitArgPrefixes[DataOptions] = field(default_factory=DataOptions)
        folder: Path | None = None
        """The run's folder; runs/DATA-MODEL if not given."""
        resume: bool = False
        """Continue the run of that folder, exactly."""
        recipe: Annotated[Literal[tuple(RECIPES)] | None, arg(help="Settings to start from.")] = named or None  # type: ignore[valid-type]
        config: OmitArgPrefixes[TrainConfig] = field(default_factory=lambda: defaults)
        json: Annotated[bool, arg(help="Print the report as JSON.")] = False

    return Options


def run(options: Any) -> dict[str, Any]:
    import torch

    import vision
    from vision.distributed import rank

    data = options.data.load(progress=not options.json)
    torch.manual_seed(options.config.seed)  # the initial weights
    given = {"steps": options.steps} if options.steps else {}
    model = vision.create_model(options.model, classes=len(data.classes), in_channels=data.image_shape[0], **given)
    folder = options.folder or Path("runs") / f"{options.data.data}-{options.model}"
    result = vision.fit(model, data, options.config, folder=folder, resume=options.resume)
    if rank():  # of several processes the first one reports
        raise SystemExit(0)
    return {
        "model": options.model,
        "weights": vision.count_weights(model),
        "data": options.data.data,
        "train_images": len(data.train_labels),
        "test_images": len(data.test_labels),
        "test_accuracy": result.test_accuracy,
        "best_epoch": result.best_epoch,
        "best_test_accuracy": result.best_test_accuracy,
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
        "device": result.device,
        "precision": result.precision,
        "checkpoint": str(folder / "last.safetensors"),
        "config": asdict(options.config),
    }


def text(report: dict[str, Any]) -> str:
    best = ""
    if report["best_epoch"] is not None:
        best = (
            f"; {report['best_test_accuracy']:.2%} after epoch {report['best_epoch']}, the best by validation "
            "(best.safetensors)"
        )
    return (
        f"{report['model']} ({report['weights']:,} weights) on {report['data']}: {report['test_accuracy']:.2%} of "
        f"{report['test_images']:,} test images after the last epoch{best}, {report['seconds']:.1f} s "
        f"({report['images_per_second']:,.0f} images/s, {report['precision']}, {report['device']})\n"
        f"the checkpoint is {report['checkpoint']}"
    )
