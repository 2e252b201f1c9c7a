"""`solve`: from a problem and f to a solution. A method is a stream of iterates; one loop watches them."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal, final

import torch
from torch import Tensor

from unified.program import fmg
from unified.smoother import residual
from unified.solution import Result, Solution

from . import checks, inputs, memory
from .adjoint import Outcome, Run, implicit, tell
from .boundary import Boundary, read
from .hierarchy import PoissonMultigrid
from .kernels import quick
from .krylov import conjugate_gradients
from .linearised import newton_step
from .mixed import Mixed
from .monitor import Monitor
from .problems import Poisson
from .setup import SYMMETRIC, gradients, multigrid
from .singular import balanced, centred
from .turning import CYCLES, Step, nested, turning
from .watch import Callback, Progress, Watch, check_watching

Method = Literal["auto", "fmg", "mg", "pcg"]
Cycle = PoissonMultigrid | Mixed  # what improves a u
# cycle, f, u0 (None is zero) -> the start, then an iterate a cycle
Stream = Callable[[Cycle, Tensor, Tensor | None], Iterator[Step]]


def _cycles(mg: Cycle, f: Tensor, u: Tensor | None) -> Iterator[Step]:
    u = torch.zeros_like(f) if u is None else u.clone()  # a copy: the solution must not alias the start
    yield Step(u)
    if isinstance(mg, PoissonMultigrid) and _turns(mg, f):
        yield from turning(mg, f, u)
    while True:
        u = mg.improve(u, f)
        yield Step(u)


def _nested(mg: Cycle, f: Tensor, u: Tensor | None) -> Iterator[Step]:
    if u is not None and mg.linear:  # nested iteration begins anew, on the residual equation
        for step in _nested(mg, residual(mg.product, u, f), None):
            yield step._replace(u=u + step.u, size=None)
    elif isinstance(mg, PoissonMultigrid) and _turns(mg, f):
        yield from nested(mg, f)
    else:  # no cycle on the finest level before its residual is known
        program = fmg(len(mg.grids), cycles=CYCLES, finest=0)
        yield from itertools.islice(_cycles(mg, f, mg.with_program(program)(f)), 1, None)


def _turns(mg: PoissonMultigrid, f: Tensor) -> bool:
    return mg.turns and not (torch.is_grad_enabled() and f.requires_grad)


def _preconditioned(mg: Cycle, f: Tensor, u: Tensor | None) -> Iterator[Step]:
    u = torch.zeros_like(f) if u is None else u.clone()
    return map(Step, conjugate_gradients(mg.product, mg, f, u, flexible=not mg.symmetric))


METHODS: dict[str, Stream] = {"fmg": _nested, "mg": _cycles, "pcg": _preconditioned}


def _unseen(u: Tensor, residuals: Sequence[float]) -> None: ...


@final
@dataclass(frozen=True, eq=False)
class Iteration:
    """The loop, for any right-hand side: that of a solve and those of its derivatives."""

    cycle: Cycle
    stream: Stream
    rtol: float
    max_cycles: int

    def __call__(
        self,
        f: Tensor,
        start: Tensor | None,
        lift: Tensor | None,
        see: Callable[[Tensor, Sequence[float]], Result | None] = _unseen,
    ) -> tuple[Tensor, Outcome]:
        """f, start (None is zero), lift (see `Monitor`): (B, 1, *grid).

        see: told of each iterate with the history so far; a Result ends the loop.
        """
        A, linear = self.cycle.A, self.cycle.linear
        how = {"radius": A.bounds[0], "rtol": self.rtol, "lift": lift, "linear": linear, "measure": self.cycle.measure}
        monitor = Monitor(A, f, **how)  # type: ignore[arg-type]
        result = Result.maximum_cycles
        for u, norms, size in itertools.islice(self.stream(self.cycle, f, start), self.max_cycles + 1):
            reason, stop = monitor.judge(u, norms, size), see(u, monitor.residuals)
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
    boundary: Boundary = None,
    u0: Tensor | None = None,
    mg: PoissonMultigrid | None = None,
    precision: Literal["problem", "mixed"] = "problem",
    callback: Callback | None = None,
    progress: Progress = False,
    **options: object,
) -> Solution:
    """Solve `A u = load(f)` until `‖load - A u‖ <= rtol ‖load - A u₁‖` for each right-hand side.

    The load has the boundary data in it; u₁ is a smooth function of the boundary values (zero without), so that large
    ones do not loosen the tolerance. Where the load is zero, the tolerance is relative to the residual of the start.

    f: (*grid), (B, *grid) or (B, 1, *grid), of the problem's dtype and device; `Solution.u` has its shape (or
    (B, *grid), where one f meets B fields of coefficients).
    method: "fmg", a full multigrid start (whose residual is the first in the history) and then cycles; "mg",
    cycles alone; "pcg", conjugate gradients preconditioned by the cycle (flexible ones, where it is not symmetric);
    "auto" is "pcg" where a is a field that is not mild (see the module pde.averaging), jumps by more than a factor of
    100 or is one of one dimension, and where, at order 4, c outweighs diffusion; else "fmg", or "mg" with a u0 (of a
    nonlinear problem with boundary data, too).
    boundary: u on Dirichlet sides, the outward flux `a ∂u/∂n` on Neumann sides; None is zero. One for all sides, where
    all are of one kind: a number, a function of the coordinates, or a tensor (..., n1 + 2, n2 + 2) of which only the
    boundary is read. Else for each axis a pair (lower, upper), each a number, a function of the coordinates of that
    side, a tensor (..., n2 + 2), or None; and None for a periodic axis.
    Without a Dirichlet side and with c = 0, the sum of f and fluxes must vanish (`Solution.imbalance` tells how well;
    what is left is spread evenly), and u is the solution of mean zero.
    u0: a start, in one of f's shapes. mg: a hierarchy of the same problem, to use again, by one thread at a time (for
    "mixed" one of `pde.single(problem)`); else `options` go to `pde.multigrid`. precision: "mixed" runs the cycles in
    float32 and keeps u and its residual in float64.
    callback: called with an `Iterate` (cycle, residual, u) at the start and after each cycle; a true value ends
    the solve, an exception passes through. progress: a bar on stderr, where that is a terminal; "always" anywhere.
    Differentiable by f, a, c and boundary, to every order, by one more solve each (not by u0: the solution does not
    depend on it); a nonlinear solve to first order, and by what g depends on too; where parameters of mg require
    gradients, through the cycles instead, by them and f and boundary.
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
    checks.one_of("precision", precision, ["problem", "mixed"])
    method = _method(problem, boundary, u0) if method == "auto" else method
    inputs.check_nonlinear(problem, method, precision, u0)
    extra = checks.on_grid("f", f, tuple(problem.shape), problem.dtype, problem.device)
    memory.check(problem, math.prod(extra), str(options.get("level", "auto")))  # once, and before anything is allocated
    rhs = inputs.batch("f", f, problem)
    if boundary is not None or problem.g is not None:  # else the first residual tells, without a pass of its own
        inputs.check_finite("f", f)
    cycle = inputs.cycle(problem, precision, mg, options, symmetric=method == "pcg")
    lift = None
    if boundary is not None:
        boundary = read(boundary, problem)
        lift = inputs.for_each("boundary", problem.lift(boundary), rhs, problem)
    start = lift if u0 is None else inputs.for_each("u0", u0, rhs, problem)
    load = problem.load(rhs, boundary)
    rhs = load if boundary is None else inputs.for_each("boundary", load, rhs, problem)
    weights, imbalance = problem.weights, 0.0
    if problem.singular:
        rhs, imbalance = balanced(rhs, weights)
    if callback is not None:
        checks.unmapped("f", rhs, "a callback")
    again = Iteration(cycle, METHODS[method], rtol, max_cycles)
    shape = inputs.shape_of_solution(f, rhs)
    watch = Watch(callback, progress, shape=shape, rtol=rtol, dtype=f.dtype)
    ready = time.perf_counter()

    def see(u: Tensor, residuals: Sequence[float]) -> Result | None:
        return watch.see(centred(u, weights) if problem.singular else u, residuals)

    def run(f: Tensor, start: Tensor | None, lift: Tensor | None) -> tuple[Tensor, Outcome]:
        def see_finite(u: Tensor, residuals: Sequence[float]) -> Result | None:
            if not math.isfinite(residuals[0]):
                inputs.check_finite("f", f)
            return see(u, residuals)

        return again(f, start, lift, see_finite)

    with watch:
        u, outcome = _differentiable(problem, cycle, rhs, start, lift, run, again)
    if problem.singular:
        u = centred(u, weights)
    seconds = {
        "setup": ready - began,
        "start": watch.started - ready,
        "cycles": time.perf_counter() - watch.started,
    }
    name = "mixed" if isinstance(cycle, Mixed) else str(problem.dtype).removeprefix("torch.")
    return Solution(
        u.reshape(shape),
        outcome.result,
        outcome.residuals,
        inputs.level_of(cycle),
        method,
        seconds,
        precision=name,
        imbalance=imbalance,
    )


def _method(problem: Poisson, boundary: Boundary, u0: Tensor | None) -> Method:
    if problem.g is not None:  # its nested iteration has no use for a start, nor for a lift of the boundary values
        return "fmg" if boundary is None and u0 is None else "mg"
    if gradients(problem):
        return "pcg"
    return "fmg" if u0 is None else "mg"


def _differentiable(
    problem: Poisson, cycle: Cycle, f: Tensor, start: Tensor | None, lift: Tensor | None, run: Run, again: Iteration
) -> tuple[Tensor, Outcome]:
    """run(f, start, lift), by whichever way its derivatives come."""
    if _trains(cycle):
        checks.unmapped("f", f, "trained roots")
        return run(f, start, lift)
    if problem.g is not None:
        checks.unmapped("f", f, "a nonlinear problem")
        with torch.no_grad():
            u, outcome = run(f, start, lift)
        return newton_step(problem, u, f, partial(_by_jacobian, problem, u, again)), outcome
    fields = [x for x in (problem.a, problem.c) if isinstance(x, Tensor)]
    # built anew from the problem's own coefficients: the hierarchy's have no graph
    A = problem.operator() if fields and not quick(*fields) else None
    start, lift = (None if x is None else x.detach() for x in (start, lift))
    return implicit(f, start, lift, run, again, A)


def _by_jacobian(problem: Poisson, u: Tensor, like: Iteration, f: Tensor) -> Tensor:
    """A'(u)⁻¹ f."""
    mg = multigrid(problem.linearised(u), smoother=SYMMETRIC)
    v, outcome = replace(like, cycle=mg, stream=METHODS["pcg"])(f, None, None)
    tell("adjoint", outcome)
    return v


def _trains(cycle: Cycle) -> bool:
    """Whether gradients are to reach the hierarchy itself: only the graph of the cycles leads there."""
    return torch.is_grad_enabled() and any(x.requires_grad for x in (*cycle.parameters(), *cycle.buffers()))
