"""MgNet with the way up: a V-cycle whose finest u is read out, one output for each pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from unified.multigrid import AbstractLevel, Level, State, change
from unified.program import cycle

from .blocks import Make, conv_bn_relu
from .channels import CONVS
from .checks import check_sizes, each_level, slot
from .mgnet import TRANSFERS, smoother
from .network import AbstractNetwork


@final
class DenseMgNet(AbstractNetwork):
    """stem -> V-cycle -> head. Images (B, C, H, W) -> (B, C', H, W), with a stem and a head that keep the size.

    The coarsest level's `solve` is a smoother like the others. With linear levels and identities for stem and head it
    is the V-cycle of a linear multigrid.
    """

    def __init__(
        self, stem: nn.Module, levels: Sequence[Level], head: nn.Module, *, smallest: int | None = None
    ) -> None:
        super().__init__(stem, [DenseLevel(level) for level in levels], head, cycle("V", len(levels)), smallest)

    def decode(self, states: list[State]) -> Tensor:
        return self.head(states[0].u)


@final
class DenseLevel(AbstractLevel):
    """A `Level` whose P may reach one pixel beyond grids of odd size: what it adds there is left out."""

    def __init__(self, level: Level) -> None:
        super().__init__()
        self.level = level

    @property
    def A(self) -> nn.Module:  # stored, it would stand twice in the state dict
        return self.level.A

    def pre(self, state: State) -> State:
        return self.level.pre(state)

    def post(self, state: State) -> State:
        return self.level.post(state)

    def solve(self, state: State) -> State:
        return self.level.solve(state)

    def down(self, state: State, coarse: AbstractLevel) -> State:
        return self.level.down(state, coarse)

    def interpolate(self, state: State, coarse: State) -> State:
        return self.level.interpolate(state, coarse)

    def up(self, state: State, coarse: State) -> State:
        height, width = state.f.shape[-2:]
        d = self.level.P(change(coarse))[..., :height, :width]
        return state._replace(u=d if state.u is None else state.u + d)


def prolongation(channels: int, finer: int) -> nn.ConvTranspose2d:
    """P, the transpose of a 3x3 convolution with stride 2, trained: (B, channels, H, W) -> (B, finer, 2H, 2W).

    It starts as bilinear interpolation of each channel, as a solver's P, on the channels that both levels have.
    """
    P = nn.ConvTranspose2d(channels, finer, 3, stride=2, padding=1, output_padding=1, bias=False)
    line = P.weight.new_tensor([0.5, 1.0, 0.5])
    nn.init.zeros_(P.weight)
    for c in range(min(channels, finer)):
        P.weight.data[c, c] = line[:, None] * line
    return P


def dense_mgnet(
    steps: Sequence[int] = (2, 2, 2),
    channels: int | Sequence[int] = 32,
    *,
    share_B: bool = True,
    classes: int = 1,
    in_channels: int = 3,
    transfers: str | Make = "learned",
    conv: str | Make = "full",
) -> DenseMgNet:
    """MgNet (He & Xu 2019, arXiv 1901.10415, algorithm 2: with the way up) for dense outputs: a V-cycle.

    The steps of a level are those of `mgnet`, with the same options, on the way down and again, with weights of their
    own, on the way up, `u += P(u_c - u0_c)` between them; on the coarsest level they are taken once. classes: outputs
    of each pixel. Any height and width of at least 2^(levels - 1).

    Weights, L levels, n_l steps, c_l channels, b_l = 1 or n_l (B^l, B^{l,i}), v_l = 2 visits (1 on the coarsest):
    `9 c_in c_0 + 2 c_0 + Σ_l (9 c_l² (1 + v_l b_l) + 4 v_l n_l c_l) + Σ_{l>0} (27 c_{l-1} c_l + 4 c_l) + k (c_0 + 1)`.
    """
    check_sizes(steps, classes, in_channels)
    c = each_level("channels", channels, len(steps))
    convolution, transfer = slot("conv", conv, CONVS), slot("transfers", transfers, TRANSFERS)

    def smooth(i: int) -> nn.Module:
        return smoother(steps[i], c[i], c[i], share_B=share_B, conv=convolution)

    levels = [
        Level(
            convolution(c[i], c[i]),
            pre=smooth(i),
            post=smooth(i),
            R=transfer(c[i], c[i + 1]),
            Pi=transfer(c[i], c[i + 1]),
            P=prolongation(c[i + 1], c[i]),
        )
        for i in range(len(steps) - 1)
    ]
    levels.append(Level(convolution(c[-1], c[-1]), solve=smooth(len(steps) - 1)))
    return DenseMgNet(conv_bn_relu(in_channels, c[0]), levels, nn.Conv2d(c[0], classes, 1))
