"""What speed.py solves, and how it judges a solution: by arithmetic of its own, not by `pde`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

import pde

FREQUENCIES = (1, 2, 1)


@dataclass(frozen=True, eq=False)
class Case:
    """`-∇·(a ∇u) = f` on the unit box, u = 0 on its boundary.

    load: "smooth", f = -Δu of u = Π sin(k π x) exp(x), k = 1, 2, 1; or "random", uniform numbers.
    field: a = 10^(sin(2πx) sin(2πy) / 2) at the centres of cells, which varies by a factor of 10; else 1.
    """

    shape: Sequence[int]
    load: str = "smooth"
    field: bool = False
    device: str = "cpu"
    seed: int = 0

    def problem(self) -> pde.Poisson:
        """A new one, with nothing set up."""
        a = 1.0 if self.a is None else self.a
        return pde.Poisson(self.shape, a=a, device=self.device)

    @cached_property
    def a(self) -> Tensor | None:
        if not self.field:
            return None
        waves = [np.sin(2 * np.pi * (np.arange(n + 1) + 0.5) / (n + 1)) for n in self.shape]
        return torch.from_numpy(10 ** (_product(waves) / 2)).to(self.device)

    @cached_property
    def f(self) -> Tensor:
        if self.load == "random":
            f = np.random.default_rng(self.seed).random(self.shape)
        else:
            f = np.zeros(self.shape)
            for axis in range(len(self.shape)):
                f -= _product([_wave(n, k)[i == axis] for i, (n, k) in self._waves()])
        return torch.from_numpy(f).to(self.device)

    def exact(self) -> Tensor:
        """u, whose -Δu is the smooth f."""
        return torch.from_numpy(_product([_wave(n, k)[0] for _, (n, k) in self._waves()])).to(self.device)

    def _waves(self) -> list[tuple[int, tuple[int, int]]]:
        """Axis, points and frequency."""
        return list(enumerate(zip(self.shape, FREQUENCIES[: len(self.shape)], strict=True)))

    @cached_property
    def matrix(self) -> sp.csr_matrix:
        """As peers like it: indices of 32 bits."""
        A = self.problem().to_scipy().tocsr()
        return sp.csr_matrix((A.data, A.indices.astype(np.int32), A.indptr.astype(np.int32)), shape=A.shape)

    def smaller(self) -> Case:
        """The same on few points, to warm up with: enough for `pde.kernels.LEAST`."""
        few = {1: 255, 2: 400, 3: 52}[len(self.shape)]
        return Case([min(n, few) for n in self.shape], self.load, self.field, self.device, self.seed)

    def residual(self, u: Tensor) -> float:
        """‖f - A u‖ / ‖f‖ in the Euclidean norm, a difference at a time."""
        r, walled = self.f.clone(), torch.nn.functional.pad(u, [1] * 2 * u.ndim)
        for axis, n in enumerate(self.shape):
            middle = [slice(1, -1)] * u.ndim
            middle[axis] = slice(None)
            flux = walled[tuple(middle)].diff(dim=axis)  # times h, from each point to the next
            if self.a is not None:
                flux *= _faces(self.a, axis)
            r += flux.diff(dim=axis).mul_((n + 1) ** 2)
        return float(r.norm() / self.f.norm())


def rms(x: Tensor) -> float:
    return float(x.norm()) / math.sqrt(x.numel())


def _wave(n: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """sin(k π x) exp(x) at the points within, and its second derivative."""
    x = np.arange(1, n + 1) / (n + 1)
    sin, cos, w = np.sin(k * np.pi * x), np.cos(k * np.pi * x), k * np.pi
    return sin * np.exp(x), ((1 - w**2) * sin + 2 * w * cos) * np.exp(x)


def _product(factors: Sequence[np.ndarray]) -> np.ndarray:
    """Their outer product."""
    out = np.ones(())
    for x in factors:
        out = out[..., None] * x
    return out


def _faces(a: Tensor, axis: int) -> Tensor:
    """From cells to the faces across an axis: the mean over the other axes' neighbours."""
    for other in range(a.ndim):
        if other != axis:
            a = (a.narrow(other, 0, a.shape[other] - 1) + a.narrow(other, 1, a.shape[other] - 1)) / 2
    return a
