"""The cycle as data: a tuple of `Op(kind, level)`, made once, as Runge-Kutta methods have a Butcher tableau.

Level 0 is the finest. The same tuple is executed (`unified.multigrid`), drawn (`draw`) and priced
(`work_units`).

    pre l          smooth on level l, on the way down
    down l         l -> l+1: restrict the residual (and u, in the full approximation scheme)
    solve l        solve on level l (the coarsest)
    up l           l+1 -> l: add the prolonged coarse correction
    post l         smooth on level l, on the way up
    interpolate l  l+1 -> l: the coarse solution itself as the start on level l (nested iteration)
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args

from .errors import ArgumentError, whole

Kind = Literal["pre", "down", "solve", "up", "post", "interpolate"]
CycleKind = Literal["V", "W", "F"]


class Op(NamedTuple):
    """One operation of a program, on one level.

    >>> print(Op("down", 0))
    down0
    """

    kind: Kind
    level: int

    def __str__(self) -> str:
        return f"{self.kind}{self.level}"


Program = tuple[Op, ...]

# What is visited below a level: a V-cycle visits one V, a W-cycle two Ws, an F-cycle an F and then a V
# (Trottenberg, Oosterlee & Schueller 2001, section 2.4).
_CHILDREN: dict[str, str] = {"V": "V", "W": "WW", "F": "FV"}


def cycle(kind: CycleKind, n_levels: int) -> Program:
    """A V-, W- or F-cycle over `n_levels` levels.

    The coarsest level is solved once a visit of its parent: a second exact solve would change nothing.

    >>> print(*cycle("V", 3))
    pre0 down0 pre1 down1 solve2 up1 post1 up0 post0
    >>> print(*cycle("W", 3))
    pre0 down0 pre1 down1 solve2 up1 post1 pre1 down1 solve2 up1 post1 up0 post0
    """
    _check(kind, n_levels)
    return _cycle(kind, 0, n_levels)


def _cycle(kind: str, level: int, n_levels: int) -> Program:
    if level == n_levels - 1:
        return (Op("solve", level),)
    children = _CHILDREN[kind] if level + 1 < n_levels - 1 else kind
    below = tuple(op for child in children for op in _cycle(child, level + 1, n_levels))
    return (Op("pre", level), Op("down", level), *below, Op("up", level), Op("post", level))


def backslash(n_levels: int) -> Program:
    r"""The way down alone, `(pre down)* pre`: a \-cycle. This is MgNet (He & Xu 2019, algorithm 3).

    >>> print(*backslash(3))
    pre0 down0 pre1 down1 pre2
    """
    _check_levels(n_levels)
    steps = tuple(Op(kind, level) for level in range(n_levels) for kind in ("pre", "down"))
    return steps[:-1]


def fmg(n_levels: int, kind: CycleKind = "V", cycles: int = 1, finest: int | None = None) -> Program:
    """Full multigrid: solve the coarsest, then on each finer level interpolate and run `cycles` cycles.

    The first downs carry f to every level: from u = 0 the residual is f itself. finest: cycles on the finest level, if
    not as many; 0 ends with the interpolation.

    >>> print(*fmg(2))
    down0 solve1 interpolate0 pre0 down0 solve1 up0 post0
    """
    _check(kind, n_levels)
    whole("cycles", cycles, do="use cycles=1")
    if finest is not None:
        whole("finest", finest, least=0, do="use finest=0")
    ops = [Op("down", level) for level in range(n_levels - 1)] + [Op("solve", n_levels - 1)]
    for level in reversed(range(n_levels - 1)):
        times = cycles if level or finest is None else finest
        ops += [Op("interpolate", level), *times * _cycle(kind, level, n_levels)]
    return tuple(ops)


def named(name: str, n_levels: int) -> Program:
    """The program of that name: "V", "W", "F", "backslash" or "fmg"."""
    if name in _CHILDREN:
        return cycle(name, n_levels)  # type: ignore[arg-type]
    if name in ("backslash", "fmg"):
        return backslash(n_levels) if name == "backslash" else fmg(n_levels)
    raise ArgumentError("program", got=repr(name), expected="one of V, W, F, backslash, fmg", do='use "V"')


def validate(program: Sequence[Op], n_levels: int) -> Program:
    """The program as a tuple, if its ops are known, on levels that exist, each where the last one ended."""
    try:
        program = tuple(Op(kind, operator.index(level)) for kind, level in program)
    except (TypeError, ValueError) as error:
        do = "build programs with cycle, backslash or fmg"
        raise ArgumentError("program", got=repr(program), expected="a sequence of Op(kind, level)", do=do) from error
    level = 0
    for position, op in enumerate(program):
        where = op.level + (op.kind in ("up", "interpolate"))
        lowest = op.level + (op.kind in ("down", "up", "interpolate"))
        if op.kind not in get_args(Kind) or not 0 <= op.level <= lowest < n_levels or where != level:
            raise ArgumentError(
                f"program[{position}]",
                got=str(op),
                expected=f"an op that starts on level {level} of {n_levels}",
                do="build programs with cycle, backslash or fmg",
            )
        level = {"down": op.level + 1, "up": op.level, "interpolate": op.level}.get(op.kind, level)
    return program


class Pass(NamedTuple):
    """Ops that follow each other on one level: what a fused level does in one pass over memory."""

    kinds: tuple[Kind, ...]
    level: int


def passes(program: Sequence[Op]) -> list[Pass]:
    """The program, cut where the level changes.

    >>> for kinds, level in passes(2 * cycle("V", 2)):
    ...     print(level, *kinds)
    0 pre down
    1 solve
    0 up post pre down
    1 solve
    0 up post
    """
    out: list[Pass] = []
    for kind, level in program:
        if out and out[-1].level == level:
            out[-1] = Pass((*out[-1].kinds, kind), level)
        else:
            out.append(Pass((kind,), level))
    return out


def visits(program: Sequence[Op], first: int) -> list[Program]:
    """The program, cut where it enters or leaves level `first` and the coarser ones.

    >>> for part in visits(cycle("W", 3), 1):
    ...     print(*part)
    pre0 down0
    pre1 down1 solve2 up1 post1 pre1 down1 solve2 up1 post1
    up0 post0
    """
    out: list[list[Op]] = []
    for kind, level in program:
        if not out or (out[-1][-1].level >= first) != (level >= first):
            out.append([])
        out[-1].append(Op(kind, level))
    return [tuple(part) for part in out]


def draw(program: Sequence[Op]) -> str:
    r"""The program as a picture: one row a level, one column an op.

    `o` pre, `*` post, `#` solve, `\` down, `/` up, `:` interpolate.

    >>> print(draw(cycle("V", 3)))
    o       *
     \     /
      o   *
       \ /
        #
    """
    marks = {"pre": "o", "post": "*", "solve": "#", "down": "\\", "up": "/", "interpolate": ":"}
    depth = max((op.level + (op.kind not in ("pre", "post", "solve")) for op in program), default=0)
    rows = [[" "] * len(program) for _ in range(2 * depth + 1)]
    for column, op in enumerate(program):
        rows[2 * op.level + (op.kind in ("down", "up", "interpolate"))][column] = marks[op.kind]
    return "\n".join("".join(row).rstrip() for row in rows)


def work_units(program: Sequence[Op], *, steps: int = 1, coarsening: int = 4) -> float:
    """Cost in work units: one is an application of A on the finest level (Brandt 1977).

    A smoothing op costs `steps` of them, `down` one (its residual), transfers and the coarsest solve nothing;
    each level is `coarsening` times smaller than the one above.

    >>> work_units(cycle("V", 3), steps=2)
    6.25
    """
    cost = {"pre": steps, "post": steps, "down": 1}
    return float(sum(cost.get(op.kind, 0) * coarsening**-op.level for op in program))


def _check(kind: str, n_levels: int) -> None:
    if kind not in _CHILDREN:
        raise ArgumentError("kind", got=repr(kind), expected="one of V, W, F", do='use "V"')
    _check_levels(n_levels)


def _check_levels(n_levels: int) -> None:
    whole("n_levels", n_levels, do="give at least one level")
