"""MgNet (He & Xu 2019): classifiers whose smoothing step is `u += relu(bn(B relu(bn(f - A u))))`."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from unified.multigrid import Level
from unified.smoother import MapCorrection, Relaxation

from .blocks import STEMS, Make, averaged, bn_relu, head, strided
from .channels import CONVS
from .checks import check_sizes, each_level, pick, slot
from .network import MgNet

TRANSFERS: dict[str, Make] = {"learned": strided, "fixed": averaged}


def _nonlinear(convolution: nn.Module) -> nn.Module:
    """relu∘A. Without bn, so that A(0) = 0: a level starts from u = 0 and does not compute the first product."""
    return nn.Sequential(convolution, nn.ReLU())


CONSTRAINTS = {"linear": lambda convolution: convolution, "nonlinear": _nonlinear}


def mgnet(
    steps: Sequence[int] = (2, 2, 2, 2),
    channels: int | Sequence[int] = 256,
    *,
    share_B: bool = True,
    data_channels: int | Sequence[int] | None = None,
    classes: int = 10,
    in_channels: int = 3,
    constraint: str = "linear",
    transfers: str | Make = "learned",
    conv: str | Make = "full",
    stem: str = "cifar",
) -> MgNet:
    """MgNet (He & Xu 2019, arXiv 1901.10415, algorithm 3): the step `u += relu(bn(B relu(bn(f - A u))))`.

    steps: smoothing steps of each level; channels: c_u, of the features u, on all levels or on each; data_channels:
    c_f, of the data f, default c_u (the published code needs c_f = c_u, the formulas do not). share_B: one B a level
    (B^l), else one a step (B^{l,i}). A is shared on a level. Down: `u_c = relu(bn(Pi u))`,
    `f_c = relu(bn(R(f - A u))) + A_c u_c`; so with a single step on the coarsest level a linear A cancels there, and is
    never trained.

    constraint: "linear", the data-feature map u -> A u; or "nonlinear", relu(A u) (activating u first would change
    nothing, for u is a sum of relus). transfers: "learned", or "fixed": full weighting, with a 1x1 where channels
    change, and without bn and relu. conv: of A and B, "full" or as in `CONVS`. stem: a 3x3 convolution ("cifar") or
    7x7 with stride 2 and maximum pooling ("imagenet"), which leaves a quarter of the image's sides. transfers and conv
    also take factories of one's own: (inputs, outputs) -> a module.

    Weights, level l with n_l steps, u_l and f_l channels and b_l = 1 or n_l (B^l, B^{l,i}), k classes, c_in input
    channels, s = 3 or 7 the stem's kernel: `s² c_in f_0 + 2 f_0 + Σ_l (9 u_l f_l (1 + b_l) + 2 n_l (u_l + f_l)) + T +
    k (u_L + 1)`, `T = Σ_{l>0} (9 f_{l-1} f_l + 2 f_l + 9 u_{l-1} u_l + 2 u_l)`; fixed transfers have only the
    `f_{l-1} f_l` and `u_{l-1} u_l` of levels where these change, and another conv has its own count for 9 u_l f_l.
    8,278,794 for the defaults and 71,270,504 for ImageNet's (3, 4, 6, 3), (128, 256, 512, 1024), B^{l,i}, 1000 classes,
    as published (8.3 M, 71.3 M).
    """
    check_sizes(steps, classes, in_channels)
    u = each_level("channels", channels, len(steps))
    f = u if data_channels is None else each_level("data_channels", data_channels, len(steps))
    convolution, transfer = slot("conv", conv, CONVS), slot("transfers", transfers, TRANSFERS)
    constrain, entry = pick("constraint", constraint, CONSTRAINTS), pick("stem", stem, STEMS)
    levels = []
    for i, n in enumerate(steps):
        coarsest = i == len(steps) - 1
        levels.append(
            Level(
                constrain(convolution(u[i], f[i])),
                smoother(n, u[i], f[i], share_B=share_B, conv=convolution),
                R=None if coarsest else transfer(f[i], f[i + 1]),
                Pi=None if coarsest else transfer(u[i], u[i + 1]),
            )
        )
    smallest = entry.stride * 2 ** (len(steps) - 1)
    return MgNet(entry.make(in_channels, f[0]), levels, head(u[-1], classes), smallest=smallest)


def smoother(steps: int, u: int, f: int, *, share_B: bool, conv: Make) -> Relaxation:
    """MgNet's steps of one level: B maps f to u channels, phi and psi are relu∘bn."""
    return Relaxation(
        steps,
        B=[MapCorrection(conv(f, u)) for _ in range(1 if share_B else steps)],
        phi=[bn_relu(f) for _ in range(steps)],
        psi=[bn_relu(u) for _ in range(steps)],
    )
