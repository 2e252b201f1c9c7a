"""What `solve` checks before it computes, and the shapes it brings to one form: (B, 1, *grid)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import fields
from numbers import Real

import torch
from torch import Tensor

from unified.errors import ArgumentError

from . import checks
from .hierarchy import PoissonMultigrid
from .mixed import Mixed, single
from .problems import Poisson, same
from .setup import SYMMETRIC, multigrid


def check_stopping(rtol: float, max_cycles: int) -> None:
    number = isinstance(rtol, Real) and not isinstance(rtol, bool)  # NumPy's too
    if not (number and math.isfinite(rtol) and rtol >= 0):
        raise ArgumentError("rtol", got=repr(rtol), expected="a finite number >= 0", do="use rtol=1e-8")
    checks.whole("max_cycles", max_cycles, least=1, usual=50)


def check_nonlinear(problem: Poisson, method: str, precision: str, u0: Tensor | None) -> None:
    """What needs a linear problem has one."""
    if problem.g is None:
        return
    for name, value, linear, do in (("method", method, "pcg", "fmg"), ("precision", precision, "mixed", "problem")):
        if value == linear:
            got = f'"{value}", for a nonlinear problem'
            raise ArgumentError(name, got=got, expected="a linear problem for that", do=f'use {name}="{do}"')
    if method == "fmg" and u0 is not None:
        got = "a start for nested iteration of a nonlinear problem, which begins anew"
        raise ArgumentError("u0", got=got, expected="none", do='use method="mg"')


def batch(name: str, x: Tensor, problem: Poisson) -> Tensor:
    """x, of shape (*grid), (B, *grid) or (B, 1, *grid), as (B, 1, *grid); one for many coefficients is repeated."""
    grid = problem.shape
    checks.on_grid(name, x, tuple(grid), problem.dtype, problem.device)
    x = x.reshape(-1, 1, *grid)
    if problem.batch > 1 and x.shape[0] not in (1, problem.batch):
        want = f"1 or {problem.batch}, as the problem's coefficients"
        raise ArgumentError(name, got=f"a batch of {x.shape[0]}", expected=want, do=f"give each field its {name}")
    return x.expand(problem.batch, *x.shape[1:]) if problem.batch > 1 else x


def check_finite(name: str, x: Tensor) -> None:
    checks.finite(name, x, got="NaN or infinity", do=f"look at torch.isfinite({name})")


def shape_of_solution(f: Tensor, rhs: Tensor) -> tuple[int, ...]:
    """That of f, or a batch's where one f meets a batch of coefficients."""
    return tuple(f.shape) if f.numel() == rhs.numel() else (rhs.shape[0], *rhs.shape[2:])


def for_each(name: str, x: Tensor, f: Tensor, problem: Poisson) -> Tensor:
    """x, one for all or one for each right-hand side, as f: (B, 1, *grid)."""
    x = batch(name, x, problem)
    check_finite(name, x)
    if x.shape[0] not in (1, f.shape[0]):
        expected = "1, as f" if f.shape[0] == 1 else f"1 or {f.shape[0]}, as f"
        do = f"give one {name}, or f as often"
        raise ArgumentError(name, got=f"a batch of {x.shape[0]}", expected=expected, do=do)
    return x.expand_as(f)


def cycle(
    problem: Poisson, precision: str, mg: PoissonMultigrid | None, options: Mapping[str, object], *, symmetric: bool
) -> PoissonMultigrid | Mixed:
    """The hierarchy given, if it fits, or a new one; for mixed precision in float32, under a float64 residual.

    symmetric: a new one with smoothers that make its cycle so, unless others are asked for.
    """
    if symmetric and mg is None and options.get("smoother") is None:
        options = {**options, "smoother": SYMMETRIC}
    if precision == "problem":
        return hierarchy(problem, mg, options)
    if problem.dtype != torch.float64:
        got = f"mixed, for a problem in {problem.dtype}"
        raise ArgumentError("precision", got=got, expected="a problem in torch.float64", do='use precision="problem"')
    with torch.no_grad():
        A = problem.operator()
    if options.get("scheme") == "fas":
        do = 'use scheme="correction"'
        raise ArgumentError("scheme", got='"fas", with mixed precision', expected="corrections, to be rounded", do=do)
    try:
        rounded = single(problem)
    except ArgumentError as error:
        got = f"mixed, where float32 does not do: {error.argument}, got {error.got}"
        expected, do = f"{error.expected}", 'use precision="problem"'
        raise ArgumentError("precision", got=got, expected=expected, do=do) from error
    return Mixed(hierarchy(rounded, mg, options, mixed=True), A)


def level_of(cycle: PoissonMultigrid | Mixed) -> str:
    """How its levels are computed."""
    return (cycle.mg if isinstance(cycle, Mixed) else cycle).level


def hierarchy(
    problem: Poisson, mg: PoissonMultigrid | None, options: Mapping[str, object], *, mixed: bool = False
) -> PoissonMultigrid:
    """The one given, if it fits, or a new one."""
    known = list(inspect.signature(multigrid).parameters)[1:]
    for name in options:
        if name not in known:
            raise ArgumentError("option", got=name, expected=f"one of {', '.join(known)}", do="see pde.multigrid")
    given = mg is not None
    if mg is None:
        mg = multigrid(problem, **options)  # type: ignore[arg-type]
    elif options:
        got = f"mg and {', '.join(options)}"
        raise ArgumentError("mg", got=got, expected="one or the other", do="give options to pde.multigrid")
    checks.instance("mg", mg, PoissonMultigrid, "use pde.multigrid(problem)")
    if given and mg.problem != problem:
        got = f"a hierarchy of another problem: {_differences(mg.problem, problem)}"
        expected = "one of this problem, with its numbers of now" + (" in float32" if mixed else "")
        do = "use pde.multigrid(" + ("pde.single(problem))" if mixed else "problem)")
        raise ArgumentError("mg", got=got, expected=expected, do=do)
    dtype = mg.grids[0].A.like.dtype
    if dtype != problem.dtype:
        do = "make a problem of that dtype instead of moving mg"
        raise ArgumentError("mg", got=f"a hierarchy in {dtype}", expected=f"{problem.dtype}, as the problem", do=do)
    if not mg.program or mg.program[-1].level != 0:
        got = "a way down alone" if mg.program else "no ops"
        raise ArgumentError("program", got=got, expected="a cycle, back to level 0", do='use program="V"')
    return mg


def _differences(given: Poisson, wanted: Poisson) -> str:
    """Which fields differ, and how, where that is short."""
    parts = []
    for field in fields(Poisson):
        one, other = getattr(given, field.name), getattr(wanted, field.name)
        if not same(one, other):
            tensors = isinstance(one, Tensor) or isinstance(other, Tensor)
            parts.append(f"another field {field.name}" if tensors else f"{field.name} {one}, not {other}")
    return "; ".join(parts)
