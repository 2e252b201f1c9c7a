"""Training on a data set that lives on the device. A run is a function of (model, data, config).

All randomness of an epoch is seeded by (seed, epoch), so a run resumed at an epoch continues bit for bit on
the same device. A validation split chooses the best epoch; the test images are read once, after the last one, by the
last epoch's model and by the best: choosing an epoch by its test accuracy would be fitting the test set.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import nn

from .average import Average
from .checkpoint import bare
from .config import TrainConfig
from .data import ImageData, Split
from .device import resolve_precision
from .distributed import processes
from .epoch import Trainer
from .evaluate import Evaluation, NotFiniteError, evaluate
from .fitness import check_fit, check_weights
from .heap import kept_heap
from .memory import enough_memory
from .optimizer import make_optimizer
from .progress import Progress
from .run import Record, Run


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A finished run; accuracies are shares in [0, 1]."""

    history: list[Record] = field(repr=False)  # of each epoch: epoch, loss, accuracy, valid_accuracy, lr, seconds, ...
    test_accuracy: float  # of the last epoch
    best_epoch: int | None  # the one with the highest validation accuracy; None without validation
    best_test_accuracy: float | None  # of that epoch
    seconds: float  # of training, all epochs; evaluation and checkpoints not counted
    images_per_second: float
    device: str
    precision: str
    model: nn.Module = field(repr=False)  # the model that was given: the last epoch's, in evaluation mode


def fit(
    model: nn.Module,
    data: ImageData,
    config: TrainConfig = TrainConfig(),  # noqa: B008 (frozen)
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    progress: bool = True,
    callback: Callable[[Record], None] | None = None,
) -> TrainResult:
    """Train `model` in place on `data`; it ends on the run's device, in evaluation mode.

    With a moving average (config.ema) the average is the model that is validated, tested, saved and given back.
    Under torchrun the processes share each batch: see `vision.distributed`.

    folder: gets log.jsonl, last.safetensors and best.safetensors; without it nothing is written. resume: continue
    from the folder's checkpoint, exactly (from the start if there is none yet). progress: a line an epoch on
    stderr, and a bar on a terminal. callback: called with each epoch's record, after its checkpoint.

    Raises ArgumentError (model and data do not fit; the folder holds another run; the memory runs out), DataError
    (a file that cannot be read or written) and Diverged.
    """
    check_weights(model)
    with processes(config.device) as group, _reproducible(), kept_heap():
        device, first = group.device, group.rank == 0
        dtype = resolve_precision(config.precision, device)
        layout = torch.contiguous_format if config.channels_last == "off" else torch.channels_last
        model = bare(model).to(device=device, memory_format=layout)  # type: ignore[call-overload]
        data = (data.split(config.validation) if config.validation and data.valid_images is None else data).to(device)
        check_fit(model, data, config, group)
        group.agree(model.state_dict().values())  # before an average starts from them
        optimizer = make_optimizer(model, config)
        average = Average(model, config.ema) if config.ema else None
        result = model if average is None else average.model
        run = Run(folder, model, optimizer, None if average is None else result, data, config, writes=first)
        where: Record = {"device": str(device), "precision": str(dtype).removeprefix("torch.")}
        run.start(resume, where)
        done = len(run.history)
        group.check_same("folder", done, do="use a folder that all processes see")
        trainer = Trainer(model, optimizer, average, data, config, group, dtype, layout)

        def look(at: nn.Module, split: Split) -> Evaluation:
            """In batches that training, which takes more memory, is known to have room for."""
            try:
                return evaluate(at, data, split=split, batch_size=trainer.batch, precision=config.precision)
            except NotFiniteError as error:
                if split == "test":
                    run.saved = None  # the last one holds these weights
                raise run.diverged(len(run.history) + (split == "valid"), trainer.steps) from error

        images = trainer.steps * trainer.batch  # in an epoch
        with (
            closing(run),
            enough_memory(trainer.batch, data.image_shape, dtype, device),
            Progress(progress and first, config.epochs, images, done) as bar,
        ):
            for epoch in range(done + 1, config.epochs + 1):
                bar.begin(epoch)
                record = trainer.epoch(epoch, bar)
                if "loss" not in record or not _finite(model):
                    raise run.diverged(epoch, record["steps"])
                if data.valid_images is not None and config.evaluate_every and epoch % config.evaluate_every == 0:
                    valid = look(result, "valid")
                    record |= {"valid_accuracy": valid.accuracy, "valid_loss": valid.loss}
                run.epoch(record)
                bar.end(record)
                if callback is not None:
                    callback(record)
            optimizer.zero_grad(set_to_none=True)  # nobody reads the last gradients
            if average is not None:
                model.load_state_dict(result.state_dict())
            tested = _test(model.eval(), run, look)
            seconds = sum(record["seconds"] for record in run.history)
            rate = images * len(run.history) / seconds
            run.log("end", **tested, seconds=seconds, images_per_second=rate)
    return TrainResult(run.history, **tested, seconds=seconds, images_per_second=rate, **where, model=model)


def _test(model: nn.Module, run: Run, look: Callable[[nn.Module, Split], Evaluation]) -> Record:
    """The only look at the test images: of the last epoch's model, and of the best epoch's if that is another one."""
    last = look(model, "test").accuracy
    if run.best is None or run.best.epoch == len(run.history):
        best = None if run.best is None else last
    else:
        other = copy.deepcopy(model)
        other.load_state_dict(run.best.weights)
        best = look(other, "test").accuracy
    return {"test_accuracy": last, "best_epoch": run.best and run.best.epoch, "best_test_accuracy": best}


@contextmanager
def _reproducible() -> Iterator[None]:
    """cuDNN without its sums in random order: else no two runs on a GPU are the same."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before


def _finite(model: nn.Module) -> bool:
    floating = [t.isfinite().all() for t in model.state_dict().values() if t.is_floating_point()]
    return bool(torch.stack(floating).all())
