"""Do model, data and settings fit each other? Asked before the first step."""

from __future__ import annotations

import copy

import torch
from torch import nn

from unified.errors import ArgumentError

from .augment import normalise
from .checkpoint import recipe
from .config import TrainConfig
from .data import ImageData
from .device import model_device
from .distributed import Group
from .evaluate import check_classes
from .memory import enough_memory
from .optimizer import trainable


def check_weights(model: nn.Module) -> None:
    """Something to train, in float32: `precision` alone chooses another arithmetic."""
    if not trainable(model):
        raise ArgumentError(
            "model", got="no trainable parameter", expected="something to train", do="unfreeze parameters"
        )
    tensors = [t for t in model.state_dict(keep_vars=True).values() if t.is_floating_point()]
    if any(t.is_meta for t in tensors):
        raise ArgumentError("model", got="tensors on 'meta'", expected="weights", do="make it on a device")
    other = {str(t.dtype) for t in tensors if isinstance(t, nn.Parameter)} - {"torch.float32"}
    if other:
        raise ArgumentError(
            "model", got=f"{', '.join(sorted(other))} weights", expected="torch.float32", do="use model.float()"
        )


def check_fit(model: nn.Module, data: ImageData, config: TrainConfig, group: Group) -> None:
    """The settings suit the images and the processes, and the model takes two images, or as many as it gets.

    A single image is not enough for every normalisation.
    """
    config.augmentation.resolved(data)
    if config.cuda_graphs and (group.device.type != "cuda" or group.size > 1):
        raise ArgumentError(
            "cuda_graphs",
            got=f"True on {group.device}, processes: {group.size}",
            expected="a CUDA device and one process",
            do="use cuda_graphs=False",
        )
    batch = min(config.batch_size, len(data.train_images))
    if batch % group.size:
        raise ArgumentError(
            "batch_size", got=batch, expected=f"a multiple of the {group.size} processes", do="use another batch_size"
        )
    check_answer(model, data, min(2, batch // group.size))


def check_answer(model: nn.Module, data: ImageData, count: int = 2) -> None:
    """A copy of the model, while it trains, answers `count` images with one logit a class."""
    device = model_device(model)
    images = normalise(data.train_images[:count].to(device), data.mean.to(device), data.std.to(device))
    here = [device] if device.type == "cuda" else []
    memory = enough_memory(len(images), data.image_shape, torch.float32, device, least=True)
    try:
        with memory, torch.no_grad(), torch.random.fork_rng(here):
            logits = copy.deepcopy(model).train()(images)
    except ArgumentError:
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        raise ArgumentError(
            "data",
            got=f"{len(images)} images {data.image_shape} on which {recipe(model)['name']} fails: "
            f"{str(error).splitlines()[0]}",
            expected="images (C, H, W), as many in a batch, that the model takes",
            do="make the model for these channels and this size; normalisations may need two images or more",
        ) from error
    check_classes(logits, len(data.classes))
