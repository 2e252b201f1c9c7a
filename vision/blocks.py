"""The parts from which the networks are composed: convolutions without bias, transfers, stems, heads."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unified.errors import ArgumentError
from unified.transfer import StencilConv, full_weighting

Part = Callable[[int], nn.Module]  # channels -> a map of them
Make = Callable[..., nn.Module]  # (inputs, outputs, *, gain) -> a map from inputs to outputs channels


def conv(inputs: int, outputs: int, *, stride: int = 1, depthwise: bool = False, gain: float = 2.0) -> nn.Conv2d:
    """A 3x3 convolution, padding 1, no bias. (B, inputs, H, W) -> (B, outputs, H / stride, W / stride).

    Weights are normal with variance `gain / fan_in`: 2 keeps the size of activations through a relu (He et al. 2015);
    1 gives a square convolution's symbol the spectral radius 1 at every frequency, in the limit of many channels
    (the circular law). Depthwise: each output channel reads one input channel; outputs is a multiple of inputs.
    """
    if depthwise and outputs % inputs:
        raise ArgumentError(
            "channels", got=f"{inputs} -> {outputs}", expected="a multiple", do="keep or multiply the channels"
        )
    return _conv(inputs, outputs, 3, stride, inputs if depthwise else 1, gain)


def pointwise(inputs: int, outputs: int, *, stride: int = 1, groups: int = 1, gain: float = 1.0) -> nn.Conv2d:
    """A 1x1 convolution without bias, initialised as `conv`."""
    return _conv(inputs, outputs, 1, stride, groups, gain)


def _conv(inputs: int, outputs: int, size: int, stride: int, groups: int, gain: float) -> nn.Conv2d:
    layer = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False, groups=groups)
    nn.init.normal_(layer.weight, std=math.sqrt(gain / (size**2 * inputs // groups)))
    return layer


def bn_relu(channels: int) -> nn.Sequential:
    """relu∘bn."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def conv_bn_relu(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """relu∘bn∘conv."""
    return nn.Sequential(conv(inputs, outputs, stride=stride), *bn_relu(outputs))


def strided(inputs: int, outputs: int) -> nn.Sequential:
    """MgNet's R and Pi: relu∘bn∘conv with stride 2."""
    return conv_bn_relu(inputs, outputs, stride=2)


@final
class Depthwise(nn.Module):
    """A depthwise 3x3 convolution whose output channels mc .. mc + m - 1 read input channel c; stride 2, padding 1.

    As m convolutions of one output a channel, side by side: those have kernels of their own on a CPU, which made the
    two in one pass 1.6 to 1.8 times slower (docs/results/vision_speed.json). On a CPU bfloat16 is computed as float32:
    oneDNN has no kernel for the gradient of a strided one in bfloat16, and takes thirty times as long as in float32.
    weight: (outputs, 1, 3, 3), as that of the one convolution.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.multiplier = convolution.weight, convolution.out_channels // convolution.in_channels

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W) -> (B, m C, ceil(H/2), ceil(W/2))
        if x.dtype == torch.bfloat16 and x.is_cpu:
            with torch.autocast("cpu", enabled=False):
                return self._convolved(x.float(), self.weight.float()).to(x.dtype)
        return self._convolved(x, self.weight)

    def _convolved(self, x: Tensor, weight: Tensor) -> Tensor:
        parts = [weight[k :: self.multiplier] for k in range(self.multiplier)]
        outputs = [F.conv2d(x, part, stride=2, padding=1, groups=x.shape[1]) for part in parts]
        if self.multiplier == 1:
            return outputs[0]
        rows = [output.movedim(1, -1) for output in outputs]  # stacked so, the result is channels-last
        return torch.stack(rows, -1).flatten(-2).movedim(-1, 1)


def depthwise(inputs: int, outputs: int, *, gain: float = 2.0) -> nn.Module:
    """Poly-MgNet's R and Pi: a depthwise convolution with stride 2."""
    return Depthwise(conv(inputs, outputs, stride=2, depthwise=True, gain=gain))


def averaged(inputs: int, outputs: int, *, gain: float = 1.0) -> nn.Module:
    """Full weighting, as a multigrid solver restricts: no weights where channels are kept, else those of a 1x1.

    (B, inputs, H, W) -> (B, outputs, ceil(H/2), ceil(W/2)): the tensor product of (1, 2, 1)/4 with stride 2, padding 1.
    """
    R = StencilConv(full_weighting(2), stride=2, padding=1)
    return R if inputs == outputs else nn.Sequential(R, pointwise(inputs, outputs, gain=gain))


def head(channels: int, classes: int) -> nn.Sequential:
    """Average pooling and a linear classifier: (B, C, H, W) -> (B, classes)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Stem(NamedTuple):
    """Images to data: (B, inputs, H, W) -> (B, outputs, H / stride, W / stride)."""

    make: Make
    stride: int


def _imagenet(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(inputs, outputs, 7, 2, 1, 2.0), *bn_relu(outputs), nn.MaxPool2d(3, stride=2, padding=1)
    )  # He et al. 2015 (arXiv 1512.03385), table 1


STEMS = {"cifar": Stem(conv_bn_relu, 1), "imagenet": Stem(_imagenet, 4)}
