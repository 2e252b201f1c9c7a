r"""A classifier as a multigrid: the stem makes f, the \-cycle runs down, the head reads out the coarsest u.

He & Xu 2019 (arXiv 1901.10415), algorithm 3. What tells MgNet and Poly-MgNet apart are the parts of the levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn

from unified.dataspace import DataSpaceLevel
from unified.errors import ArgumentError
from unified.multigrid import AbstractLevel, AbstractMultigrid, Level, State
from unified.program import Program, backslash
from unified.smoother import Relaxation

from .channels import ChannelMultigrid
from .checks import check_images

# Of these alone A is certain to be linear, if none has a bias: a subclass may do anything.
_LINEAR = (nn.Conv2d, nn.Sequential, nn.Identity, ChannelMultigrid)


class AbstractNetwork(AbstractMultigrid):
    """A stem that makes f of images (B, C, H, W), levels, and a head that reads a u.

    smallest: the least height and width of an image; by default those that leave a pixel to each level, if the stem
    keeps the size and each level halves it. `recipe` says how `create_model` builds it again: {"name": ..., "options":
    {...}}; None for one composed by hand.
    """

    recipe: dict[str, object] | None = None

    def __init__(
        self,
        stem: nn.Module,
        levels: Sequence[AbstractLevel],
        head: nn.Module,
        program: Program,
        smallest: int | None,
    ) -> None:
        super().__init__(levels, program)
        self.stem, self.head = stem, head
        self.smallest = 2 ** (len(levels) - 1) if smallest is None else smallest

    def encode(self, images: Tensor) -> State:
        check_images(images, self.smallest, len(self.levels))
        return State(None, self.stem(images))


@final
class MgNet(AbstractNetwork):
    """stem -> levels -> head. Images (B, C, H, W) -> logits (B, classes)."""

    def __init__(
        self, stem: nn.Module, levels: Sequence[AbstractLevel], head: nn.Module, *, smallest: int | None = None
    ) -> None:
        super().__init__(stem, levels, head, backslash(len(levels)), smallest)

    def decode(self, states: list[State]) -> Tensor:
        return self.head(states[-1].u)


def data_space(network: MgNet) -> MgNet:
    """The same network, with the same modules, written for the residual: a pre-activation ResNet.

    A smoothing step becomes `r <- r - A psi(B(phi(r)))`, a pre-activation residual block whose outer weight A is
    shared on the level. Both forms give the same logits, to rounding. A must be linear, and tau empty.
    """
    last = len(network.levels) - 1  # the head reads its u
    levels = [DataSpaceLevel(x, ends=i == last) for i, x in enumerate(network.levels) if isinstance(x, Level)]
    if len(levels) < len(network.levels):
        raise ArgumentError("network", got="a data-space form", expected="the u-form", do="use it as it is")
    if any(isinstance(part, nn.ReLU) for level in levels for part in level.A.modules()):
        raise ArgumentError("network", got="a nonlinear A", expected="a linear one", do="use constraint='linear'")
    return MgNet(network.stem, levels, network.head, smallest=network.smallest)


def fewest_products(network: nn.Module) -> nn.Module:
    """The same network, with the same modules, in the form that applies A least often: what training runs.

    That is `data_space`, which does not compute A u when a level is entered, wherever A is known to be linear and tau
    is empty; else the network itself.
    """
    if isinstance(network, MgNet) and all(isinstance(level, Level) and _is_steps(level) for level in network.levels):
        return data_space(network)
    return network


def _is_steps(level: Level) -> bool:
    """Whether all that acts on u is `u += B(f - A u)` with a linear A."""
    linear = all(type(part) in _LINEAR and getattr(part, "bias", None) is None for part in level.A.modules())
    smoothers = [smoother for smoother in (*level.smoothers, level.solver) if smoother is not None]
    return linear and all(isinstance(smoother, Relaxation) and not len(smoother.tau) for smoother in smoothers)
