"""Conjugate gradients with the cycle as preconditioner, many right-hand sides at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from unified.smoother import TensorMap, residual


def conjugate_gradients(A: TensorMap, M: TensorMap, f: Tensor, u: Tensor) -> Iterator[Tensor]:
    """The iterates of preconditioned CG (Hestenes & Stiefel 1952) for symmetric positive definite A and M.

    f, u: (B, C, *grid); each right-hand side has its own scalars. The first item is u itself; it never ends.
    """
    r = residual(A, u, f)
    z = M(r)
    p, rz = z, _dot(r, z)
    while True:
        yield u
        q = A(p)
        alpha = _over(rz, _dot(p, q))
        u = u + alpha * p
        r = r - alpha * q
        z = M(r)
        old, rz = rz, _dot(r, z)
        p = z + _over(rz, old) * p


def _dot(x: Tensor, y: Tensor) -> Tensor:
    return (x * y).flatten(1).sum(1).reshape(-1, *[1] * (x.ndim - 1))


def _over(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and a where b = 0: that right-hand side is solved, a is 0 too."""
    return a / torch.where(b == 0, 1, b)
