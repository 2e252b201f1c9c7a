"""The hierarchy: a problem, its coarser selves, the levels on them, and a program that runs on these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast, final

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator
from torch import Tensor

from unified.errors import ArgumentError
from unified.multigrid import AbstractLevel, AbstractMultigrid, Level, State, solution
from unified.program import Op, Program, named
from unified.smoother import TensorMap, residual

from . import checks
from .algebraic import AlgebraicCycle
from .coarsening import Grid
from .kernels.abstract import AbstractFusedLevel
from .monitor import Measure
from .nonlinear import Nonlinear
from .operators import Diffusion
from .problems import Poisson
from .turning import head

PROGRAMS = ("V", "W", "F", "fmg", "backslash")
_MIRROR = {"pre": "post", "post": "pre", "down": "up", "up": "down", "solve": "solve"}


@final
class PoissonMultigrid(AbstractMultigrid):
    """A hierarchy and a program: `mg(f)` or `mg(f, u)` runs the program once on `A u = f`.

    f, u: (B, 1, *grid), of the problem's dtype and device; without u it starts from zero. Differentiable.
    `mg.run(mg.encode(f))` gives the states of all levels. Made by `pde.multigrid`; `parts` says of what.
    """

    def __init__(
        self,
        problem: Poisson,
        grids: Sequence[Grid],
        levels: Sequence[AbstractLevel],
        program: Sequence[Op],
        *,
        parts: str,
        level: str,
        mirrored: bool,
        twin: Callable[..., PoissonMultigrid] | None = None,
    ) -> None:
        """mirrored: whether the smoothers of the way down and up are each other's adjoints.

        twin: makes a hierarchy with such smoothers, for a program, where nobody asked for those that are not.
        """
        super().__init__(levels, program)
        self.problem, self.grids = problem, tuple(grids)
        self.parts, self.level, self.mirrored, self.twin = parts, level, mirrored, twin

    @property
    def A(self) -> Diffusion | Nonlinear:
        """The operator of the finest level."""
        return cast(Level, self.levels[0]).A  # type: ignore[return-value]

    def encode(self, *inputs: Tensor) -> State:
        if len(inputs) not in (1, 2):
            raise ArgumentError("mg", got=f"{len(inputs)} inputs", expected="f, or f and u", do="use mg(f) or mg(f, u)")
        f, u = inputs if len(inputs) == 2 else (inputs[0], None)
        for name, x in zip(("f", "u"), inputs, strict=False):
            checks.instance(name, x, Tensor, "use torch.as_tensor")
        if f.shape[1:] != (1, *self.problem.shape) or (u is not None and u.shape != f.shape):
            got = " and ".join(str(tuple(x.shape)) for x in inputs)
            form = f"shape (B, 1, {', '.join(map(str, self.problem.shape))})"
            raise ArgumentError("f", got=got, expected=form, do="use pde.solve for other shapes")
        for name, x in (("f", f), ("u", f if u is None else u)):
            if x.dtype != self.problem.dtype:
                raise ArgumentError(
                    name,
                    got=x.dtype,
                    expected=f"{self.problem.dtype}, as the problem",
                    do="make a problem of that dtype",
                )
        if u is not None and self.nested:
            raise ArgumentError(
                "u", got="a start", expected="none: nested iteration begins anew", do="use improve(u, f)"
            )
        for level in self.levels:
            cast(AbstractLevel, level).release()
        if u is None and self.problem.g is not None:
            u = torch.zeros_like(f)  # None is the zero of a linear problem: A(0) = 0
        return State(u, f)

    def decode(self, states: list[State]) -> Tensor:
        return solution(states[0])

    def improve(self, u: Tensor | None, f: Tensor) -> Tensor:
        """A better u: one run. Nested iteration begins anew on the residual equation; without one, a V-cycle it is."""
        if u is None:
            return self(f)
        if not self.nested:
            return self(f, u)
        if self.linear:
            return u + self(residual(self.A, u, f))
        return self.with_program(named("V", len(self.grids)))(f, u)

    @property
    def turns(self) -> bool:
        """Whether its cycles can be run as `pde.turning` does, and gain by it."""
        return self.level == "fused" and head(self.program) is not None

    @property
    def measure(self) -> Measure | None:
        """Norms by the finest level, where it has a faster way."""
        finest = self.levels[0]
        return finest.norms if isinstance(finest, AbstractFusedLevel) else None

    @property
    def product(self) -> TensorMap:
        """A of the finest level, by its fastest way."""
        finest = self.levels[0]
        return finest.product if isinstance(finest, AbstractFusedLevel) else self.A

    @property
    def linear(self) -> bool:
        return self.problem.g is None

    @property
    def nested(self) -> bool:
        """Whether the program is a nested iteration (full multigrid)."""
        return any(op.kind == "interpolate" for op in self.program)

    @property
    def symmetric(self) -> bool:
        """Whether a run from zero is linear and symmetric, as conjugate gradients need it, if the smoothers are."""
        if not self.linear:
            return False
        mirrored = [(_MIRROR.get(op.kind), op.level) for op in reversed(self.program)]
        return self.mirrored and mirrored == list(self.program)

    def with_program(self, program: Program) -> PoissonMultigrid:
        """The same levels, run by another program."""
        levels = [level for level in self.levels if isinstance(level, AbstractLevel)]
        how = {"parts": self.parts, "level": self.level}
        return PoissonMultigrid(
            self.problem, self.grids, levels, program, mirrored=self.mirrored, twin=self.twin, **how
        )

    def aspreconditioner(self) -> LinearOperator:
        """One run from zero as a SciPy operator on flat vectors, for scipy.sparse.linalg.cg and its like.

        Symmetric, as those gradients need it, unless a smoother or a program was asked for that is not: of `twin`,
        where there is one.
        """
        if self.twin is not None:
            return self.twin(program=self.program).aspreconditioner()
        problem = self.problem
        if problem.batch > 1 or problem.g is not None:
            got = "a nonlinear problem" if problem.g else f"a batch of {problem.batch} coefficients"
            raise ArgumentError("problem", got=got, expected="one linear operator", do="make a problem for each")

        @torch.no_grad()
        def apply(x: np.ndarray) -> np.ndarray:
            if np.iscomplexobj(x):  # it is linear and real
                return apply(x.real) + 1j * apply(x.imag)
            f = torch.as_tensor(np.ascontiguousarray(x), dtype=problem.dtype, device=problem.device)
            return self(f.reshape(1, 1, *problem.shape)).reshape(-1).cpu().numpy()

        adjoint = apply if self.symmetric else None
        dtype = torch.zeros(0, dtype=problem.dtype).numpy().dtype
        return LinearOperator((problem.unknowns,) * 2, matvec=apply, rmatvec=adjoint, dtype=dtype)

    @property
    def operator_complexity(self) -> float:
        """Entries of the matrices of all levels over those of the finest."""
        return sum([*(grid.nnz for grid in self.grids), *(nnz for _, nnz in self._below)]) / self.grids[0].nnz

    @property
    def _below(self) -> list[tuple[int, int]]:
        """Points and matrix entries of the algebraic levels, if there are any."""
        solver = cast(Level, self.levels[-1]).solver
        return solver.sizes if isinstance(solver, AlgebraicCycle) else []

    @property
    def grid_complexity(self) -> float:
        """Unknowns of all levels over those of the finest."""
        unknowns = [*(grid.unknowns for grid in self.grids), *(points for points, _ in self._below)]
        return sum(unknowns) / self.problem.unknowns

    def __repr__(self) -> str:
        def row(*cells: object) -> str:
            return "{:>5}  {:>16}  {:>10}  {:>22}".format(*cells)

        def grid(values: Sequence[float]) -> str:
            return " x ".join(f"{value:.4g}" if isinstance(value, float) else str(value) for value in values)

        rows = [row(i, grid(p.shape), p.unknowns, grid(p.h)) for i, p in enumerate(self.grids)]
        below = enumerate(self._below, start=len(rows))
        rows += [row(i, "algebraic", points, "-") for i, (points, _) in below]
        head = f"PoissonMultigrid: {self.program_name}, {self.parts}, {self.level} levels"
        tail = f"grid complexity {self.grid_complexity:.3f}, operator complexity {self.operator_complexity:.3f}"
        return "\n".join([head, row("level", "grid", "unknowns", "spacing"), *rows, tail])

    @property
    def program_name(self) -> str:
        """V, W, ..., or what else it is."""
        names = (name for name in PROGRAMS if named(name, len(self.grids)) == self.program)
        return next(names, f"a program of {len(self.program)} ops")
