"""Problems: what is solved, and where. A problem knows its operator, its spectrum and its coarser self."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real
from typing import Literal, cast, final

import scipy.sparse as sp
import torch
from torch import Tensor, nn

from unified.errors import ArgumentError

from . import checks
from .boundary import Boundary, closed, coons, right_hand_side
from .operators import laplacian, laplacian_csr, laplacian_nnz, laplacian_radius


@final
@dataclass(frozen=True)
class Poisson:
    """`-Δu = f` on a box, second-order finite differences, Dirichlet values.

    shape: interior points of each axis (1 to 3 axes); the boundary is one spacing outside the first and last.
    spacing: h, or one for each axis; None is the unit box, h = 1/(n + 1). dtype: float32 or float64.
    Multigrid wants m·2^k - 1 points an axis, and spacings alike: the unit box has them for equal numbers of points.

    >>> Poisson((3, 7)).spacing
    (0.25, 0.125)
    """

    shape: Sequence[int]
    bc: Literal["dirichlet"] = "dirichlet"
    _: KW_ONLY
    spacing: float | Sequence[float] | None = None
    dtype: torch.dtype = torch.float64
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        checks.one_of("bc", self.bc, ["dirichlet"])
        if self.dtype not in (torch.float32, torch.float64):
            expected = "torch.float32 or torch.float64"
            raise ArgumentError("dtype", got=self.dtype, expected=expected, do="use torch.float64")
        shape = _shape(self.shape)
        # tuples, and torch's own word for the device: equal problems compare equal
        canonical = {"shape": shape, "spacing": _spacing(self.spacing, shape), "device": _device(self.device)}
        for name, value in canonical.items():
            object.__setattr__(self, name, value)

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def unknowns(self) -> int:
        return math.prod(self.shape)

    @property
    def nnz(self) -> int:
        """Entries of the matrix that are not zero."""
        return laplacian_nnz(self.shape)

    @property
    def h(self) -> tuple[float, ...]:
        """The spacing of each axis."""
        return cast(tuple[float, ...], self.spacing)

    @property
    def radius(self) -> float:
        """λmax, the largest eigenvalue of the operator, in closed form."""
        return laplacian_radius(self.shape, self.h)

    def operator(self) -> nn.Module:
        """A: (B, C, *grid) -> (B, C, *grid), with zero boundary values."""
        return laplacian(self.h)

    def to_scipy(self) -> sp.csr_array:
        """A as a sparse matrix in float64, the points in C order."""
        return laplacian_csr(self.shape, self.h)

    def coarsen(self) -> Poisson | None:
        """The same problem on every second point, n -> (n - 1)/2; None for an even axis or a single point."""
        if any(n % 2 == 0 or n == 1 for n in self.shape):
            return None
        return replace(self, shape=tuple(n // 2 for n in self.shape), spacing=tuple(2 * h for h in self.h))

    def zeros(self, *batch: int) -> Tensor:
        """A zero grid function: (*batch, *grid)."""
        return torch.zeros(*batch, *self.shape, dtype=self.dtype, device=self.device)

    def grid(self) -> tuple[Tensor, ...]:
        """Coordinates of the interior points, one tensor (*grid) for each axis; the box starts at 0."""
        return self._mesh([torch.arange(1, n + 1) for n in self.shape])

    def closed_grid(self) -> tuple[Tensor, ...]:
        """Coordinates of the interior and the boundary, one tensor (n1 + 2, n2 + 2) for each axis."""
        return self._mesh([torch.arange(n + 2) for n in self.shape])

    def _mesh(self, lines: list[Tensor]) -> tuple[Tensor, ...]:
        scaled = [h * i.to(self.dtype) for h, i in zip(self.h, lines, strict=True)]
        return tuple(x.to(self.device) for x in torch.meshgrid(*scaled, indexing="ij"))

    def boundary_rhs(self, g: Boundary) -> Tensor:
        """What given boundary values add to f: (..., *grid).

        g: a number, a tensor (..., n1 + 2, n2 + 2) of which only the boundary is read, or a function of the
        coordinates of the closed grid.
        """
        return right_hand_side(closed(g, self.closed_grid()), self.h)

    def lift(self, g: Boundary) -> Tensor:
        """A smooth extension of the boundary values (see `boundary_rhs`) into the interior: (..., *grid)."""
        return coons(closed(g, self.closed_grid()), self.ndim)


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    try:
        grid = tuple(operator.index(n) for n in shape)
    except TypeError:
        grid = ()
    if not 1 <= len(grid) <= 3 or min(grid) < 1:
        expected = "1 to 3 whole numbers >= 1, the interior points"
        raise ArgumentError("shape", got=repr(shape), expected=expected, do="e.g. (255, 255)")
    return grid


def _spacing(spacing: float | Sequence[float] | None, grid: tuple[int, ...]) -> tuple[float, ...]:
    if spacing is None:
        return tuple(1 / (n + 1) for n in grid)
    try:
        h = (float(spacing),) * len(grid) if isinstance(spacing, Real) else tuple(map(float, spacing))
    except (TypeError, ValueError):
        h = ()
    if len(h) != len(grid) or not all(1e-100 <= x <= 1e100 for x in h):  # 1/h² stays finite
        raise ArgumentError(
            "spacing",
            got=repr(spacing),
            expected=f"a positive number from 1e-100 to 1e100, or {len(grid)} of them, one for each axis",
            do="leave it out for the unit box",
        )
    return h


def _device(device: str | torch.device) -> torch.device:
    try:
        return torch.empty(0, device=device).device  # "cuda" becomes "cuda:0", as tensors say it
    except (RuntimeError, AssertionError, TypeError) as error:
        raise ArgumentError(
            "device", got=repr(device), expected="a device that torch can use here", do='use "cpu"'
        ) from error
