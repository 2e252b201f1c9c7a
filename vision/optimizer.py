"""The optimizer of a run, with its whole state from the start: what a checkpoint or a CUDA graph needs is there.

SGD with momentum (Nesterov's or plain) and AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101). Weight decay acts on
parameters with two or more axes longer than one: normalisations, biases and polynomial roots have none.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .config import TrainConfig


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """The optimizer of the settings, for the trainable parameters, on the model's device."""
    parameters = trainable(model)
    decayed = [p for p in parameters if sum(n > 1 for n in p.shape) >= 2]
    known = {id(p) for p in decayed}
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": [p for p in parameters if id(p) not in known], "weight_decay": 0.0},
    ]
    device = parameters[0].device
    # A captured step reads its rate from the device; elsewhere a number saves a launch.
    rate = torch.tensor(config.lr, device=device) if config.cuda_graphs else config.lr
    fused = device.type in ("cpu", "cuda")  # one pass over all weights
    if config.optimizer == "sgd":
        nesterov = config.nesterov and config.momentum > 0
        optimizer: torch.optim.Optimizer = torch.optim.SGD(
            groups, lr=rate, momentum=config.momentum, nesterov=nesterov, fused=fused
        )
        slots = ["momentum_buffer"] if config.momentum else []
    else:
        betas = (config.momentum, config.beta2)
        optimizer = torch.optim.AdamW(groups, lr=rate, betas=betas, fused=fused, capturable=config.cuda_graphs)
        slots = ["exp_avg", "exp_avg_sq"]
    for p in parameters:  # zeros: just what the first step would start from
        optimizer.state[p] = {slot: torch.zeros_like(p, requires_grad=False) for slot in slots}
        if config.optimizer == "adamw":
            optimizer.state[p]["step"] = torch.zeros((), device=p.device if fused else "cpu")
    return optimizer


def trainable(model: nn.Module) -> list[nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate, in place where a CUDA graph reads it."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
