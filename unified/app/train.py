"""Train a classifier. Its run's folder gets a log (log.jsonl) and a checkpoint (last.safetensors) every epoch."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import OmitArgPrefixes, arg


def options() -> type:
    from vision.config import TrainConfig

    @dataclass(frozen=True)
    class Options:
        model: str = "mgnet-16"
        """Its name; `vcycle show models` lists them."""
        steps: tuple[int, ...] = ()
        """Smoothing steps of each level, as many levels as numbers; the model's own if not given."""
        data: Literal["digits", "cifar10", "cifar100"] = "digits"
        """The data set; digits needs no file."""
        root: Path | None = None
        """Where the data is: a folder, or the official .tar.gz archive (binary version)."""
        folder: Path | None = None
        """The run's folder; runs/DATA-MODEL if not given."""
        resume: bool = False
        """Continue the run of that folder, exactly."""
        config: OmitArgPrefixes[TrainConfig] = field(default_factory=TrainConfig)
        json: Annotated[bool, arg(help="Print the report as JSON.")] = False

    return Options


def run(options: Any) -> dict[str, Any]:
    import torch

    import vision

    data = vision.load(options.data, options.root)
    torch.manual_seed(options.config.seed)  # the initial weights
    given = {"steps": options.steps} if options.steps else {}
    model = vision.create_model(options.model, classes=len(data.classes), in_channels=data.image_shape[0], **given)
    folder = options.folder or Path("runs") / f"{options.data}-{options.model}"
    result = vision.fit(model, data, options.config, folder=folder, resume=options.resume)
    return {
        "model": options.model,
        "weights": vision.count_weights(model),
        "data": options.data,
        "train_images": len(data.train_labels),
        "test_images": len(data.test_labels),
        "test_accuracy": result.test_accuracy,
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
        "device": result.device,
        "precision": result.precision,
        "checkpoint": str(folder / "last.safetensors"),
        "config": asdict(options.config),
    }


def text(report: dict[str, Any]) -> str:
    return (
        f"{report['model']} ({report['weights']:,} weights) on {report['data']}: {report['test_accuracy']:.2%} of "
        f"{report['test_images']:,} test images after the last epoch, {report['seconds']:.1f} s "
        f"({report['images_per_second']:,.0f} images/s, {report['precision']}, {report['device']})\n"
        f"the checkpoint is {report['checkpoint']}"
    )
