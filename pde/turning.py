"""Cycles that turn on the finest level: up, smoothing, smoothing and down again, which a fused level does in one pass.

A stream of cycles that pauses after each "down" of the finest level instead of at the end of a cycle has the same
operations in the same order. It pauses where the residual has just been computed, so its norm costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from unified.multigrid import Level, State, execute
from unified.program import Op, Program, cycle

from .monitor import Norms

if TYPE_CHECKING:
    from .hierarchy import PoissonMultigrid


SOLVED = 1e-9  # the relative residual at which nested iteration leaves a coarser level


class Step(NamedTuple):
    """An iterate, and its norms where they are known."""

    u: Tensor
    norms: Norms | None = None


def head(program: Program) -> Program | None:
    """The way down from the finest level that a cycle begins with; None for what is no such cycle."""
    opening = next((i for i, op in enumerate(program) if op.kind == "down"), len(program))
    ops = program[: opening + 1]
    begins = all(op.level == 0 and op.kind in ("pre", "down") for op in ops) and ops[-1:] and ops[-1].kind == "down"
    return ops if begins and not any(op.kind == "interpolate" for op in program) else None


def nested(mg: PoissonMultigrid, f: Tensor, most: int = 2) -> Iterator[Step]:
    """The iterates of `mg.program` after nested iteration: V-cycles on each coarser level, two or until it is solved.

    f: (B, 1, *grid). most: for two. Each level begins with its head, whose residual tells: where solutions are smooth,
    the extrapolated start needs no cycle.
    """
    levels = list(mg.levels)
    last = len(levels) - 1
    levels[0].release()
    downs = [Op("down", i) for i in range(last)]
    states = execute((*downs, Op("solve", last)), levels, State(None, f))  # type: ignore[arg-type]
    # ‖f‖ of each level, as it was restricted; composed ones do not tell
    sizes = [None if isinstance(level, Level) else level.norms_of_down.residual for level in levels[:last]]
    below = states[last]
    for i in reversed(range(last)):
        part, V = levels[i:], cycle("V", last + 1 - i)
        opening, rest = (Op("interpolate", 0), *V[:2]), (*V[2:], *V[:2])
        inside = execute(opening, part, {0: states[i], 1: below})  # type: ignore[arg-type]
        for _ in range(most if i else 0):
            if sizes[i] is not None and bool((levels[i].norms_of_down.residual < SOLVED * sizes[i]).all()):
                break
            inside = execute(rest, part, dict(enumerate(inside)))  # type: ignore[arg-type]
        below = inside[0]
    yield from _turns(mg, inside)


def turning(mg: PoissonMultigrid, f: Tensor, u: Tensor | None, start: Program = ()) -> Iterator[Step]:
    """The iterates of `mg.program`, a cycle that has a `head`, after the program `start`, each after a head.

    f, u: (B, 1, *grid); u is written to where it is an iterate, never where it is the one given.
    """
    opening, levels = cast(Program, head(mg.program)), list(mg.levels)
    levels[0].release()
    yield from _turns(mg, execute((*start, *opening), levels, State(u, f)))  # type: ignore[arg-type]


def _turns(mg: PoissonMultigrid, states: list[State]) -> Iterator[Step]:
    """From the states after a head on."""
    opening, levels = cast(Program, head(mg.program)), list(mg.levels)
    around = mg.program[len(opening) :] + opening
    while True:
        norms = levels[0].norms_of_down if mg.problem.dtype == torch.float64 else None
        yield Step(cast(Tensor, states[0].u), norms)
        states = execute(around, levels, dict(enumerate(states)))  # type: ignore[arg-type]
