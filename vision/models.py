"""The classifiers: MgNet and Poly-MgNet as published, and the table of their names."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unified.errors import ArgumentError, whole
from unified.multigrid import Level
from unified.smoother import Factor, MapCorrection, Relaxation

from .blocks import bn_relu, conv, conv_bn_relu, head
from .network import MgNet


def mgnet(
    steps: Sequence[int] = (2, 2, 2, 2),
    channels: int = 256,
    *,
    share_B: bool = True,
    data_channels: int | None = None,
    classes: int = 10,
    in_channels: int = 3,
) -> MgNet:
    """MgNet (He & Xu 2019, arXiv 1901.10415, algorithm 3): the step `u += relu(bn(B relu(bn(f - A u))))`.

    steps: smoothing steps of each level; channels: c_u, of the features u; data_channels: c_f, of the data f, default
    c_u (the published code needs c_f = c_u, the formulas do not). share_B: one B a level (B^l), else one a step
    (B^{l,i}). A is shared on a level. Down: `u_c = relu(bn(Pi u))`, `f_c = relu(bn(R(f - A u))) + A_c u_c`.

    Weights, L levels, ν = Σ steps, k classes, b = L or ν (B^l, B^{l,i}), c_in input channels:
    `9 c_in c_f + 2 c_f + 9 c_u c_f (L + b) + 2 ν (c_u + c_f) + (L-1)(9 c_f² + 2 c_f + 9 c_u² + 2 c_u) + k (c_u + 1)`;
    8,278,794 for the defaults, as published.
    """
    u, f = channels, channels if data_channels is None else data_channels
    _check(steps, (u, f), classes, in_channels)
    levels = []
    for i, n in enumerate(steps):
        coarsest = i == len(steps) - 1
        relaxation = Relaxation(
            n,
            B=[MapCorrection(conv(f, u)) for _ in range(1 if share_B else n)],
            phi=[bn_relu(f) for _ in range(n)],
            psi=[bn_relu(u) for _ in range(n)],
        )
        levels.append(
            Level(
                conv(u, f),
                relaxation,
                R=None if coarsest else conv_bn_relu(f, f, stride=2),
                Pi=None if coarsest else conv_bn_relu(u, u, stride=2),
            )
        )
    return MgNet(conv_bn_relu(in_channels, f), levels, head(u, classes))


def polymgnet(
    steps: Sequence[int] = (2, 2, 2, 2),
    channels: Sequence[int] = (64, 128, 256, 256),
    *,
    width: float = 1.0,
    classes: int = 10,
    in_channels: int = 3,
) -> MgNet:
    """Poly-MgNet with linear regular blocks (van Betteray, Rottmann & Kahl 2025, arXiv 2503.10594): `B r = c1 r`.

    A smoothing step is one factor `1 - c1 λ` of the residual polynomial, its coefficient trained; relu∘bn before
    (phi) and after (psi). Two steps a level are the published q2. R and Pi are depthwise, without bn or relu after
    them; R acts on relu(f - A u). channels: of each level, times `width`.

    Initially A's symbol has spectral radius 1 at every frequency (see `blocks.conv`) and every root lies there.

    Weights, k classes, c_in input channels, c_l of level l: `9 c_in c_0 + 2 c_0 + Σ_l (9 c_l² + n_l (4 c_l + 1))
    + 18 Σ_{l>0} c_l + k (c_L + 1)`; 1,385,554 for q2. The published 1,386,706 count 1,152 that are never used.
    """
    _check(steps, channels, classes, in_channels)
    if len(channels) != len(steps):
        raise ArgumentError(
            "channels", got=f"{len(channels)} levels", expected=f"{len(steps)}, as steps", do="give one number a level"
        )
    if not (math.isfinite(width) and width > 0):
        raise ArgumentError("width", got=width, expected="a finite number > 0", do="use width=1")
    c = [round(width * channel) for channel in channels]
    _check(steps, c, classes, in_channels)
    levels = []
    for i, n in enumerate(steps):
        coarsest = i == len(steps) - 1
        relaxation = Relaxation(
            n,
            B=[Factor.root(1.0, trainable=True) for _ in range(n)],
            phi=[bn_relu(c[i]) for _ in range(n)],
            psi=[bn_relu(c[i]) for _ in range(n)],
        )
        transfers: dict[str, nn.Module] = {}
        if not coarsest:
            R = conv(c[i], c[i + 1], stride=2, depthwise=True)
            transfers = {
                "R": nn.Sequential(nn.ReLU(), R),
                "Pi": conv(c[i], c[i + 1], stride=2, depthwise=True, gain=1.0),
            }
        levels.append(Level(conv(c[i], c[i], gain=1.0), relaxation, **transfers))
    return MgNet(conv_bn_relu(in_channels, c[0]), levels, head(c[-1], classes))


# name: factory and its options; all take classes and in_channels
MODELS: dict[str, tuple[Callable[..., MgNet], dict[str, Any]]] = {
    **{f"mgnet-{c}": (mgnet, {"channels": c}) for c in (16, 32, 64, 128, 256)},
    **{f"mgnet-{c}-li": (mgnet, {"channels": c, "share_B": False}) for c in (16, 32, 64, 128, 256)},
    "polymgnet-q2": (polymgnet, {}),
    "polymgnet-q2-half": (polymgnet, {"width": 0.5}),
    "polymgnet-q2-quarter": (polymgnet, {"width": 0.25}),
}


def create_model(name: str, **options: Any) -> MgNet:
    """The model of that name in `MODELS`; options override the table's: classes, in_channels, steps, ..."""
    if name not in MODELS:
        raise ArgumentError(
            "name",
            got=repr(name),
            expected=f"one of {', '.join(MODELS)}",
            do="see vision.MODELS, or `vcycle show models`",
        )
    factory, defaults = MODELS[name]
    try:
        model = factory(**{**defaults, **options})
    except TypeError as error:
        raise ArgumentError("options", got=options, expected=f"those of {factory.__name__}", do=str(error)) from None
    model.recipe = {"name": name, "options": options}
    return model


def count_weights(model: nn.Module) -> int:
    """The number of trained numbers."""
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, image: tuple[int, int, int]) -> int:
    """Multiply-adds of convolutions and matrices for one image (C, H, W), on the way forward."""
    sketch = copy.deepcopy(model).to("meta").eval()  # shapes without numbers: nothing is computed
    dtype = next(sketch.parameters()).dtype
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sketch(torch.zeros(1, *image, dtype=dtype, device="meta"))
    return counter.get_total_flops() // 2


def _check(steps: Sequence[int], channels: Sequence[int], classes: int, in_channels: int) -> None:
    if len(steps) == 0 or min(steps) < 1:
        raise ArgumentError(
            "steps", got=steps, expected="at least one level of at least one step", do="use (2, 2, 2, 2)"
        )
    for n in steps:
        whole("steps", n, do="use (2, 2, 2, 2)")
    for c in channels:
        whole("channels", c, do="see vision.MODELS")
    whole("classes", classes, do="one for each class of the data")
    whole("in_channels", in_channels, do="3 for colour, 1 for grey images")
