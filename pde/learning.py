"""Learned smoothers: the roots of each level, trained through the cycles for a family of problems.

The trained numbers are the coefficients of the very `Factor`s that every polynomial smoother is made of. The loss is
the logarithm of the energy norm that some cycles leave of random errors, a cycle: for many cycles that of the
asymptotic factor, for few a mean over all errors, smooth in the roots. First one set of roots serves all levels, by
few cycles and then by more; then each level has its own; then these are refined on the slow part of the errors. L-BFGS
with a line search takes the steps.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import cast, final

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.roots import chebyshev_roots
from unified.smoother import AbstractSmoother, Relaxation, Scaled, polynomial

from . import checks
from .hierarchy import PoissonMultigrid
from .learned import Learned, Roots, mean
from .operators import Diffusion
from .polynomials import roots_of
from .problems import Poisson
from .setup import multigrid
from .singular import centred
from .smoothers import ROOTS, Smoother, is_by_level

LOWER_ENDS = (0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25, 0.3)
Start = str | Sequence[complex] | Sequence[Sequence[complex]]


def learn(
    problems: Poisson | Sequence[Poisson],
    program: str = "V",
    degree: int = 2,
    *,
    start: Start = "chebyshev4",
    levels: int = 3,
    cycles: int = 16,
    samples: int = 4,
    steps: int = 20,
    seed: int = 0,
    validation: Poisson | Sequence[Poisson] | None = None,
    **options: object,
) -> Learned:
    """Train the roots of the smoothers, for a family of linear problems and what is like them: other sizes, other f.

    problems: one or several; a batch of coefficient fields counts as several. program, degree, options: as in
    `pde.multigrid`. start: a name, roots, or roots of each level (a `Learned`, to go on with it; then degree is its).
    levels: that have roots of their own; the last serves all coarser ones. cycles: that the loss goes through at last.
    samples: random errors for each problem (one for each field of a batch). steps: of L-BFGS in each of four stages.
    validation: problems on which the asymptotic factors decide, after each stage, what is kept: the best so far, be it
    the start or a classical choice (`chebyshev4`, or `chebyshev1` on the best of some intervals), which what comes back
    is never worse than there. None takes the training problems with other errors.
    Deterministic by seed.

    >>> learned = learn(Poisson((7, 7)), cycles=4, samples=1, steps=3)
    >>> learned.after <= learned.before
    True
    """
    began = time.perf_counter()
    family = _problems("problems", problems)
    chosen_by = family if validation is None else _problems("validation", validation)
    counts = {"levels": (levels, 3), "cycles": (cycles, 16), "samples": (samples, 4), "steps": (steps, 20)}
    for name, (value, usual) in counts.items():
        checks.whole(name, value, least=1, usual=usual)
    checks.whole("seed", seed, least=0, usual=0)
    if "smoother" in options:
        raise ArgumentError("smoother", got="one", expected="none: it is learned", do="use start=")
    generator = torch.Generator().manual_seed(seed)
    errors = [_random(problem, samples, generator) for problem in family]
    others = [_random(problem, samples, generator) for problem in chosen_by]

    def judged(roots: Sequence[Roots]) -> tuple[float, ...]:
        mgs = [multigrid(problem, program, roots, **options) for problem in chosen_by]  # type: ignore[arg-type]
        return tuple(asymptotic_factor(mg, u) for mg, u in zip(mgs, others, strict=True))

    roots: Sequence[Roots] = _start(start, degree)
    own = len(roots)
    tried = [(one, judged(one)) for one in (roots, *_classical(len(roots[0])))]
    best, before = min(tried, key=lambda one: mean(one[1]))
    after, losses = before, list[float]()
    plan = [(own, cycles // 2 or 1, 0), (own, cycles, 0), (max(levels, own), cycles, 0), (max(levels, own), cycles, 2)]
    for count, through, age in plan:
        roots = best if age else roots
        training = Training(roots, count)
        mgs = [multigrid(problem, program, training.smoothers, **options) for problem in family]  # type: ignore[arg-type]
        if min(len(mg.levels) for mg in mgs) < 2:
            do = "use larger grids, or coarsest=1"
            raise ArgumentError("problems", got="a grid that is solved directly", expected="two levels or more", do=do)
        slow = [aged(mg, u, age * cycles) for mg, u in zip(mgs, errors, strict=True)]
        roots = training.run(mgs, slow, through, steps)
        losses += training.losses
        factors = judged(roots)
        if mean(factors) < mean(after):  # false for NaN
            best, after = roots, factors
    return Learned(tuple(best), before, after, tuple(losses), time.perf_counter() - began)


@final
class Training:
    """Trainable polynomials for `count` levels, begun at the given roots, and their way to better ones."""

    def __init__(self, roots: Sequence[Roots], count: int) -> None:
        given = [np.asarray(roots[min(i, len(roots) - 1)]) for i in range(count)]
        # in float64, also where the problems are float32: a number without axes promotes nothing
        self.polynomials = [polynomial(level, trainable=True).double() for level in given]
        self.best, self.lowest, self.losses = list(roots), math.inf, list[float]()

    @property
    def smoothers(self) -> Smoother:
        """For `pde.multigrid`: the same factors in every hierarchy that is made with them."""
        return [self._on(p) for p in self.polynomials]

    @staticmethod
    def _on(relaxation: Relaxation) -> Callable[[Diffusion], AbstractSmoother]:
        def learning(A: Diffusion) -> AbstractSmoother:
            return Scaled(relaxation, 1 / (A.bounds[1] * A.l1_diagonal))

        return learning

    @property
    def parameters(self) -> list[Tensor]:
        return [c for relaxation in self.polynomials for c in relaxation.parameters()]

    @torch.enable_grad()
    def run(
        self, mgs: Sequence[PoissonMultigrid], errors: Sequence[Tensor], cycles: int, steps: int
    ) -> Sequence[Roots]:
        """The roots of the lowest loss: the mean logarithm of the reduction a cycle."""
        optimiser = torch.optim.LBFGS(
            self.parameters, max_iter=steps, max_eval=2 * steps, history_size=20, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            optimiser.zero_grad()
            logs = [torch.stack(list(reductions(mg, u, cycles))).mean() for mg, u in zip(mgs, errors, strict=True)]
            loss = torch.stack([x.double() for x in logs]).mean()
            if not torch.isfinite(loss):
                raise _NotFiniteError
            loss.backward()
            self._keep(float(loss.detach()))
            return loss

        with contextlib.suppress(_NotFiniteError):  # a step went too far: what was best before it counts
            optimiser.step(closure)
        return self.best

    def _keep(self, loss: float) -> None:
        self.losses.append(math.exp(loss))
        roots = [_plain(roots_of(relaxation)) for relaxation in self.polynomials]
        # a root below zero amplifies every error: no smoother
        if loss < self.lowest and all(z.real > 0 for level in roots for z in level):
            self.lowest, self.best = loss, roots


@final
class _NotFiniteError(Exception):
    """The loss is NaN or infinite."""


def reductions(mg: PoissonMultigrid, u: Tensor, cycles: int) -> Iterator[Tensor]:
    """The logarithm of the energy norm `√(uᵀ A u)` that each cycle leaves of an error, (B,); u: (B, 1, *grid)."""
    A, f, problem = mg.A, torch.zeros_like(u), mg.problem
    u = _unit(A, u)[0]
    for _ in range(cycles):
        u = mg.improve(u, f)
        u = centred(u, problem.weights) if problem.singular else u  # constants are no error there
        u, size = _unit(A, u)  # so that no number of cycles leaves the range
        yield size.log()


@torch.no_grad()
def aged(mg: PoissonMultigrid, u: Tensor, cycles: int) -> Tensor:
    """What so many cycles leave of an error, at length 1: the slow part of it."""
    problem = mg.problem
    for _ in range(cycles):
        u = _unit(mg.A, mg.improve(u, torch.zeros_like(u)))[0]
        u = centred(u, problem.weights) if problem.singular else u
    return u


def _unit(A: torch.nn.Module, u: Tensor) -> tuple[Tensor, Tensor]:
    size = (u * A(u)).flatten(1).sum(1).clamp(min=torch.finfo(u.dtype).tiny).sqrt()
    return u / size.reshape(-1, *[1] * (u.ndim - 1)), size


@torch.no_grad()
def asymptotic_factor(mg: PoissonMultigrid, u: Tensor | None = None, *, cycles: int = 40, last: int = 5) -> float:
    """What a cycle leaves of an error at last: the mean of the last of many reductions, the slowest error's.

    u: errors to begin with, (B, 1, *grid); None is one from the global generator (one for each field of a batch).
    """
    u = _random(mg.problem, 1, None) if u is None else u
    logs = list(reductions(mg, u, cycles))[-last:]
    return float(torch.stack(logs).mean(0).max().exp())


def _random(problem: Poisson, samples: int, generator: torch.Generator | None) -> Tensor:
    batch = problem.batch if problem.batch > 1 else samples
    u = torch.randn(batch, 1, *problem.shape, generator=generator, dtype=torch.float64)
    return u.to(problem.device, problem.dtype)


def _plain(roots: np.ndarray) -> Roots:
    """In increasing order; real ones as floats."""
    return tuple(float(z.real) if z.imag == 0 else complex(z) for z in np.sort_complex(roots))


def _problems(name: str, given: object) -> list[Poisson]:
    family = [given] if isinstance(given, Poisson) else list(given) if isinstance(given, list | tuple) else []
    if not family or not all(isinstance(problem, Poisson) for problem in family):
        got = type(given).__name__ if not isinstance(given, list | tuple) else repr(given)[:60]
        raise ArgumentError(name, got=got, expected="a Poisson, or a list of them", do="e.g. pde.Poisson((63, 63))")
    if any(problem.g is not None for problem in family):
        do = "train on problem.linearised(u): the roots serve the nonlinear problem too"
        raise ArgumentError(name, got="a nonlinear problem", expected="linear ones", do=do)
    return family


def _classical(degree: int) -> list[list[Roots]]:
    """What learned roots are compared with: of the fourth kind, and of the first on several intervals."""
    first = [chebyshev_roots(degree, 1.0, lo, kind=1) for lo in LOWER_ENDS]
    return [[_plain(roots.astype(complex))] for roots in (chebyshev_roots(degree, 1.0), *first)]


def _start(start: Start, degree: int) -> list[Roots]:
    checks.whole("degree", degree, least=1, usual=2)
    if isinstance(start, str):
        checks.one_of("start", start, ROOTS, note=", roots, or roots of each level")
        return [_plain(np.asarray(ROOTS[start](2.0, degree), dtype=complex) / 2)]  # λmax of D⁻¹A is near 2
    given = cast(Sequence[Sequence[complex]], start if is_by_level(start) else [start])
    try:
        # in the order and the pairs that a polynomial takes; of its degree
        return [_plain(roots_of(polynomial(np.asarray(level, dtype=complex)))) for level in given]
    except (TypeError, ValueError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError("start", got=repr(start), expected="a name or roots", do='use "chebyshev4"') from error
