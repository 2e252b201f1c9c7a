"""Where normalisation and activation stand in a polynomial step, `u <- tau(u + psi(B(phi(f - A u))))`.

van Betteray, Rottmann & Kahl 2025 (arXiv 2503.10594), section 3. phi is the residual's type; the rest is a row:

    placement      psi       tau       A r in B     published with
    regular        relu∘bn   -         as it is     linear, quadratic (phi = relu∘bn); double
    outside        -         relu∘bn   as it is     linear, quadratic
    relu-outside   bn        relu (*)  as it is     linear, quadratic
    plain          -         -         as it is     quadratic
    inside         bn        -         relu(A r)    quadratic
    bn-inside      relu      -         bn(A r)      quadratic

(*) after the last step of the level. With the last two, what psi lacks stands on A r, and B is no polynomial in A.
tau acts on u, so that a network with one has no data-space form.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import nn

from .blocks import Part, bn_relu


def _relu(channels: int) -> nn.Module:
    return nn.ReLU()


class Placement(NamedTuple):
    """A factory for each place, from the number of channels; None leaves the place empty."""

    psi: Part | None = None
    tau: Part | None = None
    end: Part | None = None  # tau of the level's last step
    inside: Part | None = None  # on A r


PLACEMENTS = {
    "regular": Placement(psi=bn_relu),
    "outside": Placement(tau=bn_relu),
    "relu-outside": Placement(psi=nn.BatchNorm2d, end=_relu),
    "plain": Placement(),
    "inside": Placement(psi=nn.BatchNorm2d, inside=_relu),
    "bn-inside": Placement(psi=_relu, inside=nn.BatchNorm2d),
}

RESIDUALS: dict[str, Part | None] = {"relu-bn": bn_relu, "bn": nn.BatchNorm2d, "plain": None}  # phi
