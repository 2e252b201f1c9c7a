"""Poly-MgNet (van Betteray, Rottmann & Kahl 2025): MgNet whose B is a polynomial in A with trained roots."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unified.errors import ArgumentError, whole
from unified.multigrid import Level
from unified.smoother import AbstractCorrection, Inside, Relaxation

from .blocks import Make, Part, averaged, conv_bn_relu, depthwise, head
from .channels import CONVS
from .checks import check_sizes, each_level, pick, scaled, slot
from .factors import BLOCKS, FACTORS, ROOTS
from .network import MgNet
from .placement import PLACEMENTS, RESIDUALS

TRANSFERS: dict[str, Make] = {"learned": depthwise, "fixed": averaged}


def polymgnet(
    steps: Sequence[int] = (2, 2, 2, 2),
    channels: Sequence[int] = (64, 128, 256, 256),
    *,
    width: float = 1.0,
    classes: int = 10,
    in_channels: int = 3,
    factors: str | Sequence[str] = ("linear",),
    placement: str = "regular",
    residual: str = "relu-bn",
    roots: str = "unit",
    share_roots: bool = False,
    channel_roots: bool = False,
    transfers: str | Make = "learned",
    conv: str | Make = "full",
) -> MgNet:
    """Poly-MgNet (van Betteray, Rottmann & Kahl 2025, arXiv 2503.10594): `B r = c1 r - c2 A r`, a factor a step.

    factors: a product of "linear" (1 - c1 λ), "quadratic" (a complex pair a ± ib), "quadratic-real" (b = 0) and
    "double" (1 - αλ²), or its name: q2, g4, g6, g8; steps: how often each level applies it. placement and residual
    (phi): rows of `vision.placement`. roots: where they start, a rule of `vision.factors`. share_roots: one product a
    level for all its steps, else one a step; channel_roots: each channel has its own. R and Pi are depthwise
    ("learned") or full weighting ("fixed"), without bn or relu after them; R acts on relu(f - A u). channels: of each
    level, times `width`. conv: of A, "full" or as in `vision.channels`. transfers and conv also take factories of one's
    own: (inputs, outputs, *, gain) -> a module, gain as in `blocks.conv`.

    Initially A's symbol has spectral radius 1 at every frequency (see `blocks.conv`).

    Weights, k classes, c_in input channels, level l with c_l channels and n_l products of d factors, ρ roots in a
    product (2 a quadratic, 1 any other; times c_l with channel_roots), m_l = n_l, or 1 with share_roots, and β
    normalisations a step (one where phi has bn, one where the placement has; those inside a shared B once):
    `9 c_in c_0 + 2 c_0 + Σ_l (9 c_l² + n_l d 2 β c_l + m_l ρ) + 18 Σ_{l>0} c_l + k (c_L + 1)`, with another conv's own
    count for 9 c_l². 1,385,554 for q2 and g4, 1,388,378 for g6, 1,391,198 for g8. The published 1,386,706, 1,389,526
    and 1,392,346 count 1,152 weights that are never used, and have quadratic factors of one number, not two: 4 fewer.
    """
    check_sizes(steps, classes, in_channels)
    c = scaled(each_level("channels", channels, len(steps)), width)
    convolution, transfer = slot("conv", conv, CONVS), slot("transfers", transfers, TRANSFERS)
    levels = []
    for i, n in enumerate(steps):
        A = convolution(c[i], c[i], gain=1.0)
        relaxation = polynomial_smoother(
            A,
            c[i],
            n,
            factors=factors,
            placement=placement,
            residual=residual,
            roots=roots,
            share_roots=share_roots,
            channel_roots=channel_roots,
        )
        R = Pi = None
        if i + 1 < len(steps):
            R = nn.Sequential(nn.ReLU(), transfer(c[i], c[i + 1], gain=2.0))
            Pi = transfer(c[i], c[i + 1], gain=1.0)
        levels.append(Level(A, relaxation, R=R, Pi=Pi))
    return MgNet(conv_bn_relu(in_channels, c[0]), levels, head(c[-1], classes))


def polynomial_smoother(
    A: nn.Module,
    channels: int,
    steps: int = 1,
    *,
    factors: str | Sequence[str] = ("linear",),
    placement: str = "regular",
    residual: str = "relu-bn",
    roots: str = "unit",
    share_roots: bool = False,
    channel_roots: bool = False,
) -> Relaxation:
    """The product `factors`, `steps` times, as a smoother for a convolution A; options as for `polymgnet`."""
    whole("steps", steps, do="use steps=1")
    product = pick("factors", factors, BLOCKS) if isinstance(factors, str) else tuple(factors)
    makers = [pick("factors", kind, FACTORS) for kind in product]
    if not makers:
        raise ArgumentError("factors", got=factors, expected="at least one factor", do="use factors='q2'")
    place, phi = pick("placement", placement, PLACEMENTS), pick("residual", residual, RESIDUALS)
    if place.inside is not None and "linear" in product:
        raise ArgumentError(
            "placement",
            got=f"{placement!r} of linear factors",
            expected="factors with A r",
            do="use placement='regular'",
        )

    def number(value: float) -> float | Tensor:
        return torch.full((channels, 1, 1), value) if channel_roots else value

    def each(part: Part | None) -> list[nn.Module]:
        return [] if part is None else [part(channels) for _ in range(steps * len(product))]

    repeats = 1 if share_roots else steps
    starts = pick("roots", roots, ROOTS)(A, channels, product * repeats)
    B: list[AbstractCorrection] = [make(start, number) for make, start in zip(makers * repeats, starts, strict=True)]
    if place.inside is not None:
        B = [Inside(correction, place.inside(channels)) for correction in B]
    tau = each(place.tau)
    if place.end is not None:
        tau = [*(nn.Identity() for _ in range(steps * len(product) - 1)), place.end(channels)]
    return Relaxation(steps * len(product), B, phi=each(phi), psi=each(place.psi), tau=tau)
