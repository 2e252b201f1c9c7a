"""The note in a checkpoint's header: which fields it may have, and that they are what they should be.

A file may come from anywhere, so every field that is read has a check; other fields are the writer's own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args

from unified.errors import DataError

from .data import DataName


def check_note(path: Path, note: dict[str, Any], required: Sequence[str]) -> None:
    """DataError, naming file and field, for a field that is missing or cannot be what `save` and `fit` wrote."""
    for name, (good, expected) in _FIELDS.items():
        if name not in note and name not in required:
            continue
        if name not in note or not good(note[name]):
            got = repr(note[name]) if name in note else "nothing"
            raise DataError(
                f"{path}: {name}",
                got=got if len(got) < 100 else f"{got[:100]}...",
                expected=expected,
                do="use another checkpoint, or train again",
            )


def _whole(value: Any, least: int = 0) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _all(good: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and len(value) > 0 and all(map(good, value))


def _model(value: Any) -> bool:
    named = isinstance(value, dict) and isinstance(value.get("name"), str)
    return named and isinstance(value.get("options", {}), dict)


def _config(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("augmentation", {}), dict)


def _record(value: Any) -> bool:
    known = isinstance(value, dict) and _whole(value.get("epoch"), 1) and _number(value.get("seconds"))
    return known and _number(value.get("valid_accuracy", 0))


def _history(value: Any) -> bool:
    return _all(_record)(value) and [record["epoch"] for record in value] == list(range(1, len(value) + 1))


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (_model, "a model's name and, for one of create_model, its options"),
    "data": (lambda value: isinstance(value, str), "the name of a data set"),
    "source": (lambda value: value in (None, *get_args(DataName)), "the name of a data set of `load`, or null"),
    "checksums": (lambda value: isinstance(value, dict), "checksums of the parts that were not trained on"),
    "initial": (lambda value: value is None or _whole(value), "a checksum of the initial weights"),
    "classes": (_all(lambda value: isinstance(value, str)), "the names of the classes"),
    "image": (lambda value: _all(lambda n: _whole(n, 1))(value) and len(value) == 3, "three whole numbers, C, H, W"),
    "mean": (_all(_number), "a number a channel"),
    "std": (_all(lambda value: _number(value) and value > 0), "a number > 0 a channel"),
    "mirror": (lambda value: isinstance(value, bool), "whether mirror images are of the same class"),
    "epoch": (_whole, "a whole number >= 0"),
    "config": (_config, "the settings of a run"),
    "run": (lambda value: isinstance(value, dict), "what identifies a run"),
    "history": (_history, "the records of the epochs 1, 2, ... of a run"),
}
