"""The settings of a training run: one dataclass for the API and the command line. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from unified.errors import ArgumentError

Schedule = Literal["onecycle", "cosine", "step"]
Precision = Literal["auto", "float32", "bfloat16"]
Switch = Literal["auto", "on", "off"]

# They change how a run is carried out or watched, not what it computes (up to rounding).
_FREE = frozenset({"device", "channels_last", "compile", "checkpoint_every", "evaluate_every"})


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `fit`: SGD with momentum, a learning-rate schedule, augmentation, and where to run."""

    epochs: int = 20
    """Passes over the training images."""
    batch_size: int = 128
    """Images in a step; a last, smaller batch is left out, another one in every epoch."""
    lr: float = 0.1
    """Peak learning rate."""
    momentum: float = 0.9
    """Momentum of SGD, in [0, 1)."""
    nesterov: bool = True
    """Nesterov's momentum (without effect at momentum 0)."""
    weight_decay: float = 5e-4
    """L2 penalty of convolutions and matrices; never on normalisations, biases and polynomial roots."""
    schedule: Schedule = "onecycle"
    """Learning rate: onecycle climbs and falls linearly, cosine falls, step divides by 10 at each third."""
    warmup: float = 0.2
    """Share of the run, in [0, 1), in which onecycle climbs to its peak."""
    label_smoothing: float = 0.0
    """Share of a label's probability that is spread over all classes, in [0, 1)."""
    crop: int | None = None
    """Random shifts by up to so many pixels, edges reflected; 0: off; None: an eighth of the image."""
    flip: bool | None = None
    """Random mirror images; None: where the data set allows it (CIFAR yes, digits no)."""
    seed: int = 0
    """Seed of the shuffling and the augmentation (the initial weights are the model's)."""
    precision: Precision = "auto"
    """Arithmetic of the convolutions; auto: bfloat16 where the hardware has it, else float32."""
    device: str = "auto"
    """Where to train: auto (cuda if there is one), cpu, cuda, cuda:1, ..."""
    channels_last: Switch = "auto"
    """Channels-last memory format; auto: on."""
    compile: bool = False
    """Train a torch.compile'd copy of the model (checkpoints hold the bare model)."""
    checkpoint_every: int = 1
    """Epochs between two checkpoints; the last epoch always writes one."""
    evaluate_every: int = 0
    """Epochs between two looks at the test images; 0: once, after the last epoch."""
    clip_norm: float | None = None
    """Upper bound of the gradient's norm; None: no bound."""

    def __post_init__(self) -> None:
        """Raise ArgumentError for settings that cannot be used.

        >>> TrainConfig(epochs=-1)
        Traceback (most recent call last):
        ...
        unified.errors.ArgumentError: epochs: got -1; expected an integer >= 1; use epochs=20
        """
        for name in ("epochs", "batch_size", "checkpoint_every"):
            self._check(name, _whole(getattr(self, name), 1), "an integer >= 1")
        for name in ("evaluate_every", "seed"):
            self._check(name, _whole(getattr(self, name), 0), "an integer >= 0")
        self._check("crop", self.crop is None or _whole(self.crop, 0), "an integer >= 0, or None")
        self._check("lr", _real(self.lr) and self.lr > 0, "a finite number > 0")
        self._check("weight_decay", _real(self.weight_decay) and self.weight_decay >= 0, "a finite number >= 0")
        for name in ("momentum", "warmup", "label_smoothing"):
            value = getattr(self, name)
            self._check(name, _real(value) and 0 <= value < 1, "a number in [0, 1)")
        positive = self.clip_norm is None or (_real(self.clip_norm) and self.clip_norm > 0)
        self._check("clip_norm", positive, "a finite number > 0, or None")
        for name, choices in (("schedule", Schedule), ("precision", Precision), ("channels_last", Switch)):
            self._check(name, getattr(self, name) in get_args(choices), f"one of {', '.join(get_args(choices))}")
        for name in ("nesterov", "compile"):
            self._check(name, isinstance(getattr(self, name), bool), "True or False")
        self._check("flip", self.flip is None or isinstance(self.flip, bool), "True, False or None")
        self._check("device", isinstance(self.device, str), "a name such as 'auto', 'cpu', 'cuda'")

    def _check(self, name: str, good: bool, expected: str) -> None:
        if not good:
            default = next(f.default for f in fields(self) if f.name == name)
            raise ArgumentError(name, got=repr(getattr(self, name)), expected=expected, do=f"use {name}={default!r}")

    def differences(self, stored: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Settings (stored, ours) that differ from a stored run and change what it computes."""
        ours = {name: value for name, value in asdict(self).items() if name not in _FREE}
        return {name: (stored.get(name), value) for name, value in ours.items() if stored.get(name) != value}


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """The rate of step 0..total-1; no schedule passes its peak `config.lr`, none reaches zero.

    >>> [round(learning_rate(TrainConfig(lr=1.0, warmup=0.4), i, 10), 2) for i in range(10)]
    [0.25, 0.5, 0.75, 1.0, 0.86, 0.71, 0.57, 0.43, 0.29, 0.14]
    """
    return config.lr * _SHAPES[config.schedule](step, total, config.warmup)


def _onecycle(step: int, total: int, warmup: float) -> float:
    peak = max(0, round(warmup * total) - 1)  # the step at the peak
    return (step + 1) / (peak + 1) if step <= peak else (total - step) / (total - peak)


_SHAPES: dict[str, Callable[[int, int, float], float]] = {
    "onecycle": _onecycle,
    "cosine": lambda step, total, _: 0.5 * (1 + math.cos(math.pi * step / total)),
    "step": lambda step, total, _: 0.1 ** (3 * step // total),
}


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
