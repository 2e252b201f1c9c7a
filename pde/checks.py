"""Checks that many arguments share. Each raises an ArgumentError that names the argument."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, final

import torch
from torch import Tensor

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


def on_grid(
    name: str, x: object, grid: tuple[int, ...], dtype: torch.dtype, device: str | torch.device
) -> tuple[int, ...]:
    """x is a tensor (*grid), (B, *grid) or (B, 1, *grid) of that dtype and device; what comes before the grid."""
    instance(name, x, Tensor, "use torch.as_tensor")
    assert isinstance(x, Tensor)
    extra = tuple(x.shape[: max(x.ndim - len(grid), 0)])
    if tuple(x.shape[len(extra) :]) != grid or extra[1:] not in ((), (1,)) or 0 in extra:
        n = ", ".join(map(str, grid))
        forms = f"one of ({n}), (B, {n}), (B, 1, {n})"
        raise ArgumentError(name, got=f"shape {tuple(x.shape)}", expected=forms, do="give it the problem's grid")
    for got, want, word in ((x.dtype, dtype, dtype), (x.device, device, f'"{device}"')):
        if got != want:
            raise ArgumentError(name, got=got, expected=f"{want}, as the problem", do=f"use {name}.to({word})")
    return extra


def finite(name: str, x: Tensor, *, got: str, do: str) -> None:
    """x holds neither NaN nor infinity."""

    def see(values: Tensor) -> None:
        # one number first, without an array: a finite norm is a norm of finite values
        if not torch.linalg.vector_norm(values).isfinite() and not torch.isfinite(values).all():
            raise ArgumentError(name, got=got, expected="finite values", do=do)

    look(x, see)


def look(x: Tensor, see: Callable[[Tensor], None]) -> None:
    """Show the numbers of x, those of a whole mapped batch under torch.func.vmap: (..., *shape of x)."""
    _Look.apply(x.detach(), see)


@final
class _Look(torch.autograd.Function):
    """A look at the numbers of x, which torch.func.vmap hides from everything but such a function."""

    @staticmethod
    def forward(x: Tensor, look: Callable[[Tensor], None]) -> Tensor:
        look(x)
        return x.new_empty(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None: ...

    @staticmethod
    def vmap(info: Any, in_dims: object, x: Tensor, look: Callable[[Tensor], None]) -> tuple[Tensor, None]:
        return _Look.apply(x, look), None


def unmapped(name: str, x: Tensor, why: str) -> None:
    """x is not inside torch.func.vmap."""
    _Unmapped.apply(x.detach(), name, why)


@final
class _Unmapped(torch.autograd.Function):
    """Nothing, and an error under torch.func.vmap, which cannot be asked otherwise."""

    @staticmethod
    def forward(x: Tensor, name: str, why: str) -> Tensor:
        return x.new_empty(0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None: ...

    @staticmethod
    def vmap(info: Any, in_dims: object, x: Tensor, name: str, why: str) -> NoReturn:
        got = f"a tensor inside torch.func.vmap, and {why}"
        raise ArgumentError(name, got=got, expected="a plain tensor", do="give the batch itself: (B, *grid)")
