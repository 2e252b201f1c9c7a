"""Several models trained with one recipe, side by side."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from unified import files
from unified.environment import environment
from unified.errors import ArgumentError, whole

from .checkpoint import plain
from .comparison import ComparedRun, Comparison
from .config import TrainConfig
from .data import ImageData
from .distributed import rank
from .fitness import check_answer
from .models import Network, count_weights, create_model, multiply_adds
from .run import Diverged
from .train import fit


def compare(
    models: Iterable[str] | Mapping[str, Mapping[str, Any]],
    data: ImageData,
    config: TrainConfig = TrainConfig(),  # noqa: B008 (frozen)
    *,
    folder: str | Path,
    seeds: Sequence[int] = (0, 1, 2),
    progress: bool = True,
) -> Comparison:
    """Train every model with every seed, by `fit` and one recipe; write what was found.

    models: names, or labels with the options of `create_model`: {"shallow": {"name": "mgnet-16", "steps": (2, 2)}}.
    seeds: a seed decides a run's initial weights, the order of its images and their augmentation, the last two alike
    for all models; config.seed has no effect.

    folder: gets each run's own folder LABEL/seed-SEED, and, after every run, compare.json (environment, settings,
    runs, summary), compare.md (a table) and compare.png (accuracy against weights and against multiply-adds). Called
    again, finished runs are tested and not trained, and one that was interrupted goes on: a model or a seed can be
    added at any time. A run that diverged is reported as that, and tried again. progress: as `fit` has it, and a line
    a run.

    Raises ArgumentError, before anything is trained, for models that cannot be made for the data; and what `fit`
    raises but Diverged, as for a run's folder with a run of other settings.
    """
    specs = _specs(models)
    if isinstance(seeds, (str, bytes)) or not len(seeds) or len(set(seeds)) < len(seeds):
        raise ArgumentError("seeds", got=seeds, expected="different numbers, at least one", do="use seeds=(0, 1, 2)")
    for seed in seeds:
        whole("seeds", seed, least=0, do="use seeds=(0, 1, 2)")
    folder, seeds = Path(folder), [int(seed) for seed in seeds]
    settings = {
        "environment": environment(),
        "data": repr(data),
        "config": {name: value for name, value in asdict(config).items() if name != "seed"},
        "seeds": seeds,
    }
    known = {}
    for label, spec in specs.items():
        model = _model(spec, data, seed=0)
        check_answer(model, data)
        work = multiply_adds(model, data.image_shape)
        known[label] = {**spec, "weights": count_weights(model), "multiply_adds": work}
    comparison = Comparison(settings, known, [])
    for seed in seeds:
        for label, spec in specs.items():
            if progress and rank() == 0:
                print(f"{label}, seed {seed}", file=sys.stderr)
            where = folder / label / f"seed-{seed}"
            run = ComparedRun(label, seed, str(where))
            try:
                model = _model(spec, data, seed)
                result = fit(model, data, replace(config, seed=seed), folder=where, resume=True, progress=progress)
            except Diverged as error:
                comparison.runs.append(replace(run, diverged=str(error)))
            else:
                found = ("test_accuracy", "best_epoch", "best_test_accuracy", "seconds", "images_per_second")
                values = {name: getattr(result, name) for name in (*found, "device", "precision")}
                comparison.runs.append(replace(run, **values))
            if rank() == 0:  # of several processes the first one writes
                _write(comparison, folder)
    return comparison


def _specs(models: Iterable[str] | Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """{label: {"name", "options"}}"""
    if isinstance(models, Mapping):
        given = {label: dict(options) for label, options in models.items()}
    else:
        given = {name: {"name": name} for name in ([models] if isinstance(models, str) else models)}
    if not given:
        raise ArgumentError("models", got="none", expected="at least one", do="see vision.MODELS, or `vcycle models`")
    for label, options in given.items():
        if not re.fullmatch(r"\w[\w .,=+-]*", label):  # also the name of a folder
            expected = "a label of letters, digits and -_.,=+"
            raise ArgumentError("models", got=repr(label), expected=expected, do="use another label")
        if "name" not in options:
            do = "give {'name': 'mgnet-16', ...}"
            raise ArgumentError("models", got=f"{label}: {options}", expected="the name of a model in it", do=do)
    return {label: {"name": options.pop("name"), "options": options} for label, options in given.items()}


def _model(spec: Mapping[str, Any], data: ImageData, seed: int) -> Network:
    """With weights that the seed decides; the caller's random numbers stay as they are."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fitting = {"classes": len(data.classes), "in_channels": data.image_shape[0]}
        return create_model(spec["name"], **fitting, **spec["options"])


def _write(comparison: Comparison, folder: Path) -> None:
    """compare.json, .md and .png, each whole or not at all."""
    from .plots import plot_comparisons

    machine, settings = comparison.settings["environment"], comparison.settings
    page = (
        f"{settings['data']}; {settings['config']['epochs']} epochs; seeds {', '.join(map(str, settings['seeds']))}; "
        f"torch {machine['torch']}, {machine['gpu'] or machine['processor']}, {machine['threads']} threads, "
        f"{machine['date']}. Accuracy after the last epoch, mean ± standard deviation over the runs that finished.\n\n"
        f"{comparison.table()}\n"
    )
    found = json.dumps(comparison.as_dict(), indent=1, default=plain)
    figure = plot_comparisons(comparison)
    files.replace(folder / "compare.json", f"{found}\n".encode())
    files.replace(folder / "compare.md", page.encode())
    files.replace(folder / "compare.png", files.png(figure))
