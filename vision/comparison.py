"""What a comparison of models found: its runs, and each model's mean and spread over the seeds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import fmean, stdev
from typing import Any


@dataclass(frozen=True)
class ComparedRun:
    """One model trained with one seed. What comes after `folder` is None if the run diverged, which `diverged` says."""

    model: str
    seed: int
    folder: str
    test_accuracy: float | None = None  # of the last epoch
    best_epoch: int | None = None  # by validation; None without, too
    best_test_accuracy: float | None = None
    seconds: float | None = None  # of training
    images_per_second: float | None = None
    device: str | None = None
    precision: str | None = None
    diverged: str | None = None


@dataclass(frozen=True)
class Summary:
    """A model over its seeds; diverged runs count as such and in nothing else."""

    model: str
    weights: int
    multiply_adds: int  # of an image, on the way forward
    finished: int  # runs
    diverged: int
    accuracy: float | None  # mean test accuracy of the last epoch; None if no run finished, as are the means below
    spread: float | None  # sample standard deviation of the accuracy, of two runs or more
    seconds: float | None  # mean, of training
    images_per_second: float | None  # mean, in training


@dataclass(frozen=True, eq=False)
class Comparison:
    """Runs of several models with one recipe, in the order in which they were made; made with `settings`."""

    settings: dict[str, Any]  # data, config (but the seed), seeds, environment
    models: dict[str, dict[str, Any]]  # by label: name, options, weights, multiply_adds
    runs: list[ComparedRun]

    def summary(self) -> list[Summary]:
        """A row a model that has runs, in the models' order."""
        return [self._row(label) for label in self.models if any(run.model == label for run in self.runs)]

    def _row(self, label: str) -> Summary:
        runs = [run for run in self.runs if run.model == label]
        good = [run for run in runs if run.diverged is None]
        accuracies, seconds, rates = (
            [getattr(run, name) for run in good] for name in ("test_accuracy", "seconds", "images_per_second")
        )
        return Summary(
            label,
            self.models[label]["weights"],
            self.models[label]["multiply_adds"],
            finished=len(good),
            diverged=len(runs) - len(good),
            accuracy=fmean(accuracies) if good else None,
            spread=stdev(accuracies) if len(good) > 1 else None,
            seconds=fmean(seconds) if good else None,
            images_per_second=fmean(rates) if good else None,
        )

    def table(self) -> str:
        """A Markdown table: mean ± standard deviation of the last epoch's accuracy, and what it took."""
        head = ["model", "test accuracy", "weights", "multiply-adds", "seconds", "images/s", "runs"]
        lines = [head, ["---", *["---:"] * (len(head) - 1)]]
        for row in self.summary():
            spread = "" if row.spread is None else f" ± {100 * row.spread:.2f}"
            accuracy = "" if row.accuracy is None else f"{100 * row.accuracy:.2f}{spread} %"
            seconds = "" if row.seconds is None else f"{row.seconds:,.1f}"
            rate = "" if row.images_per_second is None else f"{row.images_per_second:,.0f}"
            runs = f"{row.finished}" + (f", {row.diverged} diverged" if row.diverged else "")
            work = f"{row.multiply_adds / 1e6:,.1f} M"
            lines.append([row.model, accuracy, f"{row.weights:,}", work, seconds, rate, runs])
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def as_dict(self) -> dict[str, Any]:
        """Settings, models, runs and summary, as JSON values."""
        runs, summary = [asdict(run) for run in self.runs], [asdict(row) for row in self.summary()]
        return {**self.settings, "models": self.models, "runs": runs, "summary": summary}
