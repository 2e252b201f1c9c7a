"""The compact fourth-order discretisation of `-Σ_i a_i u_{x_i x_i} + c u = f`, a and c constant, on a uniform grid.

Collatz's Mehrstellenverfahren (1960): with δ_i² the second difference of axis i (no unit) and s_i = a_i / h_i²,

    (c - Σ_i (s_i - c / 12) δ_i² - Σ_{i<j} (s_i + s_j) / 12 δ_i² δ_j²) u = (1 + Σ_i δ_i² / 12) f + O(h⁴)

has 3, 9 or 19 points in 1, 2 or 3 dimensions. As in second order a row is multiplied by the product of its widths:
with even reflection at Neumann sides each δ_i² is then symmetric, and so is all. Neither known values nor known
fluxes are even: what they add goes to the load.

For large c h² / a or very different s_i some edges are negative; the matrix stays positive definite (the operator on
the left has the symbol c (1 - Σ_i x_i / 3) + Σ_i 4 s_i x_i (1 - Σ_{j≠i} x_j / 3), 0 <= x_i <= 1).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from .axes import Axis
from .discretise import line
from .operators import Direction, directions

Boundary = Mapping[tuple[int, int], Tensor]  # (axis, 0 for the low or 1 for the high end): values on the closed face

POINTS = 5  # that extrapolate, with an error O(h⁵); with 4, O(h⁴), the error O(h⁵) of u shows at 64 intervals still


def edges(axes: Sequence[Axis], a: Sequence[float], c: float) -> tuple[dict[Direction, Tensor], Tensor | None]:
    """Of `Diffusion`, float64, of size 1 along an axis where constant; its reaction, None for c = 0."""
    ndim = len(axes)
    strengths, cross = _coefficients(axes, a)
    widths = [line(axis.widths, i, ndim) for i, axis in enumerate(axes)]
    links = [line(np.isfinite(axis.gaps).astype(float), i, ndim) for i, axis in enumerate(axes)]
    out = {}
    for direction in directions(ndim):
        steps = [i for i, step in enumerate(direction) if step]
        if len(steps) == 1:
            (i,) = steps
            e = strengths[i] - c / 12 - 2 * sum(s for pair, s in cross.items() if i in pair)
        elif len(steps) == 2:
            e = cross[steps[0], steps[1]]
        else:
            continue
        out[direction] = e * reduce(torch.mul, [(links if i in steps else widths)[i] for i in range(ndim)])
    return out, c * reduce(torch.mul, widths) if c else None


def load(axes: Sequence[Axis], a: Sequence[float], c: float, f: Tensor, boundary: Boundary | None = None) -> Tensor:
    """Right-hand side of the equations: (..., *grid), differentiable, and linear in f and the data.

    f: at the unknowns, (..., *grid), or with its values on Dirichlet sides too, (..., *(grid + 2)); they are
    extrapolated where not given, which costs no order.

    boundary: for each side (axis, end) a tensor (..., *face), where the face has the closed grid of the other axes,
    n + 2 points each. On a Dirichlet side u; on a Neumann side the flux a ∂u/∂n, n pointing outward. The first and
    last points of a face lie on the next side if that is Dirichlet; otherwise they are not read. Without data: zero.
    """
    ndim = len(axes)
    strengths, cross = _coefficients(axes, a)
    faces = boundary or {}
    batch = np.broadcast_shapes(f.shape[:-ndim], *(v.shape[: v.ndim - ndim + 1] for v in faces.values()))
    for i, axis in enumerate(axes):
        f = _close(f, i - ndim, axis)
    f = f.expand(*batch, *f.shape[-ndim:])
    # a face keeps its axis, of size 1
    faces = {side: v.unsqueeze(side[0] - ndim).expand(_face(f, side[0] - ndim).shape) for side, v in faces.items()}

    out = _inner(f, range(ndim), ndim)
    for i in range(ndim):
        out = out + _differences(f, (i,), ndim) / 12
    if faces or any("neumann" in axis.sides for axis in axes):
        u = _beyond(axes, a, c, f, faces)
        for i, s in enumerate(strengths):
            out = out + (s - c / 12) * _differences(u, (i,), ndim)
        for pair, s in cross.items():
            out = out + s * _differences(u, pair, ndim)
    for i, axis in enumerate(axes):
        out = out * line(axis.widths, i, ndim).to(out)
    return out


def _coefficients(axes: Sequence[Axis], a: Sequence[float]) -> tuple[list[float], dict[tuple[int, int], float]]:
    """Of -δ_i² and of -δ_i² δ_j², for i < j, without c."""
    s = [x / axis.unit**2 for x, axis in zip(a, axes, strict=True)]
    return s, {(i, j): (s[i] + s[j]) / 12 for i, j in itertools.combinations(range(len(s)), 2)}


def _beyond(axes: Sequence[Axis], a: Sequence[float], c: float, f: Tensor, faces: Boundary) -> Tensor:
    """On the closed grid, u less the even reflection of its unknowns: what is known of the points beyond.

    Zero at the unknowns, the given value on a Dirichlet side, the rise of u beyond a Neumann side. Where two sides
    meet, either may come first; the mean of both makes no axis special.
    """
    ndim = len(axes)
    sides = [(i, end) for i in range(ndim) for end in (0, 1)]
    values = {
        (i, end): faces.get((i, end), torch.zeros_like(_face(f, i - ndim)))
        for i, end in sides
        if axes[i].sides[end] == "dirichlet"
    }
    rises = {(i, end): _rise(axes, a, c, f, faces, i, end) for i, end in sides if axes[i].sides[end] == "neumann"}
    fillings = []
    for order in (1, -1):
        u = torch.zeros_like(f)
        for (i, end), value in list(values.items())[::order]:
            u = _put(u, i - ndim, end, value)
        for (i, end), rise in list(rises.items())[::order]:  # after u is known on Dirichlet sides, to be reflected too
            u = _put(u, i - ndim, end, _face(u, i - ndim, end, 2) + rise)
        fillings.append(u)
    u = (fillings[0] + fillings[1]) / 2
    for i, axis in enumerate(axes):
        if axis.periodic:
            u = _close(u, i - ndim, axis)
    return u


def _rise(
    axes: Sequence[Axis], a: Sequence[float], c: float, f: Tensor, faces: Boundary, normal: int, end: int
) -> Tensor:
    """From one spacing before a Neumann side to one beyond: u(h) - u(-h) = 2h u_n + h³/3 u_nnn + O(h⁵).

    u_n is given, and the normal derivative of the equation has u_nnn: a u_nnn = c u_n - f_n - Σ_j a_j (u_n)_jj. An
    error O(h²) of u_nnn, as of a flux O(h⁴), is one of O(h⁴) in u.
    """
    ndim = len(axes)
    dim, h = normal - ndim, axes[normal].unit
    f_n = (_face(f, dim, end) - _face(f, dim, end, 2)) / (2 * h)
    u_n = torch.zeros_like(f_n)
    if (normal, end) in faces:
        u_n = faces[normal, end] / a[normal]
        for j, axis in enumerate(axes):
            if j != normal:
                u_n = _close(u_n, j - ndim, axis)
    right = c * u_n - f_n
    for j, axis in enumerate(axes):
        if j != normal:
            right = right - a[j] / axis.unit**2 * _close(_second_difference(u_n, j - ndim), j - ndim, axis)
    return 2 * h * u_n + h**3 / 3 / a[normal] * right


def _close(x: Tensor, dim: int, axis: Axis) -> Tensor:
    """With one more point on both ends of a dimension: n -> n + 2; from n + 2 the values on Dirichlet sides stay."""
    n = axis.n
    given = x.shape[dim] == n + 2
    inside = x.narrow(dim, 1, n) if given else x
    ends = []
    for end, side in enumerate(axis.sides):
        if side == "periodic":
            ends.append(_face(inside, dim, 1 - end))
        elif side == "dirichlet" and given:
            ends.append(_face(x, dim, end))
        else:
            k = min(n, POINTS)
            terms = [-((-1) ** m) * math.comb(k, m) * _face(inside, dim, end, m - 1) for m in range(1, k + 1)]
            ends.append(torch.stack(terms).sum(0))
    return torch.cat([ends[0], inside, ends[1]], dim)


def _face(x: Tensor, dim: int, end: int = 0, depth: int = 0) -> Tensor:
    """The slice so many points from an end of a dimension, which stays, of size 1."""
    return x.narrow(dim, x.shape[dim] - 1 - depth if end else depth, 1)


def _put(x: Tensor, dim: int, end: int, face: Tensor) -> Tensor:
    """With another slice at an end of a dimension."""
    rest = x.narrow(dim, 1 - end, x.shape[dim] - 1)
    return torch.cat([rest, face] if end else [face, rest], dim)


def _inner(x: Tensor, axes: Iterable[int], ndim: int) -> Tensor:
    """Without the first and the last point of some axes."""
    for i in axes:
        x = x.narrow(i - ndim, 1, x.shape[i - ndim] - 2)
    return x


def _differences(x: Tensor, axes: Sequence[int], ndim: int) -> Tensor:
    """Product of the δ_i² of some axes at the unknowns: (..., *(grid + 2)) -> (..., *grid)."""
    x = _inner(x, set(range(ndim)) - set(axes), ndim)
    for i in axes:
        x = _second_difference(x, i - ndim)
    return x


def _second_difference(x: Tensor, dim: int) -> Tensor:
    n = x.shape[dim] - 2
    return x.narrow(dim, 0, n) - 2 * x.narrow(dim, 1, n) + x.narrow(dim, 2, n)
