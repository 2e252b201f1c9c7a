"""Given boundary data: they enter the right-hand side, or a smooth lift carries them into the interior.

A closed grid has shape (n1 + 2, n2 + 2): the points and one more on every side. On a Dirichlet side those hold u; a
Neumann side has its flux `a ∂u/∂n`, outward, on a face of the closed grid: (n2 + 2,) for a side of axis 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from unified.errors import ArgumentError

from . import checks
from .axes import Side

if TYPE_CHECKING:
    from .problems import Poisson

Value = float | Tensor | Callable[..., Tensor] | None  # a number, a tensor, or a function of the coordinates
Boundary = Value | Sequence[Sequence[Value] | None]  # for all sides, or for each axis its (lower, upper)
Face = tuple[int, int]  # axis, and 0 for its lower or 1 for its upper side


@final
@dataclass(frozen=True)
class Data:
    """values: (B, 1, *closed), u on Dirichlet sides and zero elsewhere; fluxes: (B, 1, *face) of Neumann sides."""

    values: Tensor | None
    fluxes: Mapping[Face, Tensor]
    sides: Sequence[tuple[Side, Side]]

    def faces(self, ndim: int) -> dict[Face, Tensor]:
        """Of all sides: u on Dirichlet ones, the flux on Neumann ones: (B, 1, *face)."""
        faces = dict(self.fluxes)
        if self.values is not None:
            for axis, end in faces_of(self.sides, "dirichlet"):
                faces[axis, end] = self.values.select(axis - ndim, -end)
        return faces


def faces_of(sides: Sequence[tuple[Side, Side]], kind: Side) -> list[Face]:
    return [(axis, end) for axis, pair in enumerate(sides) for end in (0, 1) if pair[end] == kind]


def read(boundary: Boundary | Data, problem: Poisson) -> Data:
    """The data of each side, checked."""
    if isinstance(boundary, Data):
        return boundary
    sides, ndim = problem.sides, problem.ndim
    if isinstance(boundary, list | tuple):
        given = _each(boundary, problem)
    elif boundary is None:
        given = {}
    else:
        kinds = {side for pair in sides for side in pair} - {"periodic"}
        if len(kinds) != 1:
            got = "one value for all sides" if kinds else "values, and periodic sides alone"
            form = ", ".join(["(lower, upper)"] * ndim)
            raise ArgumentError("boundary", got=got, expected="one for each side", do=f"give ({form}), None for zero")
        faces = faces_of(sides, kinds.pop())
        closed = _tensor(boundary, problem.closed_grid(), faces)
        given = {(axis, end): closed.select(axis - ndim, -end) for axis, end in faces}
    fluxes = {face: given[face] for face in faces_of(sides, "neumann") if face in given}
    dirichlet = {face: given[face] for face in faces_of(sides, "dirichlet") if face in given}
    return Data(_closed(dirichlet, problem), fluxes, sides)


def _each(boundary: Sequence[Sequence[Value] | None], problem: Poisson) -> dict[Face, Tensor]:
    ndim, out = problem.ndim, {}
    pairs = [(None, None) if pair is None else pair for pair in boundary]
    if len(pairs) != ndim or not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        expected = f"{ndim} pairs (lower, upper), one for each axis"
        do = "use [(lower, upper)]" if ndim == 1 else "use None for zero"
        got = ", ".join(type(pair).__name__ for pair in boundary)  # and no numbers: there may be many
        raise ArgumentError("boundary", got=f"{len(pairs)} entries ({got})", expected=expected, do=do)
    for axis, pair in enumerate(pairs):
        for end, value in enumerate(pair):
            if value is None:
                continue
            if problem.sides[axis][end] == "periodic":
                do = "give None for that axis"
                raise ArgumentError("boundary", got=f"data of the periodic axis {axis}", expected="none", do=do)
            coordinates = [x.select(axis, -end) for x in problem.closed_grid()]
            out[axis, end] = _tensor(value, coordinates, None)
    return out


def _tensor(value: Value, coordinates: Sequence[Tensor], faces: Sequence[Face] | None) -> Tensor:
    """A value as a tensor (B, 1, *shape of the coordinates); faces: those read of a closed grid, None is all."""
    like, shape = coordinates[0], tuple(coordinates[0].shape)
    if callable(value) and not isinstance(value, Tensor):
        value = value(*coordinates)
    if isinstance(value, Real):  # NumPy's too
        value = torch.full_like(like, float(value))
    elif isinstance(value, Tensor) and value.ndim == 0:
        value = value.expand(shape)
    if not isinstance(value, Tensor):
        raise _bad(type(value).__name__, "a number, a tensor, or a function that returns a tensor", shape)
    if len(shape) > value.ndim or tuple(value.shape[value.ndim - len(shape) :]) != shape:
        raise _bad(f"shape {tuple(value.shape)}", "the shape of the grid with its boundary", shape)
    if value.dtype != like.dtype or value.device != like.device:
        raise _bad(f"{value.dtype} on {value.device}", f"{like.dtype} on {like.device}, as the problem", shape)
    value = value.reshape(-1, 1, *shape)
    read = value if faces is None else torch.cat([value.select(i - len(shape), -e).flatten() for i, e in faces])
    checks.finite("boundary", read, got="NaN or infinity on the boundary", do=f"give a number or a tensor {shape}")
    return value


def _bad(got: str, expected: str, shape: tuple[int, ...]) -> ArgumentError:
    return ArgumentError("boundary", got=got, expected=expected, do=f"give a number or a tensor {shape}")


def _closed(faces: Mapping[Face, Tensor], problem: Poisson) -> Tensor | None:
    """(B, 1, *closed) with the faces in it, zero elsewhere."""
    if not faces:
        return None
    shape = [n + 2 for n in problem.shape]
    out = torch.zeros((), dtype=problem.dtype, device=problem.device)
    for (axis, end), face in faces.items():
        mask = torch.zeros(shape, dtype=torch.bool, device=problem.device)
        mask.select(axis, -end).fill_(True)
        out = torch.where(mask, face.unsqueeze(axis - problem.ndim), out)
    return out


def coons(g: Tensor, sides: Sequence[tuple[Side, Side]]) -> Tensor:
    """Transfinite interpolation of the Dirichlet values (Coons 1967; Gordon & Hall 1973): the interior of it.

    g: (..., *closed) -> (..., *grid). With P_i the linear interpolation between the two faces of axis i, or the value
    of its one Dirichlet face, the lift is `g - Π (1 - P_i) g`. It is as smooth as the data; what is left to solve
    vanishes there, as nested interpolation supposes.
    """
    rest = g
    for axis, (low, high) in enumerate(sides, start=-len(sides)):
        x = rest.movedim(axis, -1)
        if low == high == "dirichlet":
            t = torch.linspace(0, 1, x.shape[-1], dtype=g.dtype, device=g.device)
            rest = (x - ((1 - t) * x[..., :1] + t * x[..., -1:])).movedim(-1, axis)
        elif "dirichlet" in (low, high):
            rest = (x - (x[..., :1] if low == "dirichlet" else x[..., -1:])).movedim(-1, axis)
    return (g - rest)[(..., *[slice(1, -1)] * len(sides))]
