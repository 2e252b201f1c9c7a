"""What `solve` checks before it computes, and the shapes it brings to one form: (B, 1, *grid)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from numbers import Real

from torch import Tensor

from unified.errors import ArgumentError

from . import checks
from .hierarchy import PoissonMultigrid
from .problems import Poisson
from .setup import multigrid


def check_stopping(rtol: float, max_cycles: int) -> None:
    number = isinstance(rtol, Real) and not isinstance(rtol, bool)  # NumPy's too
    if not (number and math.isfinite(rtol) and rtol >= 0):
        raise ArgumentError("rtol", got=repr(rtol), expected="a finite number >= 0", do="use rtol=1e-8")
    checks.whole("max_cycles", max_cycles, least=1, usual=50)


def batch(name: str, x: Tensor, problem: Poisson) -> Tensor:
    """x, of shape (*grid), (B, *grid) or (B, 1, *grid), as (B, 1, *grid)."""
    checks.instance(name, x, Tensor, "use torch.as_tensor")
    grid = problem.shape
    extra = tuple(x.shape[: max(x.ndim - problem.ndim, 0)])
    if tuple(x.shape[len(extra) :]) != grid or extra[1:] not in ((), (1,)) or 0 in extra:
        n = ", ".join(map(str, grid))
        forms = f"one of ({n}), (B, {n}), (B, 1, {n})"
        raise ArgumentError(name, got=f"shape {tuple(x.shape)}", expected=forms, do="give it the problem's grid")
    for got, want, word in ((x.dtype, problem.dtype, problem.dtype), (x.device, problem.device, f'"{problem.device}"')):
        if got != want:
            raise ArgumentError(name, got=got, expected=f"{want}, as the problem", do=f"use {name}.to({word})")
    checks.finite(name, x, got="NaN or infinity", do=f"look at torch.isfinite({name})")
    return x.reshape(-1, 1, *grid)


def for_each(name: str, x: Tensor, f: Tensor, problem: Poisson) -> Tensor:
    """x, one for all or one for each right-hand side, as f: (B, 1, *grid)."""
    x = batch(name, x, problem)
    if x.shape[0] not in (1, f.shape[0]):
        raise ArgumentError(
            name, got=f"a batch of {x.shape[0]}", expected=f"1 or {f.shape[0]}, as f", do=f"give one {name}"
        )
    return x.expand_as(f)


def hierarchy(problem: Poisson, mg: PoissonMultigrid | None, options: Mapping[str, object]) -> PoissonMultigrid:
    """The one given, if it fits, or a new one."""
    known = list(inspect.signature(multigrid).parameters)[1:]
    for name in options:
        if name not in known:
            raise ArgumentError("option", got=name, expected=f"one of {', '.join(known)}", do="see pde.multigrid")
    if mg is None:
        mg = multigrid(problem, **options)  # type: ignore[arg-type]
    elif options:
        got = f"mg and {', '.join(options)}"
        raise ArgumentError("mg", got=got, expected="one or the other", do="give options to pde.multigrid")
    checks.instance("mg", mg, PoissonMultigrid, "use pde.multigrid(problem)")
    if mg.problem != problem:
        got = f"a hierarchy of {mg.problem}"
        raise ArgumentError("mg", got=got, expected=f"one of {problem}", do="use pde.multigrid(problem)")
    if not mg.program or mg.program[-1].level != 0:
        got = "a way down alone" if mg.program else "no ops"
        raise ArgumentError("program", got=got, expected="a cycle, back to level 0", do='use program="V"')
    return mg
