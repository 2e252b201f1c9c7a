"""The discrete operator of every level: a sum over pairs of neighbours.

    (A u)_i = Σ_j e_ij (u_i - u_j) + c_i u_i

Symmetric, and exact on constants: where nothing but the edges e acts, they are the null space. A 5-point or 7-point
stencil has edges along the axes; a compact or a Galerkin operator along the diagonals too. Stored are the edges of
each direction once, so half a stencil; one number serves where all are equal.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Mapping, Sequence
from types import EllipsisType
from typing import TYPE_CHECKING, final

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unified.errors import ArgumentError

from .kernels import quick

if TYPE_CHECKING:
    from .kernels.assembly import Survey

Direction = tuple[int, ...]  # to a neighbour: -1, 0 or 1 an axis, the first other than 0 positive
Window = tuple[EllipsisType | slice, ...]
Edges = Mapping[Direction, Tensor]


def directions(ndim: int) -> list[Direction]:
    """Half of the 3^d - 1 neighbours: from each pair of opposite ones that with a positive first step.

    >>> directions(2)
    [(0, 1), (1, -1), (1, 0), (1, 1)]
    """
    return [d for d in itertools.product((-1, 0, 1), repeat=ndim) if d > (0,) * ndim]


@final
class Diffusion(nn.Module):
    """`A u = -∇·(a ∇u) + c u`, discretised: (B, C, *grid) -> (B, C, *grid), zero beyond the grid or periodic.

    edges: for each direction a tensor that broadcasts to (B, C, *pairs), where an axis of n points has n pairs for
    step 0 and n + 1 for step 1 or -1: pair k joins points k - 1 and k, where -1 and n are the zeros beyond (or the
    other end, whose pairs 0 and n are one). An edge to a Neumann side is zero. reaction: c, broadcasting to
    (B, C, *grid); None is zero. periodic: for each axis. finer: the operator that this one is a coarse one of.
    """

    reaction: Tensor | None

    def __init__(
        self,
        shape: Sequence[int],
        edges: Edges,
        reaction: Tensor | None = None,
        *,
        periodic: Sequence[bool],
        finer: Diffusion | None = None,
    ) -> None:
        super().__init__()
        self._of_large = finer is not None and finer.is_large
        self._single: tuple[Sequence[Tensor | None], Tensor] | None = None  # a diagonal of one number, and its parts
        self.shape, self.periodic, self.directions = tuple(shape), tuple(periodic), tuple(edges)
        self._names = {direction: _name(direction) for direction in edges}
        for direction, e in edges.items():
            self.register_buffer(self._names[direction], e, persistent=False)
        self.register_buffer("reaction", reaction, persistent=False)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def edges(self) -> dict[Direction, Tensor]:
        return {direction: getattr(self, name) for direction, name in self._names.items()}

    @property
    def like(self) -> Tensor:
        """One of its edges: what dtype and device they have."""
        e: Tensor = getattr(self, self._names[self.directions[0]])
        return e

    @property
    def is_large(self) -> bool:
        """Whether kernels do what is done to its edges: where they are many, or were on a finer grid."""
        parts = [*self.edges.values(), *(() if self.reaction is None else (self.reaction,))]
        return quick(*parts, least=0 if self._of_large else None)

    def forward(self, u: Tensor) -> Tensor:
        return self.closed(self.extend(u), u)

    def extend(self, u: Tensor) -> Tensor:
        """With one more point on every side, zero or the other end's: (..., *grid) -> (..., *(grid + 2))."""
        for axis, periodic in enumerate(reversed(self.periodic)):
            pad = [0, 0] * axis + [1, 1]
            if periodic:
                n, at = u.shape[-1 - axis], -1 - axis
                u = torch.cat([u.narrow(at, n - 1, 1), u, u.narrow(at, 0, 1)], at)
            else:
                u = F.pad(u, pad)
        return u

    def closed(self, u: Tensor, inside: Tensor | None = None) -> Tensor:
        """A of a grid function with one more point on every side, at the grid: (..., *(grid + 2)) -> (..., *grid)."""
        inside = u[self._window((1,) * self.ndim)] if inside is None else inside
        out: Tensor | None = None if self.reaction is None else self.reaction * inside
        for direction, e in self.edges.items():
            flux = (u[self._ends(direction, 1)] - u[self._ends(direction, -1)]) * e
            d = flux[self._pairs(direction, 0)] - flux[self._pairs(direction, 1)]
            out = d if out is None else out + d
        assert out is not None
        return out

    def edge_gradients(self, u: Tensor, v: Tensor) -> dict[Direction, Tensor]:
        """∂(vᵀ A u)/∂e of each direction, not yet summed over what e is shared by."""
        u, v = self.extend(u), self.extend(v)
        out = {}
        for direction in self.directions:
            tail, head = self._ends(direction, -1), self._ends(direction, 1)
            product = (u[head] - u[tail]) * (v[head] - v[tail])
            for axis, (step, n, periodic) in enumerate(zip(direction, self.shape, self.periodic, strict=True)):
                if step and periodic:  # pairs 0 and n are one, which counts once
                    dim = axis - self.ndim
                    once = product.narrow(dim, 0, n)
                    product = torch.cat([once, torch.zeros_like(product.narrow(dim, n, 1))], dim)
            out[direction] = product
        return out

    def _window(self, start: Sequence[int], extra: Sequence[int] | None = None) -> Window:
        extra = extra or (0,) * self.ndim
        slices = (slice(s, s + n + x) for s, n, x in zip(start, self.shape, extra, strict=True))
        return (..., *slices)

    def _ends(self, direction: Direction, end: int) -> Window:
        """Where pairs begin (-1) or end (1), in the extended grid."""
        start = [1 if step == 0 else int(step == end) for step in direction]
        return self._window(start, [abs(step) for step in direction])

    def _pairs(self, direction: Direction, end: int) -> Window:
        """The pairs that end (0) or begin (1) at each point."""
        return self._window([0 if step == 0 else end if step == 1 else 1 - end for step in direction])

    def at_points(self, e: Tensor, direction: Direction, end: int) -> Tensor:
        """Of a tensor over pairs, those that end (0) or begin (1) at each point; an axis of one number stays so."""
        for axis, (step, n) in enumerate(zip(direction, self.shape, strict=True), start=-self.ndim):
            if step and e.ndim >= -axis and e.shape[axis] == n + 1:
                e = e.narrow(axis, end if step == 1 else 1 - end, n)
        return e

    def _row_sums(self, values: Mapping[Direction, Tensor], start: Tensor | None) -> Tensor:
        out = torch.zeros((1,) * self.ndim) if start is None else start
        for direction, e in values.items():
            if all(
                n == 1 and periodic
                for n, periodic, step in zip(self.shape, self.periodic, direction, strict=True)
                if step
            ):
                continue  # a point that is its own neighbour
            for end in (0, 1):
                out = out.to(e) + self.at_points(e, direction, end)
        return out

    @property
    def diagonal(self) -> Tensor:
        """A_ii: broadcasts to (B, C, *grid), an axis along which it is one number having size 1."""
        parts = (*self.edges.values(), self.reaction)
        if self._single is None or any(x is not y for x, y in zip(parts, self._single[0], strict=True)):
            diagonal = self._row_sums(self.edges, self.reaction)
            if diagonal.numel() > 1 or diagonal.requires_grad:
                return diagonal
            self._single = parts, diagonal
        return self._single[1]

    @property
    def l1_diagonal(self) -> Tensor:
        """D̃ >= D, row by row, such that Gershgorin bounds λmax(D̃⁻¹A) by 2: what smoothers take their steps in units of.

        D itself where no edge is negative. A Galerkin operator has some that are, in a few rows, and one bound of
        D⁻¹A for all would shorten the steps everywhere (Baker, Falgout, Kolev & Yang 2011, l1 smoothers; theirs is
        twice this). Broadcasts as `diagonal`.
        """
        diagonal = self.diagonal
        return diagonal if self._uniform or self.survey else torch.maximum(diagonal, (diagonal + self._others) / 2)

    @property
    def _uniform(self) -> bool:
        """Whether the stencil is one for all points. A single point may lie between unequal gaps."""
        reaction = self.reaction is None or self.reaction.numel() == 1
        return reaction and all(e.numel() == 1 for e in self.edges.values())

    @property
    def _others(self) -> Tensor:
        """Σ_j |a_ij|, j ≠ i, and edges to zeros beyond the grid."""
        return self._row_sums({d: e.abs() for d, e in self.edges.items()}, None)

    @functools.cached_property
    def survey(self) -> Survey | None:
        """What bounds tell, in one pass; None where a kernel does not find it, or found a negative edge."""
        along_axes = all(sum(map(abs, direction)) == 1 for direction in self.directions)
        if self.ndim == 1 or not along_axes or not self.is_large:
            return None
        from .kernels import assembly

        found = assembly.survey(self)
        return found if found.least_edge >= 0 and found.least_diagonal > 0 else None

    @property
    def is_positive(self) -> bool:
        """Whether the diagonal is."""
        return self.survey is not None or bool((self.diagonal > 0).all())

    @property
    def bounds(self) -> tuple[float, float]:
        """Upper bounds of λmax of A and of D̃⁻¹A; the eigenvalue itself where the stencil is one for all points.

        Else Gershgorin's: the largest sum of a row's absolute values.
        """
        if (survey := self.survey) is not None:
            return survey.radius, survey.relative
        diagonal = self.diagonal
        if self._uniform and float(diagonal) > 0:
            largest = float(self.eigenvalues(np.ix_(*map(_end_cosines, self.shape, self.periodic))).max())
            return largest, largest / float(diagonal)
        rows = diagonal + self._others
        return float(rows.max()), float((rows / self.l1_diagonal).max())

    @property
    def nnz(self) -> int:
        """Entries of the matrix, where no edge is zero."""
        lines = list(zip(self.shape, self.periodic, strict=True))
        pairs = (
            math.prod(n - (step != 0 and not periodic) for step, (n, periodic) in zip(direction, lines, strict=True))
            for direction in self.directions
        )
        return math.prod(self.shape) + 2 * sum(pairs)

    @property
    def radius(self) -> float:
        """λmax of A, or a bound."""
        return self.bounds[0]

    def eigenvalues(self, cosines: Sequence[np.ndarray | float]) -> np.ndarray:
        """Of a stencil that is one for all points: λ, from the cosine of each axis's phase a point (they broadcast).

        Eigenvectors are products of sines of θ = πj / (n + 1) on a Dirichlet axis, waves of θ = 2πj / n on a periodic
        one. λ is linear in each cosine, so largest and smallest where all cosines are.
        """
        out = np.asarray(0.0 if self.reaction is None else float(self.reaction))
        for direction, e in self.edges.items():
            product = math.prod(x for x, step in zip(cosines, direction, strict=True) if step)
            out = out + 2 * float(e) * (1 - product)
        return out

    @property
    def stencil(self) -> Tensor:
        """The one stencil of all points, shape (3,) * ndim, float64."""
        if self.diagonal.numel() != 1:
            raise ArgumentError(
                "problem",
                got="a stencil that varies",
                expected="constant coefficients and Dirichlet or periodic sides",
                do="use problem.to_scipy() for the matrix",
            )
        out = torch.zeros((3,) * self.ndim, dtype=torch.float64)
        out[(1,) * self.ndim] = float(self.diagonal)
        for direction, e in self.edges.items():
            for sign in (1, -1):
                out[tuple(1 + sign * step for step in direction)] = -float(e)
        return out

    def dense(self) -> Tensor:
        """A as matrices (B, N, N), one for each of a batch of coefficients."""
        like, size = self.like, math.prod(self.shape)
        basis = torch.eye(size, dtype=like.dtype, device=like.device).reshape(size, *self.shape)
        out: Tensor = self(basis)
        return out.reshape(-1, size, size)

    def to_scipy(self) -> sp.csr_array:
        """A as a sparse matrix in float64, the points in C order; of unbatched edges."""
        size = math.prod(self.shape)
        # -1 for a zero beyond the grid
        number = np.pad(np.arange(size).reshape(self.shape), 1, constant_values=-1)
        for axis, periodic in enumerate(self.periodic):
            if periodic:
                line = np.moveaxis(number, axis, 0)
                line[0], line[-1] = line[-2], line[1]
        points = np.arange(size)
        rows, columns, entries = [points], [points], [np.zeros(size)]
        if self.reaction is not None:
            entries[0] = entries[0] + self._numpy(self.reaction, self.shape).ravel()
        for direction, e in self.edges.items():
            tail, head = number[self._ends(direction, -1)], number[self._ends(direction, 1)]
            weight = self._numpy(e, tail.shape)
            for end, (i, j) in enumerate([(tail, head), (head, tail)]):
                # the pairs 0 and n of a periodic axis are one: each row takes those that begin and end at its points
                at = self._pairs(direction, 1 - end)
                i, j, w = (x[at].ravel() for x in (i, j, weight))
                rows += [i, i[j >= 0]]
                columns += [i, j[j >= 0]]
                entries += [w, -w[j >= 0]]
        matrix = sp.coo_array((np.concatenate(entries), (np.concatenate(rows), np.concatenate(columns))))
        out = sp.csr_array(matrix.tocsr())
        out.eliminate_zeros()
        return out

    @staticmethod
    def _numpy(x: Tensor, shape: Sequence[int]) -> np.ndarray:
        return np.broadcast_to(numbers(x).reshape(x.shape[-len(shape) :]), shape)


def numbers(x: Tensor) -> np.ndarray:
    """In float64 and without derivatives, even inside torch.func.grad or jvp, where tensors have no storage."""
    x = x.detach().double().cpu()
    try:
        return np.asarray(x.numpy())
    except RuntimeError:
        return np.array(x.tolist())


def _end_cosines(n: int, periodic: bool) -> list[float]:
    """The smallest and the largest of an axis of n points."""
    if periodic:
        return [math.cos(2 * math.pi * (n // 2) / n), 1.0]
    return [-math.cos(math.pi / (n + 1)), math.cos(math.pi / (n + 1))]


def _name(direction: Direction) -> str:
    return "e" + "".join("-0+"[step + 1] for step in direction)
