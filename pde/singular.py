"""Problems without a Dirichlet side and c = 0: constants are solutions of `A u = 0`.

A is symmetric, so `A u = load` has solutions just when the load sums to zero: `∫ f + ∮ g = 0` for the flux g. Of these
the one of mean zero is meant, by the control volumes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from unified.errors import ArgumentError

from . import checks


def imbalance(load: Tensor) -> Tensor:
    """`|Σ load| / Σ |load|` of each right-hand side, (B,): what is not compatible, 0 to 1."""
    flat = load.detach().flatten(1).double()
    total = flat.abs().sum(1)
    return flat.sum(1).abs() / torch.where(total == 0, 1, total)


def balanced(load: Tensor, weights: Tensor) -> tuple[Tensor, float]:
    """The load less the multiple of the control volumes that makes its sum zero, and the worst imbalance.

    Data that are compatible as functions are so on a grid up to the error of quadrature, and noise of mean zero up
    to about N^-1/2; more than 4 N^-1/2, or .9, is refused. load: (B, 1, *grid); weights: (*grid).
    """
    largest: list[float] = []
    allowed = min(0.9, 4 * weights.numel() ** -0.5)

    def look(values: Tensor) -> None:
        worst = float(imbalance(values).max())
        if worst > allowed:
            raise ArgumentError(
                "f",
                got=f"an imbalance of {worst:.2g}: the sum of f and boundary fluxes over the sum of their sizes",
                expected=f"at most {allowed:.2g}, as without a Dirichlet side and with c = 0 only ∫f + ∮g = 0 has "
                "solutions",
                do="subtract the mean from f, or give c > 0 or a Dirichlet side",
            )
        largest.append(worst)

    checks.look(load, look)
    excess = load.flatten(1).sum(1).reshape(-1, *[1] * (load.ndim - 1)) / weights.sum()
    return load - excess * weights, largest[0]


def centred(u: Tensor, weights: Tensor) -> Tensor:
    """u less its mean."""
    mean = (u * weights).flatten(1).sum(1).reshape(-1, *[1] * (u.ndim - 1)) / weights.sum()
    return u - mean
