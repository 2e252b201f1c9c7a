"""Training: SGD on a data set that lives on the device. A run is a function of (model, data, config).

All randomness of an epoch is seeded by (seed, epoch), so a run resumed at an epoch continues bit for bit on
the same device. Weight decay acts on parameters with two or more axes longer than one: normalisations,
biases and polynomial roots have none. The reported accuracy is that of the last epoch: choosing an epoch by
its test accuracy would be fitting the test set.
"""

from __future__ import annotations

import json
import math
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from unified.errors import ArgumentError, DataError

from .augment import batches, normalise
from .checkpoint import bare, load_checkpoint, recipe, restore, save
from .config import TrainConfig, learning_rate
from .data import ImageData
from .evaluate import autocast, check_classes, evaluate, resolve_device, resolve_precision, running

LAST = "last.safetensors"
LOG = "log.jsonl"
_LOOK = 20  # steps between two looks at the running loss: each waits for the device
Record = dict[str, Any]


@dataclass(frozen=True, eq=False)
class TrainResult:
    """A finished run; accuracies are shares in [0, 1]."""

    history: list[Record] = field(repr=False)  # of each epoch: epoch, loss, accuracy, lr, seconds, ...
    test_accuracy: float  # of the last epoch
    seconds: float  # of training, all epochs; evaluation and checkpoints not counted
    images_per_second: float
    device: str
    precision: str
    model: nn.Module = field(repr=False)  # the model that was given, trained, in evaluation mode


class Diverged(RuntimeError):  # noqa: N818 (the public name)
    """The loss or a weight became NaN or infinite."""

    def __init__(self, epoch: int, step: int, checkpoint: Path | None) -> None:
        self.epoch, self.step, self.checkpoint = epoch, step, checkpoint
        last = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint"
        super().__init__(
            f"training diverged: loss or weights not finite in epoch {epoch}, by step {step}; {last}; "
            "try a third of the lr, clip_norm=1, or precision='float32'"
        )


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

    folder: gets log.jsonl and last.safetensors; without it nothing is written. resume: continue from the
    folder's checkpoint, exactly (from the start if there is none yet). progress: a bar on a terminal, else a
    line an epoch, on stderr. callback: called with each epoch's record, after its checkpoint.

    Raises ArgumentError (model and data do not fit; the folder holds another run), DataError (a file that
    cannot be read or written) and Diverged.
    """
    device = resolve_device(config.device)
    dtype = resolve_precision(config.precision, device)
    layout = torch.contiguous_format if config.channels_last == "off" else torch.channels_last
    model, data = bare(model).to(device=device, memory_format=layout), data.to(device)  # type: ignore[call-overload]
    _check_fit(model, data, config)
    optimizer = _optimizer(model, config)
    run = _Run(None if folder is None else Path(folder), model, optimizer, data, config)
    where = {"device": str(device), "precision": str(dtype).removeprefix("torch.")}
    history = run.start(resume, where)
    stepped = torch.compile(model) if config.compile else model

    batch = min(config.batch_size, len(data.train_images))
    images = len(data.train_images) // batch * batch  # in an epoch
    shown = progress and sys.stderr.isatty()
    with tqdm(
        total=config.epochs * images,
        initial=len(history) * images,
        unit="img",
        unit_scale=True,
        disable=not shown,
        dynamic_ncols=True,
    ) as bar:
        for epoch in range(len(history) + 1, config.epochs + 1):
            bar.set_description(f"epoch {epoch}/{config.epochs}", refresh=False)
            record = _epoch(stepped, optimizer, data, config, epoch, dtype, layout, bar)
            if "loss" not in record or not _finite(model):
                raise run.diverged(epoch, record["steps"])
            if config.evaluate_every and epoch % config.evaluate_every == 0:
                record["test_accuracy"] = evaluate(model, data, precision=config.precision).accuracy
            history.append(record)
            run.epoch(history)
            if progress and not shown:
                print(_line(record, config.epochs), file=sys.stderr, flush=True)
            if callback is not None:
                callback(record)
    final = evaluate(model, data, precision=config.precision)
    model.eval()
    seconds = sum(record["seconds"] for record in history)
    rate = images * len(history) / seconds
    run.log("end", test_accuracy=final.accuracy, seconds=seconds, images_per_second=rate)
    return TrainResult(history, final.accuracy, seconds, rate, **where, model=model)


def _epoch(
    stepped: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: ImageData,
    config: TrainConfig,
    epoch: int,
    dtype: torch.dtype,
    layout: torch.memory_format,
    bar: tqdm,
) -> Record:
    """One pass over the training images; the record has no loss if it was not finite."""
    device, n = data.train_images.device, len(data.train_images)
    batch = min(config.batch_size, n)
    steps = n // batch
    seed = int(np.random.SeedSequence((config.seed, epoch)).generate_state(1, np.uint32)[0])
    flip = data.mirror if config.flip is None else config.flip
    pad = _pad(data, config)
    loss, hits = torch.zeros((), device=device), torch.zeros((), device=device)
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    start, rate = time.perf_counter(), config.lr
    stepped.train()
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)  # for a model that draws numbers itself, such as dropout
        for step, (x, y) in enumerate(batches(data, batch, pad=pad, flip=flip, seed=seed), 1):
            rate = learning_rate(config, (epoch - 1) * steps + step - 1, config.epochs * steps)
            for group in optimizer.param_groups:
                group["lr"] = rate
            with autocast(device, dtype):
                logits = stepped(x.to(memory_format=layout))
            now = F.cross_entropy(logits.float(), y, label_smoothing=config.label_smoothing)
            optimizer.zero_grad(set_to_none=True)
            now.backward()
            if config.clip_norm is not None:
                nn.utils.clip_grad_norm_(parameters, config.clip_norm)
            optimizer.step()
            loss += now.detach()
            hits += (logits.argmax(1) == y).sum()
            if step % _LOOK == 0 or step == steps:
                if not math.isfinite(float(loss)):
                    return {"epoch": epoch, "steps": step}
                bar.set_postfix(loss=f"{loss / step:.3f}", acc=f"{hits / (step * batch):.1%}", refresh=False)
            bar.update(batch)
    seconds = time.perf_counter() - start
    return {
        "epoch": epoch,
        "steps": steps,
        "loss": float(loss) / steps,
        "accuracy": float(hits) / (steps * batch),
        "lr": rate,
        "seconds": seconds,
        "images_per_second": steps * batch / seconds,
    }


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.SGD:
    parameters = [p for p in model.parameters() if p.requires_grad]
    decayed = [p for p in parameters if sum(n > 1 for n in p.shape) >= 2]
    known = {id(p) for p in decayed}
    rest = [p for p in parameters if id(p) not in known]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": rest, "weight_decay": 0.0}]
    return torch.optim.SGD(
        groups, lr=config.lr, momentum=config.momentum, nesterov=config.nesterov and config.momentum > 0
    )


def _finite(model: nn.Module) -> bool:
    return all(bool(t.isfinite().all()) for t in model.state_dict().values() if t.is_floating_point())


def _pad(data: ImageData, config: TrainConfig) -> int:
    return min(data.image_shape[1:]) // 8 if config.crop is None else config.crop


def _check_fit(model: nn.Module, data: ImageData, config: TrainConfig) -> None:
    """Two test images through the model: shapes and classes fit, or one clear error before the first step."""
    if not any(p.requires_grad for p in model.parameters()):
        raise ArgumentError(
            "model", got="no trainable parameter", expected="something to train", do="unfreeze parameters"
        )
    shape = data.image_shape
    if _pad(data, config) >= min(shape[1:]):
        raise ArgumentError(
            "crop",
            got=config.crop,
            expected=f"less than the {min(shape[1:])} pixels of an image",
            do="use crop=None",
        )
    try:
        with running(model, data.test_images.device, "float32"):
            logits = model(normalise(data.test_images[:2], data.mean, data.std))
    except ArgumentError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        raise ArgumentError(
            "data",
            got=f"images {shape} on which {recipe(model)['name']} fails: {str(error).splitlines()[0]}",
            expected="images (C, H, W) that the model takes",
            do="make the model for these channels and this size",
        ) from error
    check_classes(logits, len(data.classes))


def _line(record: Record, epochs: int) -> str:
    test = f"  test {record['test_accuracy']:.2%}" if "test_accuracy" in record else ""
    return (
        f"epoch {record['epoch']}/{epochs}  loss {record['loss']:.4f}  train {record['accuracy']:.2%}{test}  "
        f"{record['images_per_second']:,.0f} img/s  {record['seconds']:.1f} s"
    )


class _Run:
    """What a run leaves in its folder: the log and the checkpoint (nothing, without a folder)."""

    def __init__(
        self,
        folder: Path | None,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        data: ImageData,
        config: TrainConfig,
    ) -> None:
        self.folder, self.config, self.data = folder, config, data
        self.model, self.optimizer = model, optimizer
        self.saved: Path | None = None

    def start(self, resume: bool, where: dict[str, str]) -> list[Record]:
        """The history so far: empty, or that of the checkpoint."""
        if self.folder is None:
            if resume:
                raise ArgumentError(
                    "resume", got="True without a folder", expected="a run's folder", do="pass folder="
                )
            return []
        path = self.folder / LAST
        if path.exists() and not resume:
            raise ArgumentError(
                "folder",
                got=f"{self.folder}, which holds a run ({LAST})",
                expected="a new or empty folder",
                do="use resume=True, another folder, or delete that file",
            )
        history = self._restore(path) if path.exists() else []
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not history:
                (self.folder / LOG).unlink(missing_ok=True)
        except OSError as error:
            raise DataError(
                str(self.folder), got=error.strerror, expected="a folder to write to", do="use another folder"
            ) from error
        environment = {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
            "platform": platform.platform(),
            "threads": torch.get_num_threads(),
            **where,
        }
        self.log(
            "resume" if history else "start",
            config=asdict(self.config),
            environment=environment,
            epochs_done=len(history),
            model=recipe(self.model),
            parameters=sum(p.numel() for p in self.model.parameters()),
            data=repr(self.data),
        )
        return history

    def _restore(self, path: Path) -> list[Record]:
        checkpoint = load_checkpoint(path)
        meta = checkpoint.meta
        if not {"run", "config", "history"} <= meta.keys():
            raise DataError(
                str(path),
                got="a checkpoint without its run's history",
                expected="one that `fit` wrote",
                do="use another folder",
            )
        ours = self.identity()
        other = {
            key: (meta["run"].get(key), value) for key, value in ours.items() if meta["run"].get(key) != value
        }
        other |= self.config.differences(meta["config"])
        if other:
            raise ArgumentError(
                "resume",
                got=f"{path} with " + ", ".join(f"{k}={a!r} (now {b!r})" for k, (a, b) in other.items()),
                expected="the settings of the run it continues (epochs too: the schedule depends on them)",
                do="use the same settings, or another folder",
            )
        restore(self.model, checkpoint, optimizer=self.optimizer)
        self.saved = path
        return list(meta["history"])

    def identity(self) -> Record:
        return {
            "model": recipe(self.model),
            "data": self.data.name,
            "images": len(self.data.train_images),
            "classes": list(self.data.classes),
        }

    def epoch(self, history: list[Record]) -> None:
        """Log an epoch; write the checkpoint if it is due."""
        if self.folder is None:
            return
        if len(history) % self.config.checkpoint_every == 0 or len(history) == self.config.epochs:
            data = self.data
            meta = {
                "run": self.identity(),
                "data": data.name,
                "classes": list(data.classes),
                "image": list(data.image_shape),
                "mean": data.mean.tolist(),
                "std": data.std.tolist(),
                "config": asdict(self.config),
                "epoch": len(history),
                "history": history,
            }
            self.saved = save(self.folder / LAST, self.model, optimizer=self.optimizer, meta=meta)
        self.log("epoch", **history[-1])

    def diverged(self, epoch: int, step: int) -> Diverged:
        self.log("diverged", epoch=epoch, step=step, checkpoint=str(self.saved) if self.saved else None)
        return Diverged(epoch, step, self.saved)

    def log(self, event: str, **values: Any) -> None:
        """Append one JSON line."""
        if self.folder is None:
            return
        line = json.dumps({"event": event, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **values})
        try:
            with open(self.folder / LOG, "a", encoding="utf-8") as file:
                file.write(line + "\n")
        except OSError as error:
            raise DataError(
                str(self.folder / LOG),
                got=error.strerror,
                expected="a file to append to",
                do="free space, then resume=True",
            ) from error
