"""The network of `solution_operator`, and its training."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any, final

import torch
import torch.nn.functional as F
from random_problems import Batch, Family, draw
from torch import Tensor, nn

BATCH, RATE = 16, 3e-3


@final
class SolutionOperator(nn.Module):
    """u = N(f, a), by one V-cycle of a network (B, 2, n, n) -> (B, 1, n, n), in float32.

    The equation is `-Δu - ∇(log a)·∇u = f / a`: the channels are f / a, of mean square 1, and log a, of mean 0, at the
    points (the mean of the four cells); u is scaled back. So N(s f, t a) = s/t N(f, a) for s, t > 0, as for the
    solution. That N is not linear in f is the network's.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, f: Tensor, a: Tensor) -> Tensor:
        """f: (B, 1, n, n), a: (B, n + 1, n + 1), float64 -> u, (B, 1, n, n), float64."""
        log_a = F.avg_pool2d(a.log()[:, None], 2, 1)
        x = f / log_a.exp()
        scale = x.square().mean((2, 3), keepdim=True).sqrt()
        channels = torch.cat([x / scale, log_a - log_a.mean((2, 3), keepdim=True)], dim=1)
        # 2π² is the least eigenvalue of -Δ
        return self.network(channels.float()).double() * scale / (2 * math.pi**2)


def relative(x: Tensor, to: Tensor) -> Tensor:
    """‖x‖ / ‖to‖, (B,)."""
    return x.flatten(1).norm(dim=1) / to.flatten(1).norm(dim=1)


def train(
    operator: SolutionOperator, family: Family, n: int, *, steps: int, seed: int, rate: float = RATE
) -> dict[str, Any]:
    """AdamW on the mean of ‖N(f, a) - u‖ / ‖u‖, no problem twice; the rate falls to zero at last."""
    optimizer = torch.optim.AdamW(operator.parameters(), rate, weight_decay=1e-4)
    began, losses = time.process_time(), list[float]()
    problems = _stream(family, n, torch.Generator().manual_seed(seed))
    operator.train()
    for step in range(1, steps + 1):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / 50) * (1 + math.cos(math.pi * step / steps)) / 2
        batch = next(problems)
        loss = relative(operator(batch.f, batch.a) - batch.u, batch.u).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(operator.parameters(), 1.0)
        optimizer.step()
        losses.append(float(loss.detach()))
        if step % 200 == 0:
            print(f"step {step} of {steps}, loss {sum(losses[-50:]) / 50:.3f}", flush=True)
    operator.eval()
    last = losses[-50:]
    return {"steps": steps, "seconds": time.process_time() - began, "loss": sum(last) / len(last)}


def _stream(family: Family, n: int, generator: torch.Generator) -> Iterator[Batch]:
    while True:
        drawn = draw(family, 4 * BATCH, n, generator)
        yield from (Batch(*parts) for parts in zip(*(x.split(BATCH) for x in drawn), strict=True))
