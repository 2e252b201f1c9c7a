"""Checkpoints: one safetensors file with the model, the optimizer and a JSON note of what they are.

A checkpoint is written beside its target, synced and renamed: whatever happens meanwhile, a full disk or
a killed process, the old file survives whole. A killed process may leave `.NAME.tmp`, which nothing reads and the
next checkpoint replaces. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from unified.errors import ArgumentError, DataError
from unified.files import replace

from .note import check_note

FORMAT = 2
_READABLE = (1, FORMAT)  # format 1 lacks what a run needs to be resumed
_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, torch.optim.swa_utils.AveragedModel)
_KEY = "vcycle"  # of the JSON text in the safetensors header


@dataclass(frozen=True, eq=False, repr=False)
class Checkpoint:
    """What a file holds: tensors and the note.

    'model.*' are the weights to use; 'training.*' those that the optimizer moves, where an average is the model;
    'optimizer.<parameter>.<slot>' its state.
    """

    path: Path
    tensors: dict[str, Tensor]
    meta: dict[str, Any]

    @property
    def model_name(self) -> str:
        return str(self.meta["model"]["name"])

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose name starts with `prefix`, without it."""
        return {name.removeprefix(prefix): t for name, t in self.tensors.items() if name.startswith(prefix)}

    def __repr__(self) -> str:
        what = f"{self.model_name}, {len(self.tensors)} tensors, epoch {self.meta.get('epoch')}"
        return f"Checkpoint({self.path}: {what})"


def bare(model: nn.Module) -> nn.Module:
    """The model inside wrappers (torch.compile, data parallel, averaged): its state_dict has the plain names."""
    model = getattr(model, "_orig_mod", model)
    return bare(model.module) if isinstance(model, _WRAPPERS) else model


def recipe(model: nn.Module) -> dict[str, Any]:
    """{"name", "options"} that rebuild the model, as JSON would return it; no options if it has no recipe."""
    known = getattr(bare(model), "recipe", None)
    if not known:
        return {"name": type(bare(model)).__name__}
    return json.loads(json.dumps(known, default=plain))


def plain(value: object) -> object:
    """What JSON takes of NumPy's numbers and arrays; of a function, which no file can hold, its name."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if callable(value):
        return getattr(value, "__name__", repr(value))
    raise TypeError(f"{type(value).__name__} is no JSON")


def weights_checksum(model: nn.Module) -> int:
    """CRC-32 of all tensors of the bare model."""
    found = 0
    for tensor in bare(model).state_dict().values():
        found = zlib.crc32(_plain(tensor).reshape(-1).view(torch.uint8).numpy().data, found)
    return found


def save(
    path: str | Path,
    model: nn.Module,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    average: nn.Module | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Path:
    """Write model, optimizer state and `meta`: JSON values; `fit` notes data, classes, mean, std, config.

    average: the model's averaged copy, which is then what `load_model` returns. All or nothing: on any failure the
    old file is as it was. DataError where the file cannot be written.
    """
    path, model = Path(path), bare(model)
    parts = {"model": model} if average is None else {"model": average, "training": model}
    tensors = {f"{part}.{name}": _plain(t) for part, of in parts.items() for name, t in of.state_dict().items()}
    if optimizer is not None:
        for name, p in model.named_parameters():
            slots = optimizer.state.get(p, {})
            tensors |= {f"optimizer.{name}.{k}": _plain(t) for k, t in slots.items() if isinstance(t, Tensor)}
    note = {**(meta or {}), "format": FORMAT, "model": recipe(model), "torch": torch.__version__}
    replace(path, safetensors.torch.save(tensors, {_KEY: json.dumps(note)}))
    return path


def load_checkpoint(path: str | Path) -> Checkpoint:
    """Read a checkpoint onto the CPU. Raises DataError for a missing, truncated, foreign or forged file."""
    path = Path(path)
    remedy = "use another checkpoint, or train again"
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(_KEY)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, safetensors.SafetensorError, MemoryError) as error:
        what = "no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise DataError(str(path), got=what, expected="a complete .safetensors file", do=remedy) from error
    try:
        meta = json.loads(text or "")
        version = meta["format"]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            str(path),
            got="a safetensors file without our note",
            expected="a checkpoint that `save` wrote",
            do=remedy,
        ) from error
    if version not in _READABLE:
        raise DataError(
            str(path),
            got=f"checkpoint format {version}",
            expected=f"format {FORMAT}",
            do="use the vcycle version that wrote it",
        )
    check_note(path, meta, required=("model",))
    return Checkpoint(path, tensors, meta)


def restore(
    model: nn.Module,
    checkpoint: Checkpoint,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    average: nn.Module | None = None,
) -> None:
    """Copy the checkpoint into the model (and the optimizer, and the average), strictly: same names, same shapes.

    Raises ArgumentError for the checkpoint of another model, before anything is changed.
    """
    model = bare(model)
    pairs = [(model, "model")] if average is None else [(average, "model"), (model, "training")]
    for module, part in pairs:
        _compare(recipe(model)["name"], module.state_dict(), checkpoint, checkpoint.part(f"{part}."))
    state = {} if optimizer is None else _optimizer_state(model, optimizer, checkpoint)
    for module, part in pairs:
        module.load_state_dict(checkpoint.part(f"{part}."))
    if optimizer is not None:
        optimizer.state.update(state)


def _optimizer_state(
    model: nn.Module, optimizer: torch.optim.Optimizer, checkpoint: Checkpoint
) -> dict[Tensor, dict[str, Tensor]]:
    """The stored slots of each parameter, laid out and placed as the parameter: a resumed step is the same step."""
    state: dict[Tensor, dict[str, Tensor]] = {}
    for name, p in model.named_parameters():
        stored, ours = checkpoint.part(f"optimizer.{name}."), optimizer.state.get(p, {})
        shapes = {slot: tuple(t.shape) for slot, t in stored.items()}
        if any(shape not in ((), p.shape) for shape in shapes.values()) or (ours and ours.keys() != stored.keys()):
            raise ArgumentError(
                "checkpoint",
                got=f"{checkpoint.path}, with {shapes} of the optimizer for {name}",
                expected=f"{', '.join(ours) or 'its slots'}, of shape {tuple(p.shape)} or of one number",
                do="use another checkpoint",
            )
        state[p] = {
            slot: (torch.empty_like(p, dtype=t.dtype) if t.shape == p.shape else t.to(p.device)).copy_(t)
            for slot, t in stored.items()
        }
    return {p: slots for p, slots in state.items() if slots}


def load_model(path: str | Path) -> tuple[nn.Module, dict[str, Any]]:
    """Build the model that a checkpoint describes, with its weights, in evaluation mode; and the note."""
    from .models import create_model

    checkpoint = load_checkpoint(path)
    known = checkpoint.meta["model"]
    if "options" not in known:
        raise DataError(
            str(path),
            got=f"a checkpoint of {checkpoint.model_name}, which has no recipe",
            expected="a model made by create_model",
            do="build the model yourself and call restore",
        )
    try:
        model = create_model(known["name"], **known["options"])
    except (ArgumentError, TypeError, ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
        raise DataError(
            f"{path}: model",
            got=f"{known}, of which no model can be made ({error})",
            expected="a recipe of create_model",
            do="use another checkpoint, or the vcycle version that wrote it",
        ) from error
    restore(model, checkpoint)
    return model.eval(), checkpoint.meta


def _plain(t: Tensor) -> Tensor:
    """A contiguous copy on the CPU that shares no memory (tied weights are stored twice)."""
    return t.detach().to("cpu", copy=True).contiguous()


def _compare(name: str, ours: Mapping[str, Tensor], checkpoint: Checkpoint, stored: Mapping[str, Tensor]) -> None:
    missing = [key for key in ours if key not in stored]
    surplus = [key for key in stored if key not in ours]
    other = [key for key in ours if key in stored and ours[key].shape != stored[key].shape]
    said = [
        f"{word} {', '.join(keys[:3])}{' ...' if len(keys) > 3 else ''}"
        for word, keys in (("without", missing), ("with also", surplus))
        if keys
    ]
    said += [f"{key} {tuple(stored[key].shape)} instead of {tuple(ours[key].shape)}" for key in other[:3]]
    if said:
        raise ArgumentError(
            "checkpoint",
            got=f"{checkpoint.path}, of the model {checkpoint.model_name}: {'; '.join(said)}",
            expected=f"the tensors of the model {name}",
            do="use load_model, or another checkpoint",
        )
