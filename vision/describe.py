"""A network as a table of its parts and their weights."""

from __future__ import annotations

from torch import nn

from unified.multigrid import AbstractMultigrid, Level
from unified.smoother import Relaxation


def describe(network: nn.Module) -> str:
    """Of a multigrid: for each level its smoothing steps, channels of u and f, and the weights of each part.

    Of another network: the weights of each of its parts.
    """
    parts = [(name, f"{_weights(part):,}") for name, part in network.named_children() if name != "levels"]
    if not isinstance(network, AbstractMultigrid):
        return _table([("part", "weights"), *parts])
    levels = [form if isinstance(form, Level) else form.level for form in network.levels]
    head = ("level", "steps", "c_u", "c_f", "A", "B", "phi, psi, tau", "R", "Pi", "P")
    rows = [(i, *_level(level)) for i, level in enumerate(levels)]
    return _table([head, *rows, *((name, "", "", "", weights) for name, weights in parts)])


def _table(rows: list[tuple[object, ...]]) -> str:
    """Columns as wide as their longest cell; a row may end early."""
    widths = [max(len(str(row[i])) for row in rows if i < len(row)) for i in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell!s:>{w}}" for cell, w in zip(row, widths, strict=False)) for row in rows)


def _level(level: Level) -> tuple[object, ...]:
    """A row but for its number. c_u and c_f are read off A's first and last convolution."""
    smoothers = [s for s in (level.pre_smoother, level.post_smoother, level.solver) if isinstance(s, Relaxation)]
    kernels = [part for part in level.A.modules() if isinstance(part, nn.Conv2d)]
    u, f = (kernels[0].in_channels, kernels[-1].out_channels) if kernels else ("-", "-")
    weights = [
        _weights(level.A),
        sum(_weights(s.B) for s in smoothers),
        sum(_weights(s) - _weights(s.B) for s in smoothers),
        *(_weights(part) for part in (level.R, level.Pi, level.P)),
    ]
    return "+".join(str(s.steps) for s in smoothers), u, f, *(f"{n:,}" if n else "-" for n in weights)


def _weights(part: nn.Module | None) -> int:
    return 0 if part is None else sum(p.numel() for p in part.parameters())
