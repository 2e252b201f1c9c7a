"""An MgNet as a plain loop over its formulas: u starts as zeros, every product is computed where the formula has it.

With the modules of a network of `vision` in it, it is a peer in speed and a second implementation in tests.
"""

from __future__ import annotations

import copy
from typing import final

import torch
from torch import Tensor, nn

from vision.blocks import Depthwise
from vision.network import MgNet


@final
class PlainNetwork(nn.Module):
    """Images (B, C, H, W) -> logits, with copies of a network's weights; as many channels of u as of f on each level.

    He & Xu 2019 (arXiv 1901.10415), algorithm 3: `u += tau(u + psi(B(phi(f - A u))))`, `f <- R(f - A u) + A Pi u`.
    """

    def __init__(self, network: MgNet) -> None:
        super().__init__()
        network = copy.deepcopy(network).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.stem, self.levels, self.head = network.stem, network.levels, network.head
        for level in self.levels:
            level.R, level.Pi = _published(level.R), _published(level.Pi)

    def forward(self, x: Tensor) -> Tensor:
        f = self.stem(x)
        u = torch.zeros_like(f)
        for i, level in enumerate(self.levels):
            smoother = level.pre_smoother
            for step in range(smoother.steps):
                r = f - level.A(u)
                if smoother.phi:
                    r = smoother.phi[step % len(smoother.phi)](r)
                d = smoother.B[step % len(smoother.B)](level.A, r)
                if smoother.psi:
                    d = smoother.psi[step % len(smoother.psi)](d)
                u = u + d
                if smoother.tau:
                    u = smoother.tau[step % len(smoother.tau)](u)
            if i + 1 < len(self.levels):
                r = level.R(f - level.A(u))
                u = level.Pi(u)
                f = r + self.levels[i + 1].A(u)
        return self.head(u)


def _published(transfer: nn.Module | None) -> nn.Module | None:
    """A depthwise transfer as the one grouped convolution that it is."""
    if isinstance(transfer, nn.Sequential):
        return nn.Sequential(*map(_published, transfer))
    if not isinstance(transfer, Depthwise):
        return transfer
    outputs = len(transfer.weight)
    inputs = outputs // transfer.multiplier
    grouped = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, groups=inputs, bias=False)
    grouped.weight = transfer.weight
    return grouped
