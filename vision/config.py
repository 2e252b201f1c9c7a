"""The settings of a training run: one dataclass for the API and the command line. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from unified.errors import ArgumentError

from .augmentation import Augmentation

Optimizer = Literal["sgd", "adamw"]
Schedule = Literal["onecycle", "cosine", "step"]
Precision = Literal["auto", "float32", "bfloat16"]
Switch = Literal["auto", "on", "off"]

# They change how a run is carried out or watched, not what it computes (up to rounding).
_FREE = ("device", "channels_last", "compile", "cuda_graphs", "checkpoint_every", "evaluate_every", "tensorboard")


@dataclass(frozen=True)
class TrainConfig:
    """Settings of `fit`: the optimizer and its schedule, augmentation, validation, and where and how to run."""

    epochs: int = 20
    """Passes over the training images."""
    batch_size: int = 128
    """Images in a step, of all processes; a last, smaller batch is left out, another one in every epoch."""
    optimizer: Optimizer = "sgd"
    """SGD with momentum, or AdamW (try lr=0.002, weight_decay=0.05)."""
    lr: float = 0.1
    """Peak learning rate."""
    momentum: float = 0.9
    """Momentum of SGD, β1 of AdamW, in [0, 1)."""
    nesterov: bool = True
    """Nesterov's momentum for SGD (without effect at momentum 0)."""
    beta2: float = 0.999
    """β2 of AdamW, in [0, 1)."""
    weight_decay: float = 5e-4
    """Decay of convolutions and matrices (SGD: L2 penalty); never of normalisations, biases and polynomial roots."""
    schedule: Schedule = "onecycle"
    """After the warm-up the rate falls: linearly, as a cosine, or by 10 at each third of the run."""
    warmup: float | None = None
    """Share of the run, in [0, 1), in which the rate climbs to its peak; None: 0.2 for onecycle, else 0."""
    clip_norm: float | None = None
    """Upper bound of the gradient's norm; None: no bound."""
    label_smoothing: float = 0.0
    """Share of a label's probability that is spread over all classes, in [0, 1)."""
    ema: float = 0.0
    """Decay a step, in [0, 1), of a moving average of the weights, which is then the result; 0: off."""
    validation: float = 0.1
    """Share of the training images held out to choose the best epoch by; 0: none. Data with a split keep theirs."""
    augmentation: Augmentation = field(default_factory=Augmentation)
    """What is done to the training images."""
    seed: int = 0
    """Seed of the shuffling and the augmentation; on the command line of the initial weights, too."""
    precision: Precision = "auto"
    """Arithmetic of the convolutions; auto: bfloat16 where the hardware has it, else float32."""
    device: str = "auto"
    """Where to train: auto (cuda if there is one), cpu, cuda, cuda:1, ..."""
    channels_last: Switch = "auto"
    """Channels-last memory format; auto: on."""
    compile: bool = False
    """Train a torch.compile'd copy of the model (checkpoints hold the bare model)."""
    cuda_graphs: bool = False
    """Replay each step as one CUDA graph: for steps so short that launching them takes longer. One process only."""
    checkpoint_every: int = 1
    """Epochs between two checkpoints to resume from; the last epoch always writes one."""
    evaluate_every: int = 1
    """Epochs between two looks at the validation images; 0: none, so that there is no best epoch."""
    tensorboard: bool = False
    """Write the log for TensorBoard, too, in the run's folder (needs the package tensorboard)."""

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
        self._check("lr", _real(self.lr) and self.lr > 0, "a finite number > 0")
        self._check("weight_decay", _real(self.weight_decay) and self.weight_decay >= 0, "a finite number >= 0")
        for name in ("momentum", "beta2", "label_smoothing", "ema", "validation"):
            self._check(name, _share(getattr(self, name)), "a number in [0, 1)")
        self._check("warmup", self.warmup is None or _share(self.warmup), "a number in [0, 1), or None")
        positive = self.clip_norm is None or (_real(self.clip_norm) and self.clip_norm > 0)
        self._check("clip_norm", positive, "a finite number > 0, or None")
        for name, literal in _CHOICES.items():
            choices = get_args(literal)
            self._check(name, getattr(self, name) in choices, f"one of {', '.join(choices)}")
        for name in ("nesterov", "compile", "cuda_graphs", "tensorboard"):
            self._check(name, isinstance(getattr(self, name), bool), "True or False")
        self._check("augmentation", isinstance(self.augmentation, Augmentation), "an Augmentation")
        self._check("device", isinstance(self.device, str), "a name such as 'auto', 'cpu', 'cuda'")

    def _check(self, name: str, good: bool, expected: str) -> None:
        if not good:
            default = getattr(TrainConfig(), name)
            raise ArgumentError(name, got=repr(getattr(self, name)), expected=expected, do=f"use {name}={default!r}")

    def differences(self, stored: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
        """Settings (stored, ours) that differ from a stored run and change what it computes."""
        ours, theirs = _flat(asdict(self)), _flat(stored)
        return {name: (theirs.get(name), value) for name, value in ours.items() if theirs.get(name) != value}


_CHOICES: dict[str, Any] = {
    "optimizer": Optimizer,
    "schedule": Schedule,
    "precision": Precision,
    "channels_last": Switch,
}


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings that count, those of the augmentation beside the others."""
    flat = {**settings, **settings.get("augmentation", {})}
    return {name: value for name, value in flat.items() if name not in (*_FREE, "augmentation")}


def _whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _real(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _share(value: object) -> bool:
    return _real(value) and 0 <= value < 1  # type: ignore[operator]
