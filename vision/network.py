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
from unified.program import backslash


@final
class MgNet(AbstractMultigrid):
    """stem -> levels -> head. Images (B, C, H, W) -> logits (B, classes).

    `recipe` says how `create_model` builds it again: {"name": ..., "options": {...}}; None for one composed by hand.
    """

    recipe: dict[str, object] | None = None

    def __init__(self, stem: nn.Module, levels: Sequence[AbstractLevel], head: nn.Module) -> None:
        super().__init__(levels, backslash(len(levels)))
        self.stem, self.head = stem, head

    def encode(self, images: Tensor) -> State:
        smallest = 2 ** (len(self.levels) - 1)
        if images.ndim != 4 or min(images.shape[-2:]) < smallest:
            raise ArgumentError(
                "images",
                got=f"shape {tuple(images.shape)}",
                expected=f"(B, C, H, W) with H, W >= {smallest} for {len(self.levels)} levels",
                do="use larger images, or fewer levels (a shorter `steps`)",
            )
        return State(None, self.stem(images))

    def decode(self, states: list[State]) -> Tensor:
        return self.head(states[-1].u)


def data_space(network: MgNet) -> MgNet:
    """The same network, with the same modules, written for the residual: a pre-activation ResNet.

    A smoothing step becomes `r <- r - A psi(B(phi(r)))`, a pre-activation residual block whose outer weight A is
    shared on the level. Both forms give the same logits, to rounding.
    """
    levels = [DataSpaceLevel(level) for level in network.levels if isinstance(level, Level)]
    if len(levels) < len(network.levels):
        raise ArgumentError("network", got="a data-space form", expected="the u-form", do="use it as it is")
    return MgNet(network.stem, levels, network.head)


def describe(network: MgNet) -> str:
    """A table of the levels: smoothing steps, channels of u and f, and the weights of each part."""
    rows = [("level", "steps", "c_u", "c_f", "A", "B", "phi, psi, tau", "R", "Pi")]
    for i, form in enumerate(network.levels):
        level = form.level if isinstance(form, DataSpaceLevel) else form
        smoother = level.pre_smoother
        slots = sum(_weights(slot) for slot in (smoother.phi, smoother.psi, smoother.tau))
        c_f, c_u = level.A.weight.shape[:2]
        parts = [_weights(level.A), _weights(smoother.B), slots, _weights(level.R), _weights(level.Pi)]
        rows.append((i, smoother.steps, c_u, c_f, *(f"{n:,}" if n else "-" for n in parts)))
    rows += [("stem", "", "", "", f"{_weights(network.stem):,}"), ("head", "", "", "", f"{_weights(network.head):,}")]
    widths = [max(len(str(row[i])) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell!s:>{w}}" for cell, w in zip(row, widths, strict=False)) for row in rows)


def _weights(part: nn.Module | None) -> int:
    return 0 if part is None else sum(p.numel() for p in part.parameters())
