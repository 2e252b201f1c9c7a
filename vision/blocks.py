"""The parts from which the classifiers are composed: convolutions without bias, and normalised activations."""

from __future__ import annotations

import math

from torch import nn

from unified.errors import ArgumentError


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
    groups = inputs if depthwise else 1
    layer = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False, groups=groups)
    nn.init.normal_(layer.weight, std=math.sqrt(gain / (9 * inputs // groups)))
    return layer


def bn_relu(channels: int) -> nn.Sequential:
    """relu∘bn."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


def conv_bn_relu(inputs: int, outputs: int, *, stride: int = 1) -> nn.Sequential:
    """relu∘bn∘conv."""
    return nn.Sequential(conv(inputs, outputs, stride=stride), *bn_relu(outputs))


def head(channels: int, classes: int) -> nn.Sequential:
    """Average pooling and a linear classifier: (B, C, H, W) -> (B, classes)."""
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
