"""The coefficients a and c of a problem: numbers and fields, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from numbers import Real
from typing import TypeVar, cast

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from unified.errors import ArgumentError

from . import checks
from .kernels import arrays

Answer = TypeVar("Answer")
Coordinates = Callable[[], tuple[Tensor, ...]]
Diffusivity = float | Sequence[float] | Tensor | Callable[..., Tensor]
Reaction = float | Tensor | Callable[..., Tensor]
Pointwise = Callable[[Tensor], Tensor]  # g, of each number by itself
_KNOWN: WeakTensorKeyDictionary = WeakTensorKeyDictionary()  # by tensor: how often it was written to, and answers
RANGE = (1e-100, 1e100)  # of a: over h² it stays finite


def diffusivity(
    a: Diffusivity, cells: Sequence[int], centres: Coordinates, dtype: torch.dtype, device: torch.device
) -> tuple[float, ...] | Tensor:
    """a as one number for each axis, or as a field (*cells) or (B, *cells)."""
    expected = f"positive numbers: one, {len(cells)} (one an axis), a tensor of the cells {tuple(cells)} or a batch"
    if isinstance(a, Real | list | tuple):
        numbers = (a,) * len(cells) if isinstance(a, Real) else tuple(a)
        good = len(numbers) == len(cells) and all(isinstance(x, Real) and not isinstance(x, bool) for x in numbers)
        if not good or not all(RANGE[0] <= float(x) <= RANGE[1] for x in numbers):
            raise ArgumentError("a", got=repr(a), expected=expected, do="use a=1.0")
        return tuple(map(float, numbers))
    field = _field("a", a, cells, centres, dtype, device, expected)
    _least("a", field, RANGE[0], "a > 0 everywhere", "a must be positive: look at a.min()")
    return field


def reaction(
    c: Reaction, grid: Sequence[int], points: Coordinates, dtype: torch.dtype, device: torch.device
) -> float | Tensor:
    """c as a number, or as a field (*grid) or (B, *grid)."""
    expected = f"a number >= 0, a tensor of the grid {tuple(grid)} or a batch of them"
    if isinstance(c, Real) and not isinstance(c, bool):
        if not 0 <= float(c) <= RANGE[1]:
            raise ArgumentError("c", got=repr(c), expected=expected, do="use c=0.0; c < 0 may have no solution")
        return float(c)
    field = _field("c", c, grid, points, dtype, device, expected)
    _least("c", field, 0.0, "c >= 0 everywhere", "c < 0 may have no solution: look at c.min()")
    return field


def same_batch(a: object, c: object, ndim: int) -> None:
    sizes = {x.shape[0] for x in (a, c) if isinstance(x, Tensor) and x.ndim > ndim} - {1}
    if len(sizes) > 1:
        got = f"{c.shape[0]} fields" if isinstance(c, Tensor) else "fields"
        raise ArgumentError("c", got=got, expected="as many as of a, or one", do="give each a its c")


def resolved(a: object, c: object, h: Sequence[float], dtype: torch.dtype, anchored: bool) -> None:
    """a/h² and c are of a size that dtype computes with; anchored: whether there is a Dirichlet side."""
    info = torch.finfo(dtype)
    low, high = info.tiny**0.8, info.max**0.8  # room for sums, products with u, and their inverse
    if isinstance(a, Tensor):
        strengths = [x / step**2 for x in extremes(a) for step in h]
    else:
        strengths = [x / step**2 for x, step in zip(cast(Sequence[float], a), h, strict=True)]
    if not low <= min(strengths) <= max(strengths) <= high:
        raise ArgumentError(
            "a",
            got=f"a/h² from {min(strengths):.3g} to {max(strengths):.3g}",
            expected=f"{low:.0e} to {high:.0e}, for {dtype}",
            do="scale a and f, or use torch.float64",
        )
    largest = _largest(c, len(h))
    if max(largest) > high:
        raise ArgumentError(
            "c", got=f"{max(largest):.3g}", expected=f"at most {high:.0e}, for {dtype}", do="scale c and f"
        )
    if anchored or not any(largest):
        return
    needed = 10 * info.eps * max(strengths)
    if min(largest) < needed:
        raise ArgumentError(
            "c",
            got=f"at most {min(largest):.3g}" + (" in a member of the batch" if len(largest) > 1 else ""),
            expected=f"{needed:.1g} or more somewhere, or zero everywhere: without a Dirichlet side it alone fixes the "
            "constant part of u",
            do="use c=0.0, solve each member by itself, or give a Dirichlet side",
        )


def _largest(c: object, ndim: int) -> list[float]:
    """Of each member of a batch."""
    if not isinstance(c, Tensor):
        return [cast(float, c)]
    return [float(x.max()) for x in (c.detach() if c.ndim > ndim else c.detach()[None])]


def _field(
    name: str,
    value: object,
    grid: Sequence[int],
    coordinates: Coordinates,
    dtype: torch.dtype,
    device: torch.device,
    expected: str,
) -> Tensor:
    if callable(value) and not isinstance(value, Tensor):
        value = value(*coordinates())
        if isinstance(value, Real):
            value = torch.full(tuple(grid), float(value), dtype=dtype, device=device)
    if not isinstance(value, Tensor):
        raise ArgumentError(name, got=type(value).__name__, expected=expected, do="use torch.as_tensor")
    if (
        value.ndim not in (len(grid), len(grid) + 1)
        or tuple(value.shape[-len(grid) :]) != tuple(grid)
        or not len(value)
    ):
        raise ArgumentError(
            name,
            got=f"shape {tuple(value.shape)}",
            expected=expected,
            do=f"look at problem.{'cells' if name == 'a' else 'shape'}",
        )
    if value.dtype != dtype or value.device != device:
        got, want = f"{value.dtype} on {value.device}", f"{dtype} on {device}, as the problem"
        raise ArgumentError(name, got=got, expected=want, do=f"use {name}.to(dtype, device)")
    checks.unmapped(name, value, "the hierarchy is built from its numbers")
    checks.finite(name, value, got="NaN or infinity", do=f"look at torch.isfinite({name})")
    return value


def _least(name: str, field: Tensor, least: float, expected: str, do: str) -> None:
    low, high = extremes(field)
    if not low >= least or high > RANGE[1]:
        raise ArgumentError(name, got=f"values from {low:.3g} to {high:.3g}", expected=expected, do=do)


def check_unspoilt(a: object, c: object) -> None:
    """Fields may have been written to since they were checked; of the others the extremes are known."""
    for name, field, least in (("a", a, RANGE[0]), ("c", c, -RANGE[1])):  # a linearised problem may have c < 0
        if isinstance(field, Tensor):
            _least(name, field, least, "the numbers of a problem, as when it was made", "write others to it")


def known(question: Callable[..., Answer], field: Tensor, *details: int) -> Answer:
    """question(field, *details), asked once: of each tensor that lives, until it is written to."""
    if field.is_inference():  # counts no writes
        return question(field, *details)
    answers = _answers(field)
    if (question, details) not in answers:
        answers[question, details] = question(field, *details)
    return cast(Answer, answers[question, details])


def copied(field: Tensor) -> Tensor:
    """A copy without derivatives, of which the same is known."""
    copy = arrays.copy(field)
    if not field.is_inference() and not copy.is_inference():
        _answers(copy).update(_answers(field))
    return copy


def _answers(field: Tensor) -> dict[tuple[object, ...], object]:
    found = _KNOWN.get(field)
    if found is None or found[0] != field._version:
        _KNOWN[field] = found = field._version, {}
    return cast(dict[tuple[object, ...], object], found[1])


def extremes(field: Tensor) -> tuple[float, float]:
    """The least and the largest number."""
    return known(_extremes, field)


def _extremes(field: Tensor) -> tuple[float, float]:
    least, most = torch.aminmax(field.detach())
    return float(least), float(most)


def derivative(g: Pointwise, u: Tensor) -> Tensor:
    """g'(u), for a g of each number by itself; without a graph."""
    with torch.enable_grad():
        x = _leaf(u)
        y = g(x)
        if not isinstance(y, Tensor) or y.shape != x.shape or y.dtype != x.dtype:
            made = f"{y.dtype} of shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__
            raise ArgumentError(
                "g",
                got=f"a function that makes {made} of {x.dtype} of shape {tuple(x.shape)}",
                expected="the same shape and dtype",
                do="compute with each number of u by itself, e.g. lambda u: u**3",
            )
        if not y.requires_grad:
            return torch.zeros_like(u)  # a constant
        (slope,) = torch.autograd.grad(y.sum(), x, allow_unused=True)
    return torch.zeros_like(u) if slope is None else slope.detach()


def _leaf(u: Tensor) -> Tensor:
    try:
        return u.detach().clone().requires_grad_()
    except RuntimeError as error:
        raise ArgumentError(
            "g",
            got="a nonlinear problem inside a transformation of torch.func",
            expected="torch.autograd, in reverse mode",
            do="use backward() or torch.autograd.grad",
        ) from error


def check_pointwise(g: Pointwise, ndim: int, dtype: torch.dtype, device: torch.device | str) -> None:
    """g is a function of numbers, finite at u = 0, where every cycle begins on a coarse grid, as is its derivative."""
    one = torch.ones((1, 1, *[1] * ndim), dtype=dtype, device=device)  # a single point: what knows the grid fails
    g(one)
    if not bool((one == 1).all()):
        raise ArgumentError(
            "g",
            got="a function that writes to its argument",
            expected="one that makes new numbers",
            do="use u * 2 instead of u.mul_(2)",
        )
    zero = torch.zeros_like(one)
    for name, values in (("'s derivative", derivative(g, zero)), ("", g(zero))):
        if not torch.isfinite(values).all():
            raise ArgumentError(
                "g",
                got=f"NaN or infinity for g{name} at u = 0",
                expected="a function that is finite there, and so its derivative by autograd",
                do="shift u, or guard the singular point with torch.where on both sides of it",
            )
