"""Algebraic multigrid, for the coarse levels of a field that jumps: the points kept follow the couplings.

One of every 2^d points is a corner of every cell, so the first coarsening represents all that a field has. The next
need not: a channel one cell wide, or random cells, may lie between the points kept, and what hangs together strongly
without one is seen neither by a coarser grid nor by a point smoother (100 iterations and more; here about 10). So the
points kept are a maximal independent set of the strong couplings (PMIS; De Sterck, Yang & Heys 2006), and the others
are interpolated from those within two of these (ext+i; De Sterck, Falgout, Nolting & Yang 2008). Set up in SciPy.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple, final

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn

from unified.multigrid import Level, State, execute, solution
from unified.program import cycle
from unified.roots import chebyshev_roots
from unified.smoother import AbstractSmoother, Scaled, TensorMap, polynomial, residual

from .coarse import inverse
from .coefficients import extremes
from .operators import Diffusion, numbers

JUMP = 100.0  # between two neighbouring cells: up to that, grids need no more than 16 iterations of PCG
STRONG = 0.25  # of a row's largest coupling
MOST = 4  # points that one is interpolated from, those of the largest weights
COARSEST = 128  # points of an operator, or fewer, are solved directly
DEGREE = 2  # of the smoother


def jumps(a: object, ndim: int) -> bool:
    """Whether a is a field (..., *cells) where neighbours differ by a factor of more than `JUMP`.

    On a single axis that is no matter: interpolation by the edges is exact.
    """
    if not isinstance(a, Tensor) or ndim == 1:
        return False
    least, most = extremes(a)
    if most <= JUMP * least:
        return False
    logs = a.detach().log()
    return any(bool((logs.diff(dim=axis).abs() > math.log(JUMP)).any()) for axis in range(-ndim, 0))


@final
class AlgebraicCycle(AbstractSmoother):
    """One symmetric V-cycle for A of a grid, or for each A of a batch, on points that are kept by their couplings.

    singular: the null space of A is the constants. f: (B, C, *grid) -> u: the same. Inside, all operators are one
    block-diagonal matrix, and vectors are (points of all, right-hand sides).
    """

    def __init__(self, A: Diffusion, *, singular: bool = False) -> None:
        super().__init__()
        like = A.like
        matrices = _matrices(A)
        self.count, matrix = len(matrices), _block_diagonal(matrices)
        owner = np.repeat(np.arange(self.count), math.prod(A.shape))
        levels = []
        while (large := np.bincount(owner, minlength=self.count) > COARSEST).any():
            strong = strong_couplings(matrix)
            kept = independent(strong) | ~large[owner]
            P = interpolation(matrix, strong, kept)
            levels.append(_level(matrix, P, like))
            matrix, owner = sp.csr_array(P.T @ (matrix @ P)), owner[kept]
        blocks = (matrix[i][:, i].toarray() for i in (np.flatnonzero(owner == k) for k in range(self.count)))
        dense = [numbers(inverse(torch.from_numpy(block)[None], singular=singular)[0]) for block in blocks]
        solve = _Product(_Sparse(_block_diagonal([sp.csr_array(x) for x in dense]), like))
        self.levels = nn.ModuleList([*levels, Level(_Sparse(matrix, like), solve=solve)])

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Points and matrix entries of each level below the first, those of one operator of a batch."""
        matrices = [level.A for level in self.levels if isinstance(level, Level)][1:]
        return [(A.shape[0] // self.count, len(A.entries) // self.count) for A in matrices]  # type: ignore[union-attr]

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        r = residual(A, u, f)
        batch = max(r.shape[0], self.count)
        size = math.prod(r.shape[2:])
        x = r.expand(batch, *r.shape[1:]).reshape(self.count, -1, size)  # one operator: all right-hand sides beside it
        x = x.transpose(1, 2).reshape(self.count * size, -1)
        states = execute(cycle("V", len(self.levels)), list(self.levels), State(None, x))  # type: ignore[arg-type]
        d = solution(states[0]).reshape(self.count, size, -1).transpose(1, 2).reshape(batch, *r.shape[1:])
        return d if u is None else u + d


@final
class _Sparse(nn.Module):
    """x (columns, k) -> matrix x (rows, k). In parts: PyTorch's sparse tensors can be neither copied nor pickled."""

    starts: Tensor
    columns: Tensor
    entries: Tensor

    def __init__(self, matrix: sp.csr_array, like: Tensor) -> None:
        super().__init__()
        self.shape = matrix.shape
        for name, x in (("starts", matrix.indptr), ("columns", matrix.indices)):
            self.register_buffer(name, torch.from_numpy(x.astype(np.int64)), persistent=False)
        self.register_buffer("entries", torch.from_numpy(matrix.data).to(like.dtype), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _Multiply.apply(x, self.starts, self.columns, self.entries, self.shape, False)
        return out


@final
class _Multiply(torch.autograd.Function):
    """`apply(x, starts, columns, entries, shape, transposed)`, with derivatives by x.

    A function of its own because torch.func's transforms know no sparse tensors: here theirs are unwrapped.
    """

    @staticmethod
    def forward(
        x: Tensor, starts: Tensor, columns: Tensor, entries: Tensor, shape: tuple[int, int], transposed: bool
    ) -> Tensor:
        with warnings.catch_warnings():  # PyTorch calls them a beta, at the first one in a process
            warnings.simplefilter("ignore", UserWarning)
            matrix = torch.sparse_csr_tensor(starts, columns, entries, size=shape, check_invariants=False)
        return (matrix.t() if transposed else matrix) @ x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, *parts, ctx.shape, ctx.transposed = inputs
        ctx.save_for_backward(*parts)
        ctx.save_for_forward(*parts)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _Multiply.apply(grad, *ctx.saved_tensors, ctx.shape, not ctx.transposed), None, None, None, None, None

    @staticmethod
    def jvp(ctx: Any, dx: Tensor, *_: None) -> Tensor:
        out: Tensor = _Multiply.apply(dx, *ctx.saved_tensors, ctx.shape, ctx.transposed)
        return out

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], x: Tensor, *matrix: Any) -> tuple[Tensor, int]:
        x = x.movedim(in_dims[0] or 0, 1)
        out: Tensor = _Multiply.apply(x.flatten(1), *matrix)
        return out.unflatten(1, x.shape[1:]), 1


@final
class _Product(AbstractSmoother):
    """u = map(f)."""

    def __init__(self, map: nn.Module) -> None:
        super().__init__()
        self.map = map

    def forward(self, A: TensorMap, u: Tensor | None, f: Tensor) -> Tensor:
        out: Tensor = self.map(f)
        return out


def _level(matrix: sp.csr_array, P: sp.csr_array, like: Tensor) -> Level:
    """With the smoother that grids have: in units of D̃ (see `Diffusion.l1_diagonal`), whose bound is 2."""
    diagonal = np.maximum(matrix.diagonal(), _row_sums(abs(matrix)) / 2)
    scale = torch.from_numpy(1 / diagonal)[:, None].to(like.dtype)
    smoother = Scaled(polynomial(chebyshev_roots(DEGREE, 2.0)), scale)
    R = sp.csr_array(P.T)
    return Level(_Sparse(matrix, like), smoother, smoother, R=_Sparse(R, like), P=_Sparse(P, like))


def _matrices(A: Diffusion) -> list[sp.csr_array]:
    """Of each operator of a batch."""
    coefficients = [*A.edges.values(), *([] if A.reaction is None else [A.reaction])]
    count = max(x.shape[0] if x.ndim > A.ndim else 1 for x in coefficients)

    def one(x: Tensor, k: int) -> Tensor:
        return x[k] if x.ndim > A.ndim and x.shape[0] > 1 else x

    return [
        Diffusion(
            A.shape,
            {direction: one(e, k) for direction, e in A.edges.items()},
            None if A.reaction is None else one(A.reaction, k),
            periodic=A.periodic,
        ).to_scipy()
        for k in range(count)
    ]


def _block_diagonal(matrices: list[sp.csr_array]) -> sp.csr_array:
    return sp.csr_array(sp.block_diag(matrices, format="csr")) if len(matrices) > 1 else matrices[0]


def _row_sums(A: sp.csr_array) -> np.ndarray:
    return np.asarray(A.sum(axis=1)).ravel()


def _rows(A: sp.csr_array) -> np.ndarray:
    """The row of each entry."""
    return np.repeat(np.arange(A.shape[0]), np.diff(A.indptr))


def _largest(A: sp.csr_array, entries: np.ndarray) -> np.ndarray:
    """Of each row's entries, all >= 0; zero for an empty row."""
    out, filled = np.zeros(A.shape[0]), np.diff(A.indptr) > 0
    if filled.any():
        out[filled] = np.maximum.reduceat(entries, A.indptr[:-1][filled])
    return out


def strong_couplings(A: sp.csr_array) -> sp.csr_array:
    """Ones at `-a_ij >= STRONG · max_k -a_ik`: (n, n)."""
    rows = _rows(A)
    coupling = np.where(rows == A.indices, 0, np.maximum(-A.data, 0))
    strong = (coupling > 0) & (coupling >= STRONG * _largest(A, coupling)[rows])
    return sp.csr_array((np.ones(strong.sum()), (rows[strong], A.indices[strong])), shape=A.shape)


def independent(strong: sp.csr_array) -> np.ndarray:
    """Which points are kept, (n,): each of the others is strongly coupled to one, and not two of a pair to each other.

    In rounds: kept are those that most others need, of all open ones around; ties are broken by chance, from a fixed
    seed. A point that nobody needs is left out, to its neighbours or to the smoother.
    """
    needed_by = np.diff(sp.csr_array(strong.T).indptr)
    both = sp.csr_array(strong + strong.T)
    weight = needed_by + np.random.default_rng(0).random(len(needed_by))
    kept, open_ = np.zeros(len(weight), dtype=bool), needed_by > 0
    while open_.any():
        left = np.where(open_, weight, 0)
        new = open_ & (left > _largest(both, left[both.indices]))
        kept |= new
        open_ &= ~new & ~(strong @ new.astype(float) > 0)
    return kept


class _Parts(NamedTuple):
    """The rows of the points left out, by columns: those left out too, and those kept."""

    out: sp.csr_array
    kept: sp.csr_array


def interpolation(A: sp.csr_array, strong: sp.csr_array, kept: np.ndarray) -> sp.csr_array:
    """Extended+i interpolation (De Sterck et al. 2008, 4.3), of at most `MOST` points: (n, kept).

    A point left out solves its own equation, in which a strong neighbour that is left out too is replaced by what it
    has around: the point itself, and the points kept that are strongly coupled to either.
    """
    inner, outer = np.flatnonzero(~kept), np.flatnonzero(kept)

    def split(M: sp.csr_array) -> _Parts:
        rows = M[inner]
        return _Parts(sp.csr_array(rows[:, inner]), sp.csr_array(rows[:, outer]))

    diagonal = A.diagonal()
    others = sp.csr_array(A - sp.diags_array(diagonal))
    negative = others.copy()
    negative.data = np.minimum(negative.data, 0)
    a, n, s = split(others), split(negative), split(strong)
    around = _pattern(s.kept + s.out @ s.kept)  # the points that each is interpolated from
    through = sp.csr_array(a.out * s.out)
    back = sp.csr_array(s.out * n.out.T)  # to the point itself
    share = sp.csr_array((s.out * (around @ n.kept.T)) + back)
    share.eliminate_zeros()
    share.data = 1 / share.data
    spread = sp.csr_array(through * share)
    weights = sp.csr_array(around * (a.kept + spread @ n.kept))
    # weak neighbours, and strong ones with nothing around, count as the point itself
    rest = _row_sums(a.out) + _row_sums(a.kept) - _row_sums(around * a.kept) - _row_sums(through * _pattern(share))
    own = diagonal[inner] + rest + _row_sums(spread * back)
    weights = sp.csr_array(sp.diags_array(np.where(own > 0, -1 / np.where(own > 0, own, 1), 0)) @ weights)
    weights = _truncated(weights)
    rows = np.concatenate([outer, inner[_rows(weights)]])
    columns = np.concatenate([np.arange(len(outer)), weights.indices])
    entries = np.concatenate([np.ones(len(outer)), weights.data])
    return sp.csr_array((entries, (rows, columns)), shape=(len(kept), len(outer)))


def _pattern(M: sp.csr_array) -> sp.csr_array:
    M = sp.csr_array(M)
    return sp.csr_array((np.ones(len(M.data)), M.indices, M.indptr), shape=M.shape)


def _truncated(W: sp.csr_array) -> sp.csr_array:
    """The `MOST` largest entries of each row, scaled so that its sum stays."""
    rows = _rows(W)
    order = np.lexsort((-abs(W.data), rows))
    rank = np.empty(len(rows), dtype=int)
    rank[order] = np.arange(len(rows)) - W.indptr[rows[order]]
    most = rank < MOST
    whole, left = (np.bincount(rows[m], W.data[m], W.shape[0]) for m in (slice(None), most))
    scale = np.divide(whole, left, out=np.ones_like(whole), where=left > 0)
    return sp.csr_array((W.data[most] * scale[rows[most]], (rows[most], W.indices[most])), shape=W.shape)
