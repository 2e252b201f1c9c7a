"""`solve`: from a problem and f to a solution. A method is a stream of iterates; one loop watches them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, final

import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.program import fmg
from unified.solution import Result, Solution

from . import checks, inputs
from .adjoint import Implicit, Outcome
from .boundary import Boundary
from .hierarchy import PoissonMultigrid
from .krylov import conjugate_gradients
from .monitor import Monitor
from .problems import Poisson
from .watch import Callback, Progress, Watch, check_watching

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


def _unseen(u: Tensor, residuals: Sequence[float]) -> None: ...


@final
@dataclass(frozen=True, eq=False)
class Iteration:
    """The loop, for any right-hand side: that of a solve and those of its derivatives."""

    mg: PoissonMultigrid
    stream: Stream
    rtol: float
    max_cycles: int

    def __call__(
        self, f: Tensor, start: Tensor, see: Callable[[Tensor, Sequence[float]], Result | None] = _unseen
    ) -> tuple[Tensor, Outcome]:
        """f, start: (B, 1, *grid). see: told of each iterate with the history so far; a Result ends the loop."""
        monitor = Monitor(self.mg.levels[0].A, f, radius=self.mg.problem.radius, rtol=self.rtol)
        result = Result.maximum_cycles
        # a copy: the solution must not alias the start
        for u in itertools.islice(self.stream(self.mg, f, start.clone()), self.max_cycles + 1):
            reason, stop = monitor.judge(u), see(u, monitor.residuals)
            if end := reason or stop:
                result = end
                break
        return u, Outcome(result, tuple(monitor.residuals))


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
    callback: Callback | None = None,
    progress: Progress = False,
    **options: object,
) -> Solution:
    """Solve `A u = f` until `‖f - A u‖ <= rtol ‖f‖` for each right-hand side, boundary values taken into f.

    f: (*grid), (B, *grid) or (B, 1, *grid), of the problem's dtype and device; `Solution.u` has its shape.
    method: "fmg", a full multigrid start (whose residual is the first in the history) and then cycles; "mg",
    cycles alone; "pcg", conjugate gradients preconditioned by the cycle; "auto" is "fmg", or "mg" with a u0.
    boundary: Dirichlet values, a number, a tensor (..., n1 + 2, n2 + 2) of which only the boundary is read,
    or a function of the coordinates; None is zero. u0: a start, in one of f's shapes.
    mg: a hierarchy of the same problem, to use again; else `options` go to `pde.multigrid`.
    callback: called with an `Iterate` (cycle, residual, u) at the start and after each cycle; a true value ends
    the solve, an exception passes through. progress: a bar on stderr, where that is a terminal; "always" anywhere.
    Differentiable by f and boundary, to every order, by one more solve each (not by u0: the solution does not
    depend on it); where parameters of mg require gradients, through the cycles instead, by everything.
    Raises ArgumentError for input that cannot be used; not to converge is no error but a `Solution.result`.

    >>> solution = solve(Poisson((63, 63)), torch.ones(63, 63, dtype=torch.float64))
    >>> solution.result.name, tuple(solution.u.shape)
    ('converged', (63, 63))
    """
    began = time.perf_counter()
    checks.instance("problem", problem, Poisson, "e.g. pde.Poisson((255, 255))")
    inputs.check_stopping(rtol, max_cycles)
    check_watching(callback, progress)
    checks.one_of("method", method, ["auto", *METHODS])
    if method == "auto":
        method = "fmg" if u0 is None else "mg"
    rhs = inputs.batch("f", f, problem)
    mg = inputs.hierarchy(problem, mg, options)
    start = _start(problem, rhs, boundary, u0)
    if boundary is not None:
        rhs = rhs + inputs.for_each("boundary", problem.boundary_rhs(boundary), rhs, problem)
    if callback is not None:
        checks.unmapped("f", rhs, "a callback")
    iteration = Iteration(mg, METHODS[method], rtol, max_cycles)
    watch = Watch(callback, progress, shape=f.shape, rtol=rtol, dtype=f.dtype)
    ready = time.perf_counter()
    run = partial(iteration, see=watch.see)
    with watch:
        if _trains(mg):
            checks.unmapped("f", rhs, "trained roots")
            u, outcome = run(rhs, start)
        else:
            u, outcome = Implicit.apply(rhs, start.detach(), run, iteration)
    seconds = {
        "setup": ready - began,
        "start": watch.started - ready,
        "cycles": time.perf_counter() - watch.started,
    }
    return Solution(u.reshape(f.shape), outcome.result, outcome.residuals, mg.level, method, seconds)


def _trains(mg: PoissonMultigrid) -> bool:
    """Whether gradients are to reach the hierarchy itself: only the graph of the cycles leads there."""
    return torch.is_grad_enabled() and any(x.requires_grad for x in (*mg.parameters(), *mg.buffers()))


def _start(problem: Poisson, f: Tensor, boundary: Boundary | None, u0: Tensor | None) -> Tensor:
    """u0, or the smooth lift of the boundary values: what it leaves to solve vanishes on the boundary."""
    if u0 is not None:
        return inputs.for_each("u0", u0, f, problem)
    if boundary is None:
        return torch.zeros_like(f)
    return inputs.for_each("boundary", problem.lift(boundary), f, problem)
