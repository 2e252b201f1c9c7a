"""One pass over the training images: rates, batches, steps, sums."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from .average import Average
from .config import TrainConfig
from .data import ImageData
from .distributed import Group
from .graphs import GraphedStep
from .network import fewest_products
from .optimizer import set_rate
from .pipeline import epoch_batches
from .progress import Progress
from .run import Record
from .schedule import learning_rate
from .step import Step

_LOOK = 20  # steps between two looks at the running loss: each waits for the device


class Trainer:
    """Epochs of a run. The model is wrapped here, for data parallel and to be compiled; its tensors stay the same."""

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: Average | None,
        data: ImageData,
        config: TrainConfig,
        group: Group,
        dtype: torch.dtype,
        layout: torch.memory_format,
    ) -> None:
        self.optimizer, self.average, self.data, self.config = optimizer, average, data, config
        self.group, self.layout = group, layout
        self.buffers = [*model.buffers(), *(() if average is None else average.model.buffers())]
        self.model = group.wrap(fewest_products(model))
        if config.compile:
            self.model = torch.compile(self.model)  # type: ignore[assignment]
        step = Step(self.model, optimizer, config, dtype)
        self.step = GraphedStep(step) if config.cuda_graphs else step
        self.batch = min(config.batch_size, len(data.train_images))
        self.steps = len(data.train_images) // self.batch

    def epoch(self, epoch: int, bar: Progress) -> Record:
        """Epoch 1, 2, ...: its record, without a loss if that was not finite."""
        config, sums, group = self.config, self.step.sums, self.group
        total, done = config.epochs * self.steps, (epoch - 1) * self.steps
        start, rate = time.perf_counter(), config.lr
        self.model.train()
        sums.zero_()
        with _seeded(config.seed, epoch, group):
            batches = epoch_batches(self.data, self.batch, config.augmentation, seed=config.seed, epoch=epoch)
            for number, batch in enumerate(batches, 1):
                rate = learning_rate(config, done + number - 1, total)
                set_rate(self.optimizer, rate)
                images, target, labels = map(group.share, batch)
                self.step(images.contiguous(memory_format=self.layout), target, labels)
                if self.average is not None:
                    self.average.update(done + number)
                if number % _LOOK == 0 or number == self.steps:
                    loss, hits = group.sum(sums).tolist()
                    loss, accuracy = loss / (number * group.size), hits / (number * self.batch)
                    if not math.isfinite(loss):
                        return {"epoch": epoch, "steps": number}
                    bar.look(loss, accuracy)
                bar.step(self.batch)
        group.agree(self.buffers)  # running statistics: each process has its own
        seconds = time.perf_counter() - start
        return {
            "epoch": epoch,
            "steps": self.steps,
            "loss": loss,
            "accuracy": accuracy,
            "lr": rate,
            "seconds": seconds,
            "images_per_second": self.steps * self.batch / seconds,
        }


@contextmanager
def _seeded(seed: int, epoch: int, group: Group) -> Iterator[None]:
    """Random numbers for a model that draws some itself, such as dropout; the caller's are put back."""
    own = int(np.random.SeedSequence((seed, epoch, 1 + group.rank)).generate_state(1, np.uint32)[0])
    with torch.random.fork_rng([group.device] if group.device.type == "cuda" else []):
        torch.manual_seed(own)
        yield
