"""One training step; what it adds up stays on the device, so that nothing waits for it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .config import TrainConfig
from .device import autocast


class Step:
    """Forward, loss, backward, clipping, update. `sums`: the loss and the hits of the steps so far, (2,)."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, config: TrainConfig, dtype: torch.dtype
    ) -> None:
        self.model, self.optimizer, self.dtype = model, optimizer, dtype
        self.smoothing, self.clip_norm = config.label_smoothing, config.clip_norm
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.sums = torch.zeros(2, device=self.parameters[0].device)

    def __call__(self, images: Tensor, target: Tensor, labels: Tensor) -> None:
        """images: (B, C, H, W); target: labels (B,) or shares (B, K); labels: (B,), to count hits by."""
        with autocast(images.device, self.dtype):
            logits = self.model(images)
        loss = F.cross_entropy(logits.float(), target, label_smoothing=self.smoothing)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip_norm)
        self.optimizer.step()
        hits = (logits.detach().argmax(1) == labels).sum()
        self.sums += torch.stack((loss.detach(), hits.float()))
