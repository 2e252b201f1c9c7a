"""Set-up: from a problem to its hierarchy. Spectra, roots and the coarse inverse are made here, once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from unified.errors import ArgumentError
from unified.multigrid import Level
from unified.program import Program, named
from unified.smoother import AbstractSmoother
from unified.transfer import CubicInterpolation, StencilConv, StencilTranspose, full_weighting

from . import checks
from .coarse import LIMIT, DirectSolve
from .hierarchy import PROGRAMS, PoissonMultigrid
from .problems import Poisson
from .smoothers import Factory, Smoother, describe, factory, sweeps

Programs = str | Program | Callable[[int], Program]  # a name, a program, or a function of the number of levels


def multigrid(
    problem: Poisson,
    program: Programs = "V",
    smoother: Smoother = "chebyshev4",
    degree: int = 2,
    *,
    pre: int = 1,
    post: int = 1,
    scheme: Literal["correction", "fas"] = "correction",
    level: Literal["auto", "composed", "fused"] = "auto",
    coarsest: int = 9,
) -> PoissonMultigrid:
    """Set up multigrid: full weighting, linear interpolation, the operator discretised anew on each level.

    program: "V", "W", "F", "fmg", "backslash", a program, or a function of the number of levels.
    smoother: "chebyshev4", "chebyshev1" (on [1/4, 1] λmax), "optimised4", "jacobi"; a sequence of roots
    relative to each level's λmax, real or in conjugate pairs; or a function of a level's problem.
    degree: of a named smoother's polynomial. pre, post: how often it is applied on the way down and up.
    scheme: "correction", or "fas", which carries u to the coarse levels too. level: how a level is computed.
    coarsest: coarsening ends at this many unknowns or fewer, which are solved directly.

    >>> multigrid(Poisson((15, 15)))
    PoissonMultigrid: V, correction scheme, chebyshev4 of degree 2, composed levels
    level              grid    unknowns                 spacing
        0           15 x 15         225         0.0625 x 0.0625
        1             7 x 7          49           0.125 x 0.125
        2             3 x 3           9             0.25 x 0.25
    grid complexity 1.258, operator complexity 1.235
    """
    checks.instance("problem", problem, Poisson, "e.g. pde.Poisson((255, 255))")
    checks.whole("pre", pre, least=0, usual=1)
    checks.whole("post", post, least=0, usual=1)
    checks.whole("coarsest", coarsest, least=1, usual=9)
    checks.one_of("scheme", scheme, ["correction", "fas"])
    note = "; fused levels are not available yet" if level == "fused" else ""
    checks.one_of("level", level, ["auto", "composed"], note=note)
    make = factory(smoother, degree)
    problems = _coarsened(problem, coarsest)
    levels = [_level(p, make, pre, post, scheme == "fas") for p in problems[:-1]]
    last = problems[-1]
    levels.append(Level(last.operator(), *_smoothers(make(last), pre, post), solve=DirectSolve(last)))
    parts = f"{scheme} scheme, {describe(smoother, degree)}"
    mg = PoissonMultigrid(problems, levels, program_of(program, len(levels)), parts=parts, level="composed")
    return mg.to(problem.device)


def program_of(program: Programs, n_levels: int) -> Program:
    """The program meant, for that number of levels."""
    if callable(program):
        return program(n_levels)
    if isinstance(program, tuple | list):
        return tuple(program)
    checks.one_of("program", program, PROGRAMS, note=", a sequence of ops or a function")
    return named(program, n_levels)


def _coarsened(problem: Poisson, coarsest: int) -> list[Poisson]:
    problems = [problem]
    while problems[-1].unknowns > coarsest and (coarser := problems[-1].coarsen()) is not None:
        problems.append(coarser)
    if problems[-1].unknowns > LIMIT:
        raise ArgumentError(
            "shape",
            got=f"{problem.shape}, which coarsens to {problems[-1].shape} and no further",
            expected=f"m·2^k - 1 points an axis, coarsening to {LIMIT} points in all or fewer",
            do=f"use {_nearest(problem.shape)}",
        )
    return problems


def _nearest(shape: Sequence[int]) -> tuple[int, ...]:
    """The nearest shape that coarsens far enough."""
    step = 1
    while math.prod(coarse := [max(round((n + 1) / step), 2) - 1 for n in shape]) > LIMIT:
        step *= 2
    return tuple((n + 1) * step - 1 for n in coarse)


def _smoothers(
    smoother: AbstractSmoother, pre: int, post: int
) -> tuple[AbstractSmoother | None, AbstractSmoother | None]:
    """The same object on the way down and up wherever the counts agree."""
    down = sweeps(smoother, pre)
    return down, down if post == pre else sweeps(smoother, post)


def _level(problem: Poisson, make: Factory, pre: int, post: int, fas: bool) -> Level:
    weights = full_weighting(problem.ndim)
    R = StencilConv(weights, stride=2)
    return Level(
        problem.operator(),
        *_smoothers(make(problem), pre, post),
        R=R,
        Pi=R if fas else None,  # its weights sum to 1: it averages u as it averages f
        P=StencilTranspose(weights, stride=2, scale=2.0**problem.ndim),
        interpolation=CubicInterpolation(problem.ndim),
    )
