"""Multigrid in channels: convolutions whose weights grow with C, not with C²."""

from __future__ import annotations

from functools import partial
from typing import final

from torch import Tensor, nn

from unified.errors import ArgumentError, whole

from .blocks import conv, pointwise


@final
class ChannelMultigrid(nn.Module):
    """`A x = G x + P A_c R x`: grouped convolutions G on a hierarchy of channels, a full one on the coarsest.

    (B, inputs, H, W) -> (B, outputs, H, W). After van Betteray, Rottmann & Kahl 2022 (MGiaD, arXiv 2211.05525), who
    follow Eliasof et al. 2020 (MGIC, arXiv 2011.09128): G couples channels in groups of `size`; R and P, pointwise
    in the same groups, halve and double them, until `size` are left, which a full convolution couples. Departures:
    coarse levels are added, with nothing nonlinear in between, so that the whole is one linear convolution, which may
    stand for A or B.

    Weights for C = inputs = outputs = 2^k size: `20 C size - 11 size²`, where a full convolution has 9 C².
    """

    def __init__(self, inputs: int, outputs: int, *, size: int, gain: float = 2.0) -> None:
        super().__init__()
        whole("size", size, least=2, do="use size=8")
        groups = inputs // size
        if size % 2 or inputs % size or outputs % groups or outputs // groups % 2:
            raise ArgumentError(
                "channels",
                got=f"{inputs} -> {outputs} in groups of {size}",
                expected="even groups: channels of 2^k times their size",
                do="use another width or conv='full'",
            )
        self.G = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, groups=groups)
        nn.init.normal_(self.G.weight, std=(gain / 2 / (9 * size)) ** 0.5)  # one half of the variance from each part
        self.R = pointwise(inputs, inputs // 2, groups=groups)
        self.coarse = channel_multigrid(inputs // 2, outputs // 2, size=size, gain=gain / 2)
        self.P = pointwise(outputs // 2, outputs, groups=groups)

    def forward(self, x: Tensor) -> Tensor:
        return self.G(x) + self.P(self.coarse(self.R(x)))


def channel_multigrid(inputs: int, outputs: int, *, size: int, gain: float = 2.0) -> nn.Module:
    """`ChannelMultigrid`, or the full convolution where there is but one group."""
    if inputs <= size:
        return conv(inputs, outputs, gain=gain)
    return ChannelMultigrid(inputs, outputs, size=size, gain=gain)


CONVS = {"full": conv, **{f"mgiad-{size}": partial(channel_multigrid, size=size) for size in (4, 8, 16, 32)}}
