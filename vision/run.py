"""What a run leaves in its folder: a log of JSON lines and two checkpoints; and how it continues from them."""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unified.environment import environment
from unified.errors import ArgumentError, DataError

from .board import Board
from .checkpoint import FORMAT, Checkpoint, load_checkpoint, recipe, restore, save, weights_checksum
from .config import TrainConfig
from .data import ImageData
from .note import check_note

LAST, BEST = "last.safetensors", "best.safetensors"
LOG = "log.jsonl"
Record = dict[str, Any]


class Diverged(RuntimeError):  # noqa: N818 (the public name)
    """The loss or a weight became NaN or infinite."""

    def __init__(self, epoch: int, step: int, checkpoint: Path | None) -> None:
        self.epoch, self.step, self.checkpoint = epoch, step, checkpoint
        last = f"the last good checkpoint is {checkpoint}" if checkpoint else "there is no checkpoint"
        super().__init__(
            f"training diverged: loss or weights not finite in epoch {epoch}, by step {step}; {last}; "
            "try a third of the lr, clip_norm=1, or precision='float32'"
        )


class Best(NamedTuple):
    """The epoch with the highest accuracy on the validation images, the first of equals."""

    epoch: int
    accuracy: float
    weights: dict[str, Tensor]


class Run:
    """The files of a run (none, without a folder), its history and its best epoch."""

    def __init__(
        self,
        folder: str | Path | None,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: nn.Module | None,
        data: ImageData,
        config: TrainConfig,
        *,
        writes: bool,
    ) -> None:
        """writes: is this the process that writes? Every process of a run reads."""
        self.folder = None if folder is None else Path(folder)
        self.config, self.data, self.writes = config, data, writes
        self.model, self.optimizer, self.average = model, optimizer, average
        self.history: list[Record] = []
        self.best: Best | None = None
        self.saved: Path | None = None
        self.board: Board | None = None
        self.checksum = [] if folder is None else data.checksum()
        self.held = {} if folder is None else {split: data.checksum(split) for split in data.held}
        self.initial = None if folder is None else weights_checksum(model)

    def start(self, resume: bool, where: dict[str, str]) -> None:
        """Begin the log, or continue from the folder's checkpoint."""
        if self.folder is None:
            for name, wanted in (("resume", resume), ("tensorboard", self.config.tensorboard)):
                if wanted:
                    raise ArgumentError(name, got="True without a folder", expected="a run's folder", do="pass folder=")
            return
        last, best = self.folder / LAST, self.folder / BEST
        found = [path.name for path in (last, best) if path.exists()]
        if found and not resume:
            raise ArgumentError(
                "folder",
                got=f"{self.folder}, which holds a run ({', '.join(found)})",
                expected="a new or empty folder",
                do="use resume=True (--resume), another folder, or delete what it holds",
            )
        if LAST in found:
            self._resume(last, best)
        elif found:
            self._read(best)  # of this run, before its first checkpoint? Then it will be written again
        if not self.writes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                str(self.folder), got=error.strerror, expected="a folder to write to", do="use another folder"
            ) from error
        if self.config.tensorboard:
            self.board = Board(self.folder, len(self.history))
        self.log(
            "resume" if self.history else "start",
            config=asdict(self.config),
            environment={**environment(), **where},
            epochs_done=len(self.history),
            model=recipe(self.model),
            parameters=sum(p.numel() for p in self.model.parameters()),
            data=repr(self.data),
        )

    def _resume(self, last: Path, best: Path) -> None:
        checkpoint = self._read(last)
        history = checkpoint.meta["history"]
        if any("valid_accuracy" in record for record in history):  # then a best one was written before this
            chosen = self._read(best)
            record = chosen.meta["history"][-1]
            if "valid_accuracy" not in record:
                raise DataError(
                    f"{best}: history", got=str(record), expected="a valid_accuracy", do="use another folder"
                )
            self.best = Best(record["epoch"], record["valid_accuracy"], chosen.part("model."))
        restore(self.model, checkpoint, optimizer=self.optimizer, average=self.average)
        self.history, self.saved, self.initial = list(history), last, checkpoint.meta.get("initial")

    def _read(self, path: Path) -> Checkpoint:
        """A checkpoint of this run, or an error that says what differs."""
        checkpoint = load_checkpoint(path)
        meta = checkpoint.meta
        if meta["format"] != FORMAT:
            raise DataError(
                str(path),
                got=f"checkpoint format {meta['format']}",
                expected=f"format {FORMAT} to resume from",
                do="train again in another folder; load_model still gives its weights",
            )
        check_note(path, meta, required=("run", "config", "history"))
        ours = self.identity()
        other = {key: (meta["run"].get(key), value) for key, value in ours.items() if meta["run"].get(key) != value}
        other |= self.config.differences(meta["config"])
        if other:
            raise ArgumentError(
                "resume",
                got=f"{path} with " + ", ".join(f"{k}={a!r} (now {b!r})" for k, (a, b) in other.items()),
                expected="the settings of the run it continues (epochs too: the schedule depends on them)",
                do="use the same settings, or another folder",
            )
        return checkpoint

    def identity(self) -> Record:
        return {
            "model": recipe(self.model),
            "data": self.data.name,
            "images": len(self.data.train_images),
            "checksum": self.checksum,
            "classes": list(self.data.classes),
        }

    def epoch(self, record: Record) -> None:
        """Add an epoch's record: log it, and write the checkpoints that are due, the best one first.

        Killed in between, a resumed run computes the same best epoch again.
        """
        self.history.append(record)
        self.log("epoch", **record)
        if self.board is not None:
            self.board.add(record)
        accuracy, result = record.get("valid_accuracy"), self.model if self.average is None else self.average
        if accuracy is not None and (self.best is None or accuracy > self.best.accuracy):
            weights = {name: t.detach().clone() for name, t in result.state_dict().items()}
            self.best = Best(record["epoch"], accuracy, weights)
            self._save(BEST, result)
        if len(self.history) % self.config.checkpoint_every == 0 or len(self.history) == self.config.epochs:
            self.saved = self._save(LAST, self.model, optimizer=self.optimizer, average=self.average)

    def _save(self, name: str, model: nn.Module, **state: Any) -> Path | None:
        if self.folder is None:
            return None
        if not self.writes:
            return self.folder / name
        data = self.data
        meta = {
            "run": self.identity(),
            "initial": self.initial,
            "checksums": self.held,
            "data": data.name,
            "source": data.source,
            "classes": list(data.classes),
            "image": list(data.image_shape),
            "mean": data.mean.tolist(),
            "std": data.std.tolist(),
            "mirror": data.mirror,
            "config": asdict(self.config),
            "epoch": len(self.history),
            "history": self.history,
        }
        return save(self.folder / name, model, meta=meta, **state)

    def diverged(self, epoch: int, step: int) -> Diverged:
        self.log("diverged", epoch=epoch, step=step, checkpoint=str(self.saved) if self.saved else None)
        return Diverged(epoch, step, self.saved)

    def log(self, event: str, **values: Any) -> None:
        """Append one JSON line."""
        if self.folder is None or not self.writes:
            return
        line = json.dumps({"event": event, "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"), **values})
        try:
            with open(self.folder / LOG, "ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read() != b"\n":  # a killed process left half a line
                        line = f"\n{line}"
                file.write(f"{line}\n".encode())
        except OSError as error:
            raise DataError(
                str(self.folder / LOG),
                got=error.strerror,
                expected="a file to append to",
                do="free space, then resume=True",
            ) from error

    def close(self) -> None:
        if self.board is not None:
            self.board.close()
