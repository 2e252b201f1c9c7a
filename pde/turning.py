"""Cycles that turn on the finest level: up, smoothing, smoothing and down again, which a fused level does in one pass.

A stream of cycles that pauses after each "down" of the finest level instead of at the end of a cycle has the same
operations in the same order. It pauses where the residual has just been computed, so its norm costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from unified.multigrid import State, execute
from unified.program import Program

from .monitor import Norms

if TYPE_CHECKING:
    from .hierarchy import PoissonMultigrid


class Step(NamedTuple):
    """An iterate, and its norms where they are known."""

    u: Tensor
    norms: Norms | None = None


def head(program: Program) -> Program | None:
    """The way down from the finest level that a cycle begins with; None for what is no such cycle."""
    opening = next((i for i, op in enumerate(program) if op.kind == "down"), len(program))
    ops = program[: opening + 1]
    cycle = all(op.level == 0 and op.kind in ("pre", "down") for op in ops) and ops[-1:] and ops[-1].kind == "down"
    return ops if cycle and not any(op.kind == "interpolate" for op in program) else None


def turning(mg: PoissonMultigrid, f: Tensor, u: Tensor | None, start: Program = ()) -> Iterator[Step]:
    """The iterates of `mg.program`, a cycle that has a `head`, after the program `start`, each after a head.

    f, u: (B, 1, *grid); u is written to where it is an iterate, never where it is the one given.
    """
    opening = cast(Program, head(mg.program))
    cycle = mg.program[len(opening) :] + opening
    levels = list(mg.levels)
    finest = levels[0]
    finest.release()
    states = execute((*start, *opening), levels, State(u, f))  # type: ignore[arg-type]
    while True:
        yield Step(cast(Tensor, states[0].u), finest.norms_of_down if mg.problem.dtype == torch.float64 else None)
        states = execute(cycle, levels, dict(enumerate(states)))  # type: ignore[arg-type]
