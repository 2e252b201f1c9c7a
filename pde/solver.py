"""`solve`: from a problem and f to a solution. A method is a stream of iterates; one loop watches them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Literal

import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.program import fmg
from unified.solution import Result, Solution

from . import checks, inputs
from .boundary import Boundary
from .hierarchy import PoissonMultigrid
from .krylov import conjugate_gradients
from .monitor import Monitor
from .problems import Poisson

Method = Literal["auto", "fmg", "mg", "pcg"]
# mg, f, u0 -> the start, then an iterate a cycle
Stream = Callable[[PoissonMultigrid, Tensor, Tensor], Iterator[Tensor]]


def _cycles(mg: PoissonMultigrid, f: Tensor, u: Tensor) -> Iterator[Tensor]:
    while True:
        yield u
        u = mg.improve(u, f)


def _nested(mg: PoissonMultigrid, f: Tensor, u: Tensor) -> Iterator[Tensor]:
    # two cycles a level: the algebraic error is then a few per cent of the discretisation error, with one half
    start = mg.with_program(fmg(len(mg.problems), cycles=2))
    yield from _cycles(mg, f, start.improve(u, f))


def _preconditioned(mg: PoissonMultigrid, f: Tensor, u: Tensor) -> Iterator[Tensor]:
    if not mg.symmetric:
        do = 'use program="V" or "W", and pre = post'
        raise ArgumentError("program", got="an unsymmetric cycle", expected="a symmetric one for pcg", do=do)
    return conjugate_gradients(mg.levels[0].A, mg, f, u)


METHODS: dict[str, Stream] = {"fmg": _nested, "mg": _cycles, "pcg": _preconditioned}


def solve(
    problem: Poisson,
    f: Tensor,
    *,
    rtol: float = 1e-8,
    max_cycles: int = 50,
    method: Method = "auto",
    boundary: Boundary | None = None,
    u0: Tensor | None = None,
    mg: PoissonMultigrid | None = None,
    **options: object,
) -> Solution:
    """Solve `A u = f` until `‖f - A u‖ <= rtol ‖f‖` for each right-hand side, boundary values taken into f.

    f: (*grid), (B, *grid) or (B, 1, *grid), of the problem's dtype and device; `Solution.u` has its shape.
    method: "fmg", a full multigrid start (whose residual is the first in the history) and then cycles; "mg",
    cycles alone; "pcg", conjugate gradients preconditioned by the cycle; "auto" is "fmg", or "mg" with a u0.
    boundary: Dirichlet values, a number, a tensor (..., n1 + 2, n2 + 2) of which only the boundary is read,
    or a function of the coordinates; None is zero. u0: a start, in one of f's shapes.
    mg: a hierarchy of the same problem, to use again; else `options` go to `pde.multigrid`.
    Gradients flow through the cycles where an input requires them.
    Raises ArgumentError for input that cannot be used; not to converge is no error but a `Solution.result`.

    >>> solution = solve(Poisson((63, 63)), torch.ones(63, 63, dtype=torch.float64))
    >>> solution.result.name, tuple(solution.u.shape)
    ('converged', (63, 63))
    """
    began = time.perf_counter()
    checks.instance("problem", problem, Poisson, "e.g. pde.Poisson((255, 255))")
    inputs.check_stopping(rtol, max_cycles)
    checks.one_of("method", method, ["auto", *METHODS])
    if method == "auto":
        method = "fmg" if u0 is None else "mg"
    rhs = inputs.batch("f", f, problem)
    mg = inputs.hierarchy(problem, mg, options)
    start = _start(problem, rhs, boundary, u0)
    if boundary is not None:
        rhs = rhs + inputs.for_each("boundary", problem.boundary_rhs(boundary), rhs, problem)
    ready = time.perf_counter()
    monitor = Monitor(mg.levels[0].A, rhs, radius=problem.radius, rtol=rtol)
    wanted = any(x.requires_grad for x in (rhs, start, *mg.parameters()))
    with torch.set_grad_enabled(torch.is_grad_enabled() and wanted):
        result = Result.maximum_cycles
        for u in itertools.islice(METHODS[method](mg, rhs, start), max_cycles + 1):
            if reason := monitor.judge(u):
                result = reason
                break
    seconds = {"setup": ready - began, "solve": time.perf_counter() - ready}
    return Solution(u.reshape(f.shape), result, tuple(monitor.residuals), mg.level, method, seconds)


def _start(problem: Poisson, f: Tensor, boundary: Boundary | None, u0: Tensor | None) -> Tensor:
    """u0, or the smooth lift of the boundary values: what it leaves to solve vanishes on the boundary."""
    if u0 is not None:
        return inputs.for_each("u0", u0, f, problem).clone()  # the solution must not alias it
    if boundary is None:
        return torch.zeros_like(f)
    return inputs.for_each("boundary", problem.lift(boundary), f, problem).clone()
