"""Training: SGD on a data set that lives on the device. A run is a function of (model, data, config).

All randomness of an epoch is seeded by (seed, epoch), so a run resumed at an epoch continues bit for bit on
the same device. Weight decay acts on parameters with two or more axes longer than one: normalisations,
biases and polynomial roots have none. The reported accuracy is that of the last epoch: choosing an epoch by
its test accuracy would be fitting the test set.
"""

from __future__ import annotations

import copy
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from tqdm import tqdm

from unified.errors import ArgumentError

from .augment import batches, normalise
from .checkpoint import bare, recipe
from .config import TrainConfig, learning_rate
from .data import ImageData
from .device import autocast, resolve_device, resolve_precision, running
from .evaluate import check_classes, evaluate
from .run import Record, Run

_LOOK = 20  # steps between two looks at the running loss: each waits for the device


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
    folder's checkpoint, exactly (from the start if there is none yet). progress: a line an epoch on
    stderr, and a bar on a terminal. callback: called with each epoch's record, after its checkpoint.

    Raises ArgumentError (model and data do not fit; the folder holds another run), DataError (a file that
    cannot be read or written) and Diverged.
    """
    _check_weights(model)
    device = resolve_device(config.device)
    dtype = resolve_precision(config.precision, device)
    layout = torch.contiguous_format if config.channels_last == "off" else torch.channels_last
    model, data = bare(model).to(device=device, memory_format=layout), data.to(device)  # type: ignore[call-overload]
    _check_fit(model, data, config)
    optimizer = _optimizer(model, config)
    run = Run(None if folder is None else Path(folder), model, optimizer, data, config)
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
            if progress:  # above the bar, where there is one
                tqdm.write(_line(record, config.epochs), file=sys.stderr)
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
    images = normalise(data.test_images[:2], data.mean, data.std)
    try:
        with running(model, data.test_images.device, "float32"):
            logits = model(images)
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
    if min(config.batch_size, len(data.train_images)) == 1:
        try:
            with torch.no_grad():  # on a copy: it moves the running statistics
                copy.deepcopy(model).train()(images[:1])
        except ValueError as error:  # BatchNorm on a level of one pixel
            raise ArgumentError(
                "batch_size",
                got="one image in a batch",
                expected="two or more for a normalisation over a single pixel",
                do="use batch_size=128, and more than one training image",
            ) from error


def _check_weights(model: nn.Module) -> None:
    """Numbers in float32: `precision` alone chooses another arithmetic."""
    tensors = [t for t in model.state_dict(keep_vars=True).values() if t.is_floating_point()]
    if any(t.is_meta for t in tensors):
        raise ArgumentError("model", got="tensors on 'meta'", expected="weights", do="make it on a device")
    other = {str(t.dtype) for t in tensors if isinstance(t, nn.Parameter)} - {"torch.float32"}
    if other:
        raise ArgumentError(
            "model", got=f"{', '.join(sorted(other))} weights", expected="torch.float32", do="use model.float()"
        )


def _line(record: Record, epochs: int) -> str:
    test = f"  test {record['test_accuracy']:.2%}" if "test_accuracy" in record else ""
    return (
        f"epoch {record['epoch']}/{epochs}  loss {record['loss']:.4f}  train {record['accuracy']:.2%}{test}  "
        f"{record['images_per_second']:,.0f} img/s  {record['seconds']:.1f} s"
    )
