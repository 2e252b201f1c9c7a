"""What a run leaves in its folder: a log of JSON lines and a checkpoint; and how it continues from them."""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unified.environment import environment
from unified.errors import ArgumentError, DataError

from .checkpoint import load_checkpoint, recipe, restore, save
from .config import TrainConfig
from .data import ImageData

LAST = "last.safetensors"
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


class Run:
    """The files of a run: the log and the checkpoint (nothing, without a folder)."""

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
        tensors = () if folder is None else (data.train_images, data.train_labels)
        self.checksum = [zlib.crc32(t.cpu().contiguous().numpy().data) for t in tensors]  # as many images may be others

    def start(self, resume: bool, where: dict[str, str]) -> list[Record]:
        """The history so far: empty, or that of the checkpoint."""
        if self.folder is None:
            if resume:
                raise ArgumentError("resume", got="True without a folder", expected="a run's folder", do="pass folder=")
            return []
        path = self.folder / LAST
        if path.exists() and not resume:
            raise ArgumentError(
                "folder",
                got=f"{self.folder}, which holds a run ({LAST})",
                expected="a new or empty folder",
                do="use resume=True (--resume), another folder, or delete that file",
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
        self.log(
            "resume" if history else "start",
            config=asdict(self.config),
            environment={**environment(), **where},
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
        other = {key: (meta["run"].get(key), value) for key, value in ours.items() if meta["run"].get(key) != value}
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
            "checksum": self.checksum,
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
