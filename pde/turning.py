"""Cycles that turn on the finest level: up, smoothing, smoothing and down again, which a fused level does in one pass.

A stream of cycles that pauses after each "down" of the finest level instead of at the end of a cycle has the same
operations in the same order. It pauses where the residual has just been computed, so its norm costs nothing.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

import torch
from torch import Tensor

from unified.multigrid import AbstractLevel, State, execute
from unified.program import Op, Program, cycle, fmg

from .kernels.abstract import AbstractFusedLevel
from .monitor import Norms

if TYPE_CHECKING:
    from .hierarchy import PoissonMultigrid


SOLVED = 1e-9  # the relative residual at which nested iteration leaves a coarser level
CYCLES = 2  # on it at most: so many does extrapolation to the next level ask for


class Step(NamedTuple):
    """An iterate, its norms, and ‖f‖, (B,), where they are known."""

    u: Tensor
    norms: Norms | None = None
    size: Tensor | None = None


def head(program: Program) -> Program | None:
    """The way down from the finest level that a cycle begins with; None for what is no such cycle."""
    smoothing = tuple(itertools.takewhile(lambda op: op == Op("pre", 0), program))
    down = tuple(program[len(smoothing) :][:1])
    nests = any(op.kind == "interpolate" for op in program)
    return smoothing + down if down == (Op("down", 0),) and not nests else None


@functools.lru_cache(64)
def opened(n_levels: int) -> Program:
    """Full multigrid that ends each level as `nested` does: with one more smoothing, which is in the pass before it.

    >>> print(*opened(2))
    down0 solve1 interpolate0 pre0 down0 solve1 up0 post0 pre0 down0 solve1 up0 post0 pre0
    """
    ops = list(fmg(n_levels, cycles=CYCLES))
    for level in range(n_levels - 1):
        after = ops.index(Op("interpolate", level - 1)) if level else len(ops)
        ops.insert(after, Op("pre", level))
    return tuple(ops)


def nested(mg: PoissonMultigrid, f: Tensor) -> Iterator[Step]:
    """The iterates of `mg.program` after nested iteration: V-cycles on each coarser level, `CYCLES` or until solved.

    f: (B, 1, *grid). Each level begins with its head, whose residual tells: where solutions are smooth, the
    extrapolated start needs no cycle. Levels that have a `rest` are not looked at: all their cycles are run.
    """
    levels = _levels(mg)
    last = next((i for i, level in enumerate(levels) if i and level.rest is not None), len(levels) - 1)
    levels[0].release()
    downs = [Op("down", i) for i in range(last)]
    inner = [Op(kind, i + last) for kind, i in opened(len(levels) - last)]
    states = execute((*downs, *inner), levels, State(None, f))
    sizes = [_residual(level) for level in levels[:last]]  # ‖f‖ of each level, as it was restricted
    below = states[last]
    for i in reversed(range(last)):
        part, V = levels[i:], cycle("V", len(levels) - i)
        opening, rest = (Op("interpolate", 0), *V[:2]), (*V[2:], *V[:2])
        inside = execute(opening, part, {0: states[i], 1: below})
        for _ in range(CYCLES if i else 0):
            left, size = _residual(levels[i]), sizes[i]
            if left is not None and size is not None and bool((left < SOLVED * size).all()):
                break
            inside = execute(rest, part, dict(enumerate(inside)))
        below = inside[0]
    yield from _turns(mg, inside, sizes[0])


def turning(mg: PoissonMultigrid, f: Tensor, u: Tensor | None) -> Iterator[Step]:
    """The iterates of `mg.program`, a cycle that has a `head`, each after a head.

    f, u: (B, 1, *grid); u is written to where it is an iterate, never where it is the one given.
    """
    levels = _levels(mg)
    levels[0].release()
    yield from _turns(mg, execute(cast(Program, head(mg.program)), levels, State(u, f)))


def _turns(mg: PoissonMultigrid, states: list[State], size: Tensor | None = None) -> Iterator[Step]:
    """From the states after a head on."""
    opening, levels = cast(Program, head(mg.program)), _levels(mg)
    around = mg.program[len(opening) :] + opening
    float64 = mg.problem.dtype == torch.float64  # of others norms are to be more exact than they are
    while True:
        yield Step(cast(Tensor, states[0].u), _norms(levels[0]) if float64 else None, size)
        states = execute(around, levels, dict(enumerate(states)))


def _levels(mg: PoissonMultigrid) -> list[AbstractLevel]:
    return cast(list[AbstractLevel], list(mg.levels))


def _residual(level: AbstractLevel) -> Tensor | None:
    """‖f - A u‖ as the last "down" found it; composed levels do not tell."""
    norms = _norms(level)
    return None if norms is None else norms.residual


def _norms(level: AbstractLevel) -> Norms | None:
    return level.norms_of_down if isinstance(level, AbstractFusedLevel) else None
