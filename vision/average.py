"""An exponential moving average of the weights, which often classifies better than the last ones.

Polyak & Juditsky 1992 average all iterates; the exponential form forgets the early ones.
"""

from __future__ import annotations

import copy

import torch
from torch import nn


class Average:
    """`model`: a copy whose floating-point tensors follow `of` by `a <- d a + (1 - d) w` after every step.

    After t steps d = min(decay, (1 + t) / (10 + t)), so that the initial weights are forgotten in a short run, too.
    Running statistics are averaged as weights are; counters are copied.
    """

    def __init__(self, of: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = copy.deepcopy(of).requires_grad_(False)
        both = zip(self.model.state_dict().values(), of.state_dict().values(), strict=True)
        pairs = list({a.data_ptr(): (a, w) for a, w in both}.values())  # tied weights move once a step
        self.averaged = [(a, w) for a, w in pairs if a.is_floating_point()]
        self.copied = [(a, w) for a, w in pairs if not a.is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Follow the weights after step 1, 2, ... of the whole run."""
        decay = min(self.decay, (1 + step) / (10 + step))
        averages, weights = zip(*self.averaged, strict=True)
        torch._foreach_lerp_(averages, weights, 1 - decay)  # as torch.optim.swa_utils does: one launch for many
        for a, w in self.copied:
            a.copy_(w)
