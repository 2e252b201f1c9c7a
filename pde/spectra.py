"""Spectra of a level's operator, to look at: eigenvalues where they are to be had, else Ritz values."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unified.errors import ArgumentError
from unified.spectrum import ritz_values

from .coarsening import Grid
from .operators import Diffusion

DENSE = 1024  # unknowns of a matrix whose eigenvalues are computed
STEPS = 60  # of Lanczos, above


class Spectrum(NamedTuple):
    """values: increasing, some of all where `kind` is "eigenvalues" and they are many. hi: a bound of all."""

    values: np.ndarray
    kind: str
    hi: float


def spectrum(A: Diffusion, scale: Tensor | None = None, *, most: int = 2**20) -> Spectrum:
    """Of A, or of `scale A` (D⁻¹A). In closed form where the stencil is one for all points: of more than `most`, those
    of evenly spread cosines' angles, the first and the last among them.
    """
    hi = A.bounds[0 if scale is None else 1]
    if any(e.ndim > A.ndim and e.shape[0] > 1 for e in A.edges.values()):
        raise ArgumentError("mg", got="a batch of coefficients", expected="one operator", do="make a problem for each")
    if has_closed_form(A) and (scale is None or scale.numel() == 1):
        line = max(A.shape) if math.prod(A.shape) <= most else int(most ** (1 / A.ndim))
        lines = [cosines(n, p, line) for n, p in zip(A.shape, A.periodic, strict=True)]
        values = np.sort(A.eigenvalues(np.ix_(*lines)).ravel())
        return Spectrum(values * (1.0 if scale is None else float(scale)), "eigenvalues", hi)
    if math.prod(A.shape) <= DENSE:
        matrix = A.to_scipy().toarray()
        if scale is not None:
            root = scale.double().sqrt().expand(1, 1, *A.shape).cpu().numpy().ravel()
            matrix = root[:, None] * matrix * root
        return Spectrum(np.linalg.eigvalsh(matrix), "eigenvalues", hi)
    half = torch.ones(()) if scale is None else scale.sqrt()
    like = A.like.new_empty(1, 1, *A.shape)
    return Spectrum(ritz_values(lambda x: half * A(half * x), like, steps=STEPS), "Ritz values", hi)


def unseen_from(grid: Grid, coarse: Grid) -> float | None:
    """The smallest eigenvalue of A that some vector unseen by the next grid has; None without a closed form.

    Unseen are waves with more half-waves on a coarsened axis than that has points there.
    """
    A = grid.A
    if not has_closed_form(A):
        return None
    ends = [cosines(n, p, 2) for n, p in zip(A.shape, A.periodic, strict=True)]
    lowest = []
    for axis, (n, m, periodic) in enumerate(zip(grid.shape, coarse.shape, A.periodic, strict=True)):
        if m < n:
            first = 2 * ((m + 1) // 2) / n if periodic else (m + 1) / (n + 1)
            box = [*ends]
            box[axis] = np.array([math.cos(math.pi * first), min(ends[axis])])
            lowest.append(float(A.eigenvalues(np.ix_(*box)).min()))  # linear in each cosine
    return min(lowest)


def has_closed_form(A: Diffusion) -> bool:
    return A.diagonal.numel() == 1 and float(A.diagonal) > 0


def cosines(n: int, periodic: bool, most: int) -> np.ndarray:
    """Of the phase a point of each wave on an axis of n points; of evenly chosen ones, where they are more than `most`.

    Each of a periodic axis, but its first and last, stands for two waves.
    """
    if periodic:
        j = np.sort(np.minimum(np.arange(n), n - np.arange(n)))
        phase = 2 * np.pi * j / n
    else:
        phase = np.pi * np.arange(1, n + 1) / (n + 1)
    return np.cos(phase[np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))])
