"""Residual networks: the baselines, after activation (He et al. 2015) and before it (He et al. 2016).

Those of the second kind are MgNets in data space: `as_mgnet` rewrites one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import final

from torch import Tensor, nn
from torch.nn import functional as F

from unified.errors import ArgumentError
from unified.multigrid import Level
from unified.smoother import MapCorrection, Relaxation

from .blocks import bn_relu, conv, conv_bn_relu, head, pointwise
from .checks import check_images, check_sizes, each_level, pick
from .network import MgNet

Shortcut = Callable[[int, int, int], nn.Module]  # inputs, outputs, stride


@final
class Padding(nn.Module):
    """Every stride-th pixel, with zeros for the channels that are new: He et al. 2015, option A, no weights."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.new, self.stride = outputs - inputs, stride

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))


def _projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    return pointwise(inputs, outputs, stride=stride)


def _normalised_projection(inputs: int, outputs: int, stride: int) -> nn.Module:
    return nn.Sequential(_projection(inputs, outputs, stride), nn.BatchNorm2d(outputs))


# He et al. 2015, options B and A, for blocks that activate last; and for those that activate first
SHORTCUTS: dict[str, Shortcut] = {"projection": _normalised_projection, "padding": Padding}
PREACT_SHORTCUTS: dict[str, Shortcut] = {"projection": _projection, "padding": Padding}


@final
class ResidualBlock(nn.Module):
    """`relu(bn(conv(relu(bn(conv(x))))) + shortcut(x))` (He et al. 2015, equations 1 and 2)."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.first = conv_bn_relu(inputs, outputs, stride=stride)
        self.second = nn.Sequential(conv(outputs, outputs), nn.BatchNorm2d(outputs))
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        kept = x if self.shortcut is None else self.shortcut(x)
        return F.relu(kept + self.second(self.first(x)))


@final
class PreActivationBlock(nn.Module):
    """`x + conv2(relu(bn(conv1(relu(bn(x))))))` (He et al. 2016, figure 1b).

    A shortcut that changes the shape acts on relu(bn(x)), as the appendix there has it.
    """

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.phi, self.conv1 = bn_relu(inputs), conv(inputs, outputs, stride=stride)
        self.psi, self.conv2 = bn_relu(outputs), conv(outputs, outputs)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        active = self.phi(x)
        kept = x if self.shortcut is None else self.shortcut(active)
        return kept + self.conv2(self.psi(self.conv1(active)))


@final
class ResNet(nn.Module):
    """stem -> blocks -> head. Images (B, C, H, W), sides of 2^(stages - 1) or more, -> logits (B, classes).

    `recipe`: as that of `MgNet`.
    """

    recipe: dict[str, object] | None = None

    def __init__(self, stem: nn.Module, blocks: Sequence[nn.Module], head: nn.Module, *, stages: int) -> None:
        super().__init__()
        self.stem, self.blocks, self.head, self.stages = stem, nn.Sequential(*blocks), head, stages

    def forward(self, images: Tensor) -> Tensor:
        check_images(images, 2 ** (self.stages - 1), self.stages)
        return self.head(self.blocks(self.stem(images)))


def resnet(
    steps: Sequence[int] = (2, 2, 2, 2),
    channels: Sequence[int] = (64, 128, 256, 512),
    *,
    classes: int = 10,
    in_channels: int = 3,
    shortcut: str = "projection",
) -> ResNet:
    """ResNet (He et al. 2015, arXiv 1512.03385) with a 3x3 stem; the defaults are ResNet-18.

    steps: blocks of each stage, whose first, from the second stage on, halves the image; shortcut, where the shape
    changes: "projection" (1x1 and bn, option B) or "padding" (option A, as in ResNet-20).

    Weights, stage s with n_s blocks and w_s channels, c_in input channels, k classes: `9 c_in w_0 + 2 w_0 + Σ_s (18
    w_s² + 4 w_s) n_s + Σ_{s>0} (9 w_{s-1} w_s - 9 w_s² + p_s) + k (w_S + 1)`, `p_s = w_{s-1} w_s + 2 w_s` for a
    projection, else 0. ResNet-18 11,173,962; ResNet-20 269,722 (published: 0.27 M).
    """
    check_sizes(steps, classes, in_channels)
    c = each_level("channels", channels, len(steps))
    blocks = _blocks(ResidualBlock, steps, c, pick("shortcut", shortcut, SHORTCUTS))
    return ResNet(conv_bn_relu(in_channels, c[0]), blocks, head(c[-1], classes), stages=len(steps))


def preact_resnet(
    steps: Sequence[int] = (2, 2, 2, 2),
    channels: Sequence[int] = (64, 128, 256, 512),
    *,
    classes: int = 10,
    in_channels: int = 3,
    shortcut: str = "projection",
) -> ResNet:
    """The pre-activation ResNet (He et al. 2016, arXiv 1603.05027); options as for `resnet`.

    The stem is the convolution alone; relu∘bn follows the last block; projections have no bn.

    Weights: `9 c_in w_0 + Σ_s (18 w_s² + 4 w_s) n_s + Σ_{s>0} (9 w_{s-1} w_s - 9 w_s² + 2 w_{s-1} - 2 w_s + p_s) + 2
    w_S + k (w_S + 1)`, `p_s = w_{s-1} w_s` for a projection, else 0. As ResNet-18 11,172,170, as ResNet-20 269,722.
    """
    check_sizes(steps, classes, in_channels)
    c = each_level("channels", channels, len(steps))
    blocks = _blocks(PreActivationBlock, steps, c, pick("shortcut", shortcut, PREACT_SHORTCUTS))
    last = nn.Sequential(*bn_relu(c[-1]), *head(c[-1], classes))
    return ResNet(conv(in_channels, c[0]), blocks, last, stages=len(steps))


def _blocks(
    block: Callable[[int, int, int, nn.Module | None], nn.Module],
    steps: Sequence[int],
    channels: Sequence[int],
    shortcut: Shortcut,
) -> list[nn.Module]:
    """Those of all stages; the first of a stage, but for the first stage, has stride 2 and a shortcut of its own."""
    blocks, inputs = [], channels[0]
    for stage, (n, outputs) in enumerate(zip(steps, channels, strict=True)):
        for i in range(n):
            entry = stage > 0 and i == 0
            kept = shortcut(inputs, outputs, 2) if entry else None
            blocks.append(block(inputs, outputs, 2 if entry else 1, kept))
            inputs = outputs
    return blocks


def as_mgnet(network: ResNet) -> MgNet:
    """A pre-activation ResNet as an MgNet, with copies of its weights; `data_space` of it is the ResNet step by step.

    A block that keeps the shape is one smoothing step: phi and psi are its relu∘bn, B is its first convolution and A
    the second with the other sign. Each has an A of its own, so it is a level of its own, which hands its residual on
    as it is (R = id, Pi = 0); blocks that change the shape are part of R. The head of an MgNet reads u: the last
    level's one step, with B = id and phi the last relu∘bn, makes u = phi(r).
    """
    if not all(isinstance(block, PreActivationBlock) for block in network.blocks):
        raise ArgumentError("network", got="blocks of another kind", expected="a preact_resnet", do="see vision.resnet")
    network = copy.deepcopy(network)
    stem, levels = [network.stem], []
    for block in network.blocks:
        if block.shortcut is None:
            block.conv2.weight.data.neg_()
            step = Relaxation(1, MapCorrection(block.conv1), phi=block.phi, psi=block.psi)
            levels.append(Level(block.conv2, step, R=nn.Sequential()))
        else:
            (levels[-1].R if levels else stem).append(block)
    bn, relu, *rest = network.head
    last = Relaxation(1, MapCorrection(nn.Identity()), phi=nn.Sequential(bn, relu))
    levels.append(Level(nn.Identity(), last))
    return MgNet(nn.Sequential(*stem), levels, nn.Sequential(*rest), smallest=2 ** (network.stages - 1))
