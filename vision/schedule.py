"""The learning rate as a function of the step: one-cycle, cosine or stairs, each with a linear warm-up.

One-cycle: Smith & Topin 2017 (arXiv 1708.07120), with straight sides and no last drop; cosine: Loshchilov & Hutter
2016 (arXiv 1608.03983), without restarts; warm-up: Goyal et al. 2017 (arXiv 1706.02677, section 2.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .config import TrainConfig


def learning_rate(config: TrainConfig, step: int, total: int) -> float:
    """The rate of step 0..total-1; no schedule passes its peak `config.lr`, none reaches zero.

    >>> [round(learning_rate(TrainConfig(lr=1.0, warmup=0.4), i, 10), 2) for i in range(10)]
    [0.25, 0.5, 0.75, 1.0, 0.86, 0.71, 0.57, 0.43, 0.29, 0.14]
    """
    share = WARM_UP[config.schedule] if config.warmup is None else config.warmup
    peak = max(0, round(share * total) - 1)  # the step at the peak
    if step < peak:
        return config.lr * (step + 1) / (peak + 1)
    return config.lr * _AFTER[config.schedule](step, peak, total)


WARM_UP = {"onecycle": 0.2, "cosine": 0.0, "step": 0.0}  # of the run, where the settings leave it open

# The factor of step peak..total-1; it is 1 at the peak.
_AFTER: dict[str, Callable[[int, int, int], float]] = {
    "onecycle": lambda step, peak, total: (total - step) / (total - peak),
    "cosine": lambda step, peak, total: 0.5 * (1 + math.cos(math.pi * (step - peak) / (total - peak))),
    "step": lambda step, peak, total: 0.1 ** (3 * step // total),  # the thirds are the run's, warm-up included
}
