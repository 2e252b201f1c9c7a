"""Conjugate gradients with the cycle as preconditioner, many right-hand sides at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unified.smoother import TensorMap, residual


def conjugate_gradients(
    A: TensorMap, M: TensorMap, f: Tensor, u: Tensor, *, flexible: bool = False
) -> Iterator[Tensor]:
    """The iterates of preconditioned CG (Hestenes & Stiefel 1952) for symmetric positive definite A and M.

    f, u: (B, C, *grid); each right-hand side has its own scalars. The first item is u itself; it never ends.
    flexible: for an M that is not symmetric, or not quite one map: each direction is made conjugate to the one before
    by its own products (Notay 2000, truncated to one direction).
    """
    r = residual(A, u, f)
    size = r.detach().abs().flatten(1).amax(1).reshape(-1, *[1] * (r.ndim - 1))
    size = torch.where(size == 0, 1, size)  # r, z, p and q are in this unit, so that no scalar product leaves the range
    r = r / size
    p = q = torch.zeros_like(r)
    rz = pq = torch.ones_like(size)
    while True:
        yield u  # before the preconditioner: who stops here has not paid for the next step
        z = M(r)
        old, rz = rz, _dot(r, z)
        p = z - _over(_dot(z, q), pq) * p if flexible else z + _over(rz, old) * p
        q = A(p)
        pq = _dot(p, q)
        alpha = _over(_dot(p, r) if flexible else rz, pq)
        u = u + size * (alpha * p)
        r = r - alpha * q


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).flatten(1).sum(1).reshape(-1, *[1] * (x.ndim - 1))


def _over(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and a where b = 0: that right-hand side is solved, a is 0 too."""
    return a / torch.where(b == 0, 1, b)
