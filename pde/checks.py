"""Checks that many arguments share. Each raises an ArgumentError that names the argument."""

from __future__ import annotations

from collections.abc import Iterable

from unified import errors
from unified.errors import ArgumentError


def whole(name: str, value: object, *, least: int, usual: int) -> None:
    """value is a whole number, `least` or more; `usual` is what to advise."""
    errors.whole(name, value, least=least, do=f"use {name}={usual}")


def one_of(name: str, value: object, names: Iterable[str], *, note: str = "") -> None:
    """value is one of the names; the first is what to advise."""
    names = tuple(names)
    if value not in names:
        raise ArgumentError(name, got=repr(value), expected=f"one of {', '.join(names)}{note}", do=f'use "{names[0]}"')


def instance(name: str, value: object, kind: type, do: str) -> None:
    """value is an instance of kind."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIO" else "a"
        raise ArgumentError(name, got=type(value).__name__, expected=f"{article} {kind.__name__}", do=do)
