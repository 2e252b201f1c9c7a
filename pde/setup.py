"""Set-up: from a problem to its hierarchy. Spectra, roots and the coarse inverse are made here, once."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal, cast, final

import torch
from torch import Tensor, nn

from unified.errors import ArgumentError
from unified.multigrid import AbstractLevel, Level
from unified.program import Program, named
from unified.smoother import AbstractSmoother

from . import averaging, checks, memory
from .algebraic import COARSEST, AlgebraicCycle, jumps
from .coarse import DirectSolve
from .coarsening import Grid, coarsen
from .coefficients import check_pointwise, check_unspoilt
from .hierarchy import PROGRAMS, PoissonMultigrid
from .kernels import fused, wanted
from .nonlinear import NewtonSolve, Nonlinear, newton
from .operators import Diffusion
from .polynomials import plain
from .problems import Poisson
from .smoothers import GAUSS_SEIDEL, SPLIT, Factory, Pair, Smoother, describe, factory, is_function, names

SYMMETRIC = "chebyshev4"  # what a symmetric cycle smooths with where nothing is said
Programs = str | Program | Callable[[int], Program]  # a name, a program, or a function of the number of levels


def multigrid(
    problem: Poisson,
    program: Programs = "V",
    smoother: Smoother | None = None,
    degree: int = 2,
    *,
    pre: int = 1,
    post: int = 1,
    scheme: Literal["auto", "correction", "fas"] = "auto",
    level: Literal["auto", "composed", "fused"] = "auto",
    coarsest: int | None = None,
    coarsening: Literal["auto", "strong", "full"] = "auto",
) -> PoissonMultigrid:
    """Set up multigrid: a hierarchy of grids, coarsened along the axes of strong coupling, and a program on it.

    program: "V", "W", "F", "fmg", "backslash", a program, or a function of the number of levels.
    smoother: "split" (one Chebyshev polynomial, half of its roots on the way down, the others on the way up);
    "chebyshev4", "chebyshev1" (on [1/4, 1] λmax), "optimised4", "jacobi", "redblack" (Gauss-Seidel); a sequence of
    roots relative to each level's λmax of D⁻¹A, real or in conjugate pairs; a function of its operator; or a sequence
    of these, one a level from the finest, the last for all coarser ones (`pde.learn` makes one). None is "split", and
    "chebyshev4", whose cycle is symmetric, for problems that conjugate gradients solve (see `gradients`).
    degree: of a named smoother's polynomial, or its sweeps. pre, post: how often it is applied on the way down and up.
    scheme: "correction", or "fas", which carries u to the coarse levels too; "auto" is "fas" for a nonlinear problem.
    level: how a level is computed: "composed" of torch functions, with autograd; "fused" in one pass over memory, by
    compiled kernels, where they exist; "auto" is fused from `pde.kernels.LEAST` points on.
    coarsest: coarsening ends at this many unknowns or fewer, which are solved directly; None is 9, 64 below fused
    levels, where an inverse takes less time than another level, or 128 for a nonlinear problem, whose coarse grids must
    resolve g'(u).
    coarsening: "strong", of the axes of strong coupling; "full", of all of them; "auto", the first, but with averaged
    coefficients where a field is mild (see the module pde.averaging), and of one that jumps by more than a factor of
    100 between cells only once, and then by couplings instead of grids.

    >>> multigrid(Poisson((15, 15)))
    PoissonMultigrid: V, correction scheme, split of degree 2, composed levels
    level              grid    unknowns                 spacing
        0           15 x 15         225         0.0625 x 0.0625
        1             7 x 7          49           0.125 x 0.125
        2             3 x 3           9             0.25 x 0.25
    grid complexity 1.258, operator complexity 1.235
    """
    checks.instance("problem", problem, Poisson, "e.g. pde.Poisson((255, 255))")
    memory.check(problem, level=level)
    check_unspoilt(problem.a, problem.c)
    problem = problem.snapshot()  # fields that are changed in place make another problem
    checks.whole("pre", pre, least=0, usual=1)
    checks.whole("post", post, least=0, usual=1)
    checks.one_of("level", level, ["auto", "composed", "fused"])
    if coarsest is None:
        coarsest = 128 if problem.g is not None else 64 if wanted(problem, level) else 9
    checks.whole("coarsest", coarsest, least=1, usual=9)
    checks.one_of("coarsening", coarsening, ["auto", "strong", "full"])
    checks.one_of("scheme", scheme, ["auto", "correction", "fas"])
    if problem.g is not None and scheme == "correction":
        do = 'use scheme="auto"'
        raise ArgumentError("scheme", got='"correction", for a nonlinear problem', expected='"fas"', do=do)
    scheme = ("correction" if problem.g is None else "fas") if scheme == "auto" else scheme
    twin = None
    if smoother is None and gradients(problem):
        smoother = SYMMETRIC
    elif smoother is None:
        how = {"pre": pre, "post": post, "scheme": scheme, "level": level}
        how |= {"coarsest": coarsest, "coarsening": coarsening}
        smoother, twin = SPLIT, functools.partial(multigrid, problem, smoother=SYMMETRIC, degree=degree, **how)
    newtons = problem.g is not None and not is_function(smoother)  # a given smoother is taken as it is
    make = factory(smoother, degree, pre, post, relative=newtons)
    if problem.g is not None:
        check_pointwise(problem.g, problem.ndim, problem.dtype, problem.device)
    algebraic = coarsening == "auto" and problem.g is None and jumps(problem.a, problem.ndim)
    averages = coarsening == "auto" and problem.g is None and problem.ndim > 1
    grids = _coarsened(problem, coarsest, coarsening == "full", averages, algebraic)
    algebraic = algebraic and grids[-1].unknowns > max(coarsest, COARSEST)
    levels: list[AbstractLevel] = _levels(problem, grids, make, scheme == "fas", newtons, algebraic)
    parts = f"{scheme} scheme, {describe(smoother, degree)}" + (", algebraic below" if algebraic else "")
    symmetric = pre == post and not {GAUSS_SEIDEL, SPLIT} & set(names(smoother))
    if level != "composed":
        levels = fused(problem, grids, levels, level == "fused")
    for grid, one in zip(grids, levels, strict=True):
        if isinstance(one, Level):  # what a fused level asks for late, if ever
            one.pre_smoother, one.post_smoother = plain(one.pre_smoother), plain(one.post_smoother)
            if grid.transfers is not None:
                grid.transfers.connect(one)
    name = "composed" if isinstance(levels[0], Level) else "fused"
    mg = PoissonMultigrid(
        problem, grids, levels, program_of(program, len(levels)), parts=parts, level=name, mirrored=symmetric, twin=twin
    )
    # what is made of numbers alone begins on the CPU
    return mg if torch.device(problem.device).type == "cpu" else mg.to(problem.device)


def gradients(problem: Poisson) -> bool:
    """Whether conjugate gradients are to solve it, around the cycle: where a is a field that is not mild.

    Or where, at order 4, c outweighs diffusion over a spacing: the compact stencil is then hard to smooth.
    """
    if problem.g is not None:
        return False
    if isinstance(problem.a, Tensor):
        return not averaging.averages(problem.a, problem.ndim)
    a, c = cast(tuple[float, ...], problem.a), problem.c
    return problem.order == 4 and cast(float, c) > min(x / h**2 for x, h in zip(a, problem.h, strict=True))


def program_of(program: Programs, n_levels: int) -> Program:
    """The program meant, for that number of levels."""
    if callable(program):
        return program(n_levels)
    if isinstance(program, tuple | list):
        return tuple(program)
    checks.one_of("program", program, PROGRAMS, note=", a sequence of ops or a function")
    return named(program, n_levels)


@torch.no_grad()
def _coarsened(problem: Poisson, coarsest: int, full: bool, averages: bool, algebraic: bool) -> list[Grid]:
    """The grids, finest first; algebraic: to where the rest is `AlgebraicCycle`'s."""
    a = None if isinstance(problem.a, Tensor) else cast(tuple[float, ...], problem.a)
    c = None if isinstance(problem.c, Tensor) else cast(float, problem.c)
    grids = [Grid(problem.axes, problem.operator())]
    # edges are means of cells: they vary no more, but where a periodic axis closes
    mild = isinstance(problem.a, Tensor) and averages and not any(axis.periodic for axis in problem.axes)
    mild = mild and averaging.averages(cast(Tensor, problem.a), problem.ndim)
    how = {"order": problem.order, "full": full, "averages": averages}
    while grids[-1].unknowns > coarsest and (step := coarsen(grids[-1], a, c, **how, mild=mild and len(grids) == 1)):
        transfers, grid = step
        finer = grids[-2].transfers if len(grids) > 1 and problem.g is None else None
        if finer is not None and finer.chosen == transfers.chosen:
            finer.beyond = transfers
        grids[-1:] = grids[-1]._replace(transfers=transfers), grid
        if algebraic and grid.unknowns > COARSEST:
            break
    return grids


def _levels(
    problem: Poisson,
    grids: Sequence[Grid],
    make: Factory,
    fas: bool,
    newtons: bool,
    algebraic: bool,
) -> list[Level]:
    """Without their ways to each other, which not all need: see `Transfers.connect`."""
    levels: list[Level] = []
    # of each level, for what is not linear: restricting u and g(u)
    volumes = problem.weights[None, None] if fas or problem.g is not None else None
    for grid in grids:
        # the one point of a singular problem has a zero for its matrix: nothing to smooth
        pair = make(grid.A, len(levels)) if grid.A.is_positive else Pair(None, None)
        A: Diffusion | Nonlinear = grid.A
        if problem.g is not None:
            A = Nonlinear(grid.A, problem.g, volumes)
            pair = newton(pair, A) if newtons else pair
        Pi, solve = None, None
        if grid.transfers is None:
            solve = _solver(A, problem.singular, algebraic)
        elif volumes is not None:
            R = grid.transfers.restriction
            coarser = R(volumes)
            Pi, volumes = Averaging(R, volumes, 1 / coarser) if fas else None, coarser
        levels.append(Level(A, *pair, Pi=Pi, solve=solve))
    return levels


def _solver(A: Diffusion | Nonlinear, singular: bool, algebraic: bool) -> AbstractSmoother:
    if isinstance(A, Nonlinear):
        return NewtonSolve(A)
    return AlgebraicCycle(A, singular=singular) if algebraic else DirectSolve(A, singular=singular)


@final
class Averaging(nn.Module):
    """The restriction of u: the mean over each coarse control volume, `R(w u) / (R w)`.

    Injection instead can diverge in the full approximation scheme.
    """

    fine: Tensor
    coarse: Tensor

    def __init__(self, restriction: nn.Module, fine: Tensor, coarse: Tensor) -> None:
        super().__init__()
        self.restriction = restriction
        self.register_buffer("fine", fine, persistent=False)
        self.register_buffer("coarse", coarse, persistent=False)

    def forward(self, u: Tensor) -> Tensor:
        return self.coarse * self.restriction(self.fine * u)
