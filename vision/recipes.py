"""Recipes by name: what they set otherwise than `TrainConfig`. `TrainConfig(**RECIPES["mgnet"])`, `--recipe mgnet`."""

from __future__ import annotations

from typing import Any

from .augmentation import Augmentation

RECIPES: dict[str, dict[str, Any]] = {
    # He & Xu 2019 (arXiv 1901.10415): the rate falls by 10 every 50 epochs. They report the best epoch on the test
    # images; we do not.
    "mgnet": {
        "epochs": 150,
        "batch_size": 128,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 5e-4,
        "schedule": "step",
        "augmentation": Augmentation(crop=4, fill=0),
    },
    # van Betteray, Rottmann & Kahl 2025 (arXiv 2503.10594).
    "polymgnet": {
        "epochs": 400,
        "batch_size": 128,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": False,
        "weight_decay": 1e-4,
        "schedule": "cosine",
        "augmentation": Augmentation(crop=4, fill=128, policy="autoaugment"),
    },
    # Our own, for minutes to hours on a CPU: one cycle of few epochs, with as little augmentation as they need.
    "fast": {
        "epochs": 10,
        "batch_size": 128,
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "schedule": "onecycle",
        "augmentation": Augmentation(crop=2),  # and flips, where a mirror image is one of the same class
    },
}
