"""Manufactured solutions: u is chosen, autograd makes f, the fluxes and the boundary values; `pde.solve` is to find u.

The box is the unit one, u without any symmetry (periodic where the axis is), all boundary data inhomogeneous. Roache,
"Code verification by the method of manufactured solutions", J. Fluids Eng. 124 (2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

import pde
from unified.solution import Solution

SIDES = {"D": "dirichlet", "N": "neumann", "P": "periodic"}
A = (0.7, 1.9, 1.2)  # a of each axis
JUMP = (1.0, 20.0)  # a before and after x = 1/2


def smooth(*x: Tensor) -> Tensor:
    """A field, 0.5 to 2.1, periodic along each axis."""
    phase = torch.stack([2 * math.pi * p for p in x]).sum(0)
    return torch.exp(0.4 * torch.sin(phase + 1) + 0.3 * torch.cos(2 * math.pi * x[0]))


def level(*x: Tensor) -> Tensor:
    """The same, 0.6 to 1.7, with no slope across the sides of the box."""
    return torch.exp(0.5 * torch.stack([torch.cos(2 * math.pi * p) for p in x]).prod(0))


@dataclass(frozen=True)
class Coefficients:
    """a: a number, one an axis, a function, or None for the jump; c, g: as of `pde.Poisson`."""

    a: float | Sequence[float] | Callable[..., Tensor] | None = 1.0
    c: float | Callable[..., Tensor] = 0.0
    g: Callable[[Tensor], Tensor] | None = None


COEFFICIENTS = {
    "a = 1": Coefficients(),
    "a of each axis": Coefficients(a=A),
    "c = 3": Coefficients(c=3.0),
    "field c": Coefficients(c=lambda *x: 3 * smooth(*reversed(x))),
    "field a": Coefficients(a=smooth),
    "field a, level at sides": Coefficients(a=level),
    "jump of a": Coefficients(a=None),
    "g = u³": Coefficients(g=lambda u: u**3),
    "fields a, c and g = u³": Coefficients(a=smooth, c=smooth, g=lambda u: u**3),
}
CONSTANT = ("a = 1", "a of each axis", "c = 3")  # those order 4 is for


@dataclass(frozen=True)
class Case:
    """sides: of each axis, "DN" being Dirichlet at its lower and Neumann at its upper end; a name of COEFFICIENTS."""

    sides: str
    coefficients: str = "a = 1"
    order: int = 2

    @property
    def axes(self) -> list[str]:
        return self.sides.split("-")

    @property
    def ndim(self) -> int:
        return len(self.axes)

    def problem(self, intervals: int) -> pde.Poisson:
        """Spacing 1/intervals along the first axis, 4/3 of it along the others."""
        each = [intervals if i == 0 else intervals * 3 // 4 for i in range(self.ndim)]
        return self.on(
            [m if axis == "PP" else m - 1 + axis.count("N") for m, axis in zip(each, self.axes, strict=True)]
        )

    def on(self, shape: Sequence[int]) -> pde.Poisson:
        """The problem on so many points of each axis."""
        given = COEFFICIENTS[self.coefficients]
        a = partial(_jump, self) if given.a is None else given.a
        a = a[: self.ndim] if isinstance(a, tuple) else a
        bc = [(SIDES[low], SIDES[high]) for low, high in self.axes]
        return pde.Poisson(shape, bc, a=a, c=given.c, g=given.g, order=self.order)

    @property
    def logarithmic(self) -> bool:
        """Whether the largest error is O(h² log 1/h): a has a slope where two Neumann sides with fluxes meet.

        The control volume there takes a from the middle of a cell, which is as good as a source of size h² where the
        sides meet, (∂a/∂x ∂u/∂y + ∂a/∂y ∂u/∂x) h²/4. Green's function has a logarithm there.
        """
        slopes = COEFFICIENTS[self.coefficients].a is smooth
        return slopes and sum("N" in axis for axis in self.axes) > 1


def _jump(case: Case, *x: Tensor, side: int = 1) -> Tensor:
    return _stretched(case, x[0], side)[0]


def _stretched(case: Case, x: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The a that jumps, and `ξ = ∫ dx/a`: U(ξ, y, z) has the continuous flux U_ξ. side: which a counts at the jump."""
    at = x.detach() + side * 1e-9
    turns = torch.floor(at) if case.axes[0] == "PP" else torch.zeros_like(at)  # a jumps at 0 too
    after = at - turns > 0.5
    low, high = JUMP
    xi = torch.where(after, 0.5 / low + (x - turns - 0.5) / high, (x - turns) / low)
    return torch.where(after, high, low).to(x), xi


def _shape_of(case: Case, x: Sequence[Tensor]) -> Tensor:
    """u, of the coordinates."""
    s = [torch.sin(2 * math.pi * p + 0.4) / 2 if axis == "PP" else p for p, axis in zip(x, case.axes, strict=True)]
    s += [torch.zeros_like(s[0])] * (3 - len(s))
    return torch.exp(torch.sin(1 + s[0]) + s[1] / 2 - 0.3 * s[2]) * torch.cos(2 * s[0] - s[1] + 0.7 * s[2] + 0.3)


def _at(case: Case, points: Sequence[Tensor], side: int) -> tuple[Tensor, list[Tensor], Tensor]:
    given, x = COEFFICIENTS[case.coefficients], [p.clone().requires_grad_() for p in points]
    if given.a is None:
        field_a, xi = _stretched(case, x[0], side)
        period = 0.5 / JUMP[0] + 0.5 / JUMP[1]
        u = _shape_of(case, [xi / period, *x[1:]])
        a: Sequence[Tensor | float] = [field_a] * case.ndim
    else:
        u = _shape_of(case, x)
        a = [given.a(*x)] * case.ndim if callable(given.a) else given.a if isinstance(given.a, tuple) else [given.a] * 3
    gradient = torch.autograd.grad(u.sum(), x, create_graph=True)
    fluxes = [ai * d for ai, d in zip(a, gradient, strict=False)]
    f = -sum(torch.autograd.grad(q.sum(), p, retain_graph=True)[0] for q, p in zip(fluxes, x, strict=True))
    f = f + (given.c(*x) if callable(given.c) else given.c) * u + (given.g(u) if given.g else 0)
    return u.detach(), [q.detach() for q in fluxes], f.detach()


def manufactured(case: Case, points: Sequence[Tensor]) -> tuple[Tensor, list[Tensor], Tensor]:
    """u, the fluxes `a ∂u/∂x_i`, and f: all at the points. At a jump of a those that jump too are the mean."""
    if COEFFICIENTS[case.coefficients].a is not None:
        return _at(case, points, 1)
    (u, flux, f), (_, other, f2) = _at(case, points, 1), _at(case, points, -1)
    return u, [(x + y) / 2 for x, y in zip(flux, other, strict=True)], (f + f2) / 2


def boundary(case: Case) -> list[tuple[Callable[..., Tensor], ...] | None]:
    """u on Dirichlet sides, the outward flux on Neumann sides."""

    def value(axis: int, end: int) -> Callable[..., Tensor]:
        if case.axes[axis][end] == "D":
            return lambda *x: manufactured(case, x)[0]
        return lambda *x: (1 if end else -1) * manufactured(case, x)[1][axis]

    return [None if kind == "PP" else (value(i, 0), value(i, 1)) for i, kind in enumerate(case.axes)]


class Error(NamedTuple):
    """Of a u: the largest, and the root of the mean square over the box."""

    max: float
    rms: float


def error(problem: pde.Poisson, u: Tensor, exact: Tensor) -> Error:
    """u - exact, less its mean where u is determined up to a constant alone."""
    e, volumes = u - exact, problem.weights * math.prod(problem.h)
    e = e - (e * volumes).sum() if problem.singular else e
    return Error(float(e.abs().max()), float((e.square() * volumes).sum().sqrt()))


def solve(case: Case, problem: pde.Poisson, **options: object) -> tuple[Error, Solution, Tensor]:
    """Error, solution, and the u that is meant: of `pde.solve` on the case's problem."""
    exact, _, f = manufactured(case, problem.grid())
    solution = pde.solve(problem, f, boundary=boundary(case), **options)
    return error(problem, solution.u, exact), solution, exact


def errors(case: Case, intervals: int) -> Error:
    """Of `pde.solve`, to a residual that leaves the discretisation error alone."""
    e, solution, _ = solve(case, case.problem(intervals), rtol=1e-9 if case.order == 2 else 1e-11, max_cycles=100)
    assert solution.result.ok, f"{case}: {solution}"
    return e


def orders(coarse: Error, fine: Error) -> Error:
    """Of both, by a refinement by two."""
    return Error(math.log2(coarse.max / fine.max), math.log2(coarse.rms / fine.rms))
