"""The table of models, by name: a factory, its options and its source."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unified.errors import ArgumentError

from .dense import DenseMgNet, dense_mgnet
from .mgnet import mgnet
from .network import MgNet
from .polymgnet import polymgnet
from .resnet import ResNet, preact_resnet, resnet

Network = MgNet | DenseMgNet | ResNet

_MGNET = "He & Xu 2019, arXiv 1901.10415"
_POLY = "van Betteray, Rottmann & Kahl 2025, arXiv 2503.10594"
_MGIAD = f"{_MGNET}; van Betteray, Rottmann & Kahl 2022, arXiv 2211.05525"
_RESNET = "He, Zhang, Ren & Sun 2015, arXiv 1512.03385"
_PREACT = "He, Zhang, Ren & Sun 2016, arXiv 1603.05027"
_RESNET_20 = {"steps": (3, 3, 3), "channels": (16, 32, 64), "shortcut": "padding"}
_WIDTHS = {"": 1.0, "-quarter": 0.25, "-half": 0.5, "-twice": 2.0}


class Model(NamedTuple):
    """An entry of the table. Every factory takes classes and in_channels."""

    factory: Callable[..., Network]
    options: dict[str, Any]
    source: str


def _poly(block: str, width: float) -> dict[str, Any]:
    """q2 is two steps of a linear factor; the others are one product."""
    product = {} if block == "q2" else {"factors": block, "steps": (1, 1, 1, 1)}
    return product if width == 1 else {**product, "width": width}


MODELS: dict[str, Model] = {
    **{f"mgnet-{c}": Model(mgnet, {"channels": c}, _MGNET) for c in (16, 32, 64, 128, 256)},
    **{f"mgnet-{c}-li": Model(mgnet, {"channels": c, "share_B": False}, _MGNET) for c in (16, 32, 64, 128, 256)},
    "mgnet-64-nonlinear": Model(mgnet, {"channels": 64, "constraint": "nonlinear"}, _MGNET),
    "mgnet-64-fixed": Model(mgnet, {"channels": 64, "transfers": "fixed"}, _MGNET),
    "mgnet-64-mgiad": Model(mgnet, {"channels": 64, "conv": "mgiad-8"}, _MGIAD),
    "mgnet-256-mgiad": Model(mgnet, {"channels": 256, "conv": "mgiad-16"}, _MGIAD),
    "mgnet-imagenet": Model(
        mgnet,
        {
            "steps": (3, 4, 6, 3),
            "channels": (128, 256, 512, 1024),
            "share_B": False,
            "stem": "imagenet",
            "classes": 1000,
        },
        _MGNET,
    ),
    **{
        f"polymgnet-{block}{suffix}": Model(polymgnet, _poly(block, width), _POLY)
        for block in ("q2", "g4", "g6", "g8")
        for suffix, width in _WIDTHS.items()
    },
    "polymgnet-pair": Model(polymgnet, {"factors": ("quadratic",), "steps": (1, 1, 1, 1), "roots": "spectrum"}, _POLY),
    "resnet-18": Model(resnet, {}, _RESNET),
    "resnet-20": Model(resnet, _RESNET_20, _RESNET),
    "preact-resnet-18": Model(preact_resnet, {}, _PREACT),
    "preact-resnet-20": Model(preact_resnet, _RESNET_20, _PREACT),
    "dense-mgnet-32": Model(dense_mgnet, {}, _MGNET),
}


def create_model(name: str, **options: Any) -> Network:
    """The model of that name in `MODELS`; options override the table's: classes, in_channels, steps, ..."""
    if name not in MODELS:
        raise ArgumentError(
            "name", got=repr(name), expected=f"one of {', '.join(MODELS)}", do="see vision.MODELS, or `vcycle models`"
        )
    factory, defaults, _ = MODELS[name]
    try:
        model = factory(**{**defaults, **options})
    except TypeError as error:
        raise ArgumentError("options", got=options, expected=f"those of {factory.__name__}", do=str(error)) from None
    if not any(callable(value) for value in options.values()):  # a slot filled by hand has no name to build it by
        model.recipe = {"name": name, "options": options}
    return model


def count_weights(model: nn.Module) -> int:
    """The number of trained numbers."""
    return sum(p.numel() for p in model.parameters())


def multiply_adds(model: nn.Module, image: tuple[int, int, int]) -> int:
    """Multiply-adds of convolutions and matrices for one image (C, H, W), on the way forward."""
    sketch = copy.deepcopy(model).to("meta").eval()  # shapes without numbers: nothing is computed
    for part in sketch.modules():
        if isinstance(part, nn.BatchNorm2d):  # slow without numbers, and nothing to count
            part.forward = nn.Identity().forward
    dtype = next(sketch.parameters()).dtype
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sketch(torch.zeros(1, *image, dtype=dtype, device="meta"))
    return counter.get_total_flops() // 2
