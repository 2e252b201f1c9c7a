"""Problems: what is solved, and where."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import Literal, cast, final

import scipy.sparse as sp
import torch
from torch import Tensor

from unified.errors import ArgumentError

from . import checks, coefficients, compact
from .axes import Axis, Side
from .boundary import Boundary, Data, coons
from .boundary import read as read_boundary
from .coefficients import Diffusivity, Pointwise, Reaction, derivative
from .discretise import constant_edges, field_edges, volumes
from .geometry import intervals, read_device, read_shape, read_sides, read_spacing
from .operators import Diffusion

Sides = str | Sequence[str | Sequence[str]]


@final
@dataclass(frozen=True, eq=False)
class Poisson:
    """`-∇·(a ∇u) + c u + g(u) = f` on a box, in 1 to 3 dimensions.

    shape: points of each axis, 3 or more: the unknowns. A Dirichlet side is one spacing beyond the last of them, a
    Neumann side goes through it, a periodic axis leaves out its upper end.
    bc: "dirichlet", "neumann" or "periodic"; or one for each axis; or for an axis a pair, its lower and upper side.
    a > 0: a number, one for each axis, a tensor (*cells) or (B, *cells) with one number a cell between points (see
    `cells`), or a function of the coordinates of their centres.
    c >= 0: a number, a tensor (*grid) or (B, *grid), or a function of the coordinates. A batch of coefficients needs
    as many right-hand sides, or one for all.
    g: a function of u, number by number, such as `lambda u: u**3`; None is zero. The problem is then nonlinear.
    order: 2, the 5- or 7-point stencil; 4, the compact 9- or 19-point stencil, for constant coefficients.
    spacing: h, or one for each axis; None is the unit box. dtype: float32 or float64.

    >>> Poisson((3, 7)).spacing
    (0.25, 0.125)
    >>> Poisson((3, 4, 5), bc=["periodic", ("dirichlet", "neumann"), "neumann"]).spacing
    (0.3333333333333333, 0.25, 0.25)
    """

    shape: Sequence[int]
    bc: Sides = "dirichlet"
    _: KW_ONLY
    a: Diffusivity = 1.0
    c: Reaction = 0.0
    g: Pointwise | None = None
    order: Literal[2, 4] = 2
    spacing: float | Sequence[float] | None = None
    dtype: torch.dtype = torch.float64
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        if self.dtype not in (torch.float32, torch.float64):
            expected = "torch.float32 or torch.float64"
            raise ArgumentError("dtype", got=self.dtype, expected=expected, do="use torch.float64")
        if self.order not in (2, 4):
            raise ArgumentError("order", got=repr(self.order), expected="2 or 4", do="use order=2")
        # tuples, tensors, and torch's own word for the device: equal problems compare equal
        self._set("shape", read_shape(self.shape))
        self._set("bc", read_sides(self.bc, self.ndim))
        self._set("device", read_device(self.device))
        self._set("spacing", read_spacing(self.spacing, self.shape, self.sides))
        self._set("a", coefficients.diffusivity(self.a, self.cells, self.cell_centres, self.dtype, self._torch_device))
        self._set("c", coefficients.reaction(self.c, self.shape, self.grid, self.dtype, self._torch_device))
        coefficients.same_batch(self.a, self.c, self.ndim)
        anchored = any("dirichlet" in pair for pair in self.sides) or self.g is not None
        coefficients.resolved(self.a, self.c, self.h, self.dtype, anchored)
        if self.g is not None and not callable(self.g):
            raise ArgumentError("g", got=repr(self.g), expected="a function of u, or None", do="e.g. lambda u: u**3")
        if self.order == 4 and (self.g or isinstance(self.a, Tensor) or isinstance(self.c, Tensor)):
            raise ArgumentError(
                "order", got="4 with a field for a or c, or with g", expected="2, or constant a and c", do="use order=2"
            )

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Poisson):
            return NotImplemented
        return all(same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    def __hash__(self) -> int:
        return hash((self.shape, self.bc, self.spacing, self.dtype))

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def unknowns(self) -> int:
        return math.prod(self.shape)

    @property
    def sides(self) -> tuple[tuple[Side, Side], ...]:
        """The lower and upper side of each axis."""
        return cast(tuple[tuple[Side, Side], ...], self.bc)

    @property
    def h(self) -> tuple[float, ...]:
        """The spacing of each axis."""
        return cast(tuple[float, ...], self.spacing)

    @property
    def _torch_device(self) -> torch.device:
        return cast(torch.device, self.device)

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The points of each axis, with their gaps and widths."""
        return tuple(Axis.uniform(n, h, s) for n, h, s in zip(self.shape, self.h, self.sides, strict=True))

    @property
    def cells(self) -> tuple[int, ...]:
        """Cells of each axis, between points or a point and a Dirichlet side: n + 1, n (periodic, mixed) or n - 1."""
        return tuple(intervals(n, s) for n, s in zip(self.shape, self.sides, strict=True))

    @property
    def batch(self) -> int:
        """How many coefficient fields there are; 1 where they are not batched."""
        sizes = (x.shape[0] for x in (self.a, self.c) if isinstance(x, Tensor) and x.ndim > self.ndim)
        return max(sizes, default=1)

    @property
    def singular(self) -> bool:
        """Whether constants are solutions for f = 0: no Dirichlet side, c = 0, no g."""
        c = self.c if self.g is None else 1.0
        free = bool((c == 0).all()) if isinstance(c, Tensor) else c == 0
        return free and not any("dirichlet" in pair for pair in self.sides)

    @property
    def weights(self) -> Tensor:
        """The part of an inner control volume that each point has, (*grid): 1, halved for each Neumann side."""
        return volumes(self.axes).to(self.device, self.dtype).expand(self.shape)

    def operator(self) -> Diffusion:
        """A: (B, C, *grid) -> (B, C, *grid), with zero boundary data. `A u = load(f)`; with g, its linear part.

        A nonlinear problem is `A u + weights g(u) = load(f)`.
        """
        edges: dict[tuple[int, ...], Tensor]
        if self.order == 4:
            edges, reaction = compact.edges(self.axes, cast(tuple[float, ...], self.a), cast(float, self.c))
        else:
            edges, reaction = self._edges(), self._reaction()
        A = Diffusion(self.shape, edges, reaction, periodic=[axis.periodic for axis in self.axes])
        return A.to(self.device, self.dtype)

    def _edges(self) -> dict[tuple[int, ...], Tensor]:
        if isinstance(self.a, Tensor):
            return field_edges(self.axes, _channel(self.a, self.ndim))
        return constant_edges(self.axes, cast(tuple[float, ...], self.a))

    def _reaction(self) -> Tensor | None:
        if isinstance(self.c, Tensor):
            return _channel(self.c, self.ndim) * volumes(self.axes).to(self.c)
        return None if self.c == 0 else cast(float, self.c) * volumes(self.axes)

    @property
    def radius(self) -> float:
        """λmax of A: the eigenvalue where one stencil serves all points beside Dirichlet sides, else a bound."""
        return self.operator().radius

    @property
    def nnz(self) -> int:
        """Entries of the matrix."""
        return self.operator().nnz

    def snapshot(self) -> Poisson:
        """The same problem with copies of its fields: what is done to the originals does not reach it."""
        copied = copy.copy(self)
        for name in ("a", "c"):
            if isinstance(x := getattr(self, name), Tensor):
                copied._set(name, coefficients.copied(x))
        return copied

    def linearised(self, u: Tensor) -> Poisson:
        """The linear problem at u (B, 1, *grid): c + g'(u) for c, which may be negative, and no g."""
        assert self.g is not None
        slope = derivative(self.g, u.detach())[:, 0]
        c = self.c.detach() if isinstance(self.c, Tensor) else self.c
        linear = copy.copy(self)
        linear._set("g", None)
        linear._set("c", slope[0] + c if len(slope) == 1 else slope + c)
        if isinstance(self.a, Tensor):
            linear._set("a", self.a.detach())
        return linear

    def to_scipy(self) -> sp.csr_array:
        """A as a sparse matrix in float64, symmetric, the points in C order: `A u = load(f)`."""
        if self.batch > 1:
            got = f"a batch of {self.batch} coefficients"
            raise ArgumentError("problem", got=got, expected="one matrix", do="make a problem for each")
        return self.operator().to_scipy()

    def load(self, f: Tensor, boundary: Boundary | Data = None) -> Tensor:
        """The right-hand side of the discrete system, from f at the points, in one of `pde.solve`'s shapes: the same.

        f times `weights`, and what the boundary data add (see `pde.solve`); order 4 averages f over neighbours.
        """
        checks.on_grid("f", f, tuple(self.shape), self.dtype, self.device)
        data = read_boundary(boundary, self)
        x = f.reshape(-1, 1, *self.shape)
        load = self._compact_load(x, data) if self.order == 4 else self._load(x, data)
        return load.reshape(f.shape) if load.numel() == f.numel() else load[:, 0]

    def _load(self, f: Tensor, data: Data) -> Tensor:
        parts = volumes(self.axes)
        load = f if bool((parts == 1).all()) else f * parts.to(f)
        if data.values is not None:
            load = load - self.operator().closed(data.values)
        axes = self.axes
        for (axis, end), flux in data.fluxes.items():
            at = axis - self.ndim
            inner = flux[(..., *[slice(1, -1)] * (self.ndim - 1))].unsqueeze(at)
            faces = volumes(axes, without=axis).to(inner) / axes[axis].unit
            line = (inner * faces).expand(*inner.shape[: -self.ndim], *_face(self.shape, axis))
            n = self.shape[axis]
            load = load + _padded(line, at, end * (n - 1), n)
        return load

    def _compact_load(self, f: Tensor, data: Data) -> Tensor:
        return compact.load(self.axes, cast(tuple[float, ...], self.a), cast(float, self.c), f, data.faces(self.ndim))

    def lift(self, boundary: Boundary | Data) -> Tensor:
        """A smooth extension of the Dirichlet values into the interior: (*grid), or (B, *grid) for a batch of them."""
        values = read_boundary(boundary, self).values
        if values is None:
            return self.zeros()
        lift = coons(values, self.sides)[:, 0]
        return lift[0] if len(lift) == 1 else lift

    def zeros(self, *batch: int) -> Tensor:
        """A zero grid function: (*batch, *grid)."""
        return torch.zeros(*batch, *self.shape, dtype=self.dtype, device=self.device)

    def grid(self) -> tuple[Tensor, ...]:
        """Coordinates of the points, one tensor (*grid) for each axis; the box starts at 0."""
        return self._mesh([first + torch.arange(n) for first, n in zip(self._first, self.shape, strict=True)])

    def closed_grid(self) -> tuple[Tensor, ...]:
        """Coordinates of the points and of one more on every side, one tensor (n1 + 2, n2 + 2) for each axis.

        The one more lies on the side; on a Neumann side it doubles the last point.
        """
        lines = []
        for first, n, (low, high) in zip(self._first, self.shape, self.sides, strict=True):
            last = first + n - 1
            ends = [first - (low != "neumann"), last + (high != "neumann")]
            lines.append(torch.cat([torch.tensor(ends[:1]), first + torch.arange(n), torch.tensor(ends[1:])]))
        return self._mesh(lines)

    def cell_centres(self) -> tuple[Tensor, ...]:
        """Coordinates of the centres of the cells, one tensor (*cells) for each axis."""
        return self._mesh([torch.arange(n) + 0.5 for n in self.cells])

    @property
    def _first(self) -> tuple[int, ...]:
        """The distance of the first point from the lower side, in spacings."""
        return tuple(int(low == "dirichlet") for low, _ in self.sides)

    def _mesh(self, lines: list[Tensor]) -> tuple[Tensor, ...]:
        scaled = [h * i.double() for h, i in zip(self.h, lines, strict=True)]
        return tuple(x.to(self.device, self.dtype) for x in torch.meshgrid(*scaled, indexing="ij"))


def _channel(x: Tensor, ndim: int) -> Tensor:
    """A field (*grid) as it is, a batch (B, *grid) as (B, 1, *grid)."""
    return x if x.ndim == ndim else x.unsqueeze(1)


def _face(shape: Sequence[int], axis: int) -> tuple[int, ...]:
    return tuple(1 if i == axis else n for i, n in enumerate(shape))


def _padded(x: Tensor, dim: int, start: int, n: int) -> Tensor:
    """x, of size 1 along dim, at `start` of n zeros."""
    before, after = (x.new_zeros(()).expand(*x.shape[:dim], k, *x.shape[dim:][1:]) for k in (start, n - 1 - start))
    return torch.cat([before, x, after], dim)


def same(x: object, y: object) -> bool:
    if isinstance(x, Tensor) and isinstance(y, Tensor):
        return x is y or (x.shape == y.shape and x.device == y.device and torch.equal(x, y))
    return type(x) is type(y) and x == y
