"""Levels, and the one executor that runs a program on them: for a Poisson problem and for a classifier alike.

A level holds a state (u, f, u0). Everything is the full approximation scheme (Brandt 1977):

    down   u_c = Pi u ;  f_c = R(f - A u) + A_c u_c ;  u0_c = u_c
    up     u <- u + P(u_c - u0_c)

The correction form of linear multigrid is the case Pi = 0.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast, final

from torch import Tensor, nn

from .errors import ArgumentError
from .program import Kind, Op, Program, passes, validate, visits
from .smoother import AbstractSmoother, TensorMap, residual


class State(NamedTuple):
    """What a level holds. None is the zero of the solution space (right only where A(0) = 0)."""

    u: Tensor | None  # (B, C_u, *grid), solution (feature) space
    f: Tensor  # (B, C_f, *grid), data space
    u0: Tensor | None = None  # u as it was when the level was entered
    below: Tensor | None = None  # nested iteration: the coarser level's solution, from which u was interpolated
    product: Tensor | None = None  # A u0, where it is known: it is not computed again


# levels, a program and the state with which their finest was entered -> the states of all levels visited, as `execute`
Rest = Callable[[Sequence["AbstractLevel"], Program, State], list[State]]


class AbstractLevel(nn.Module, ABC):
    """What the executor calls. A fused level does the same in fewer passes over memory.

    rest: a way to run what a program does on this level and on all coarser ones, from when it is entered until it is
    left; None: level by level. It is handed these levels and keeps none: one that kept its own level would keep the
    memory of both until garbage is looked for.
    """

    A: TensorMap
    rest: Rest | None = None

    def run(
        self, kinds: Sequence[Kind], state: State, below: State | None, coarse: AbstractLevel | None
    ) -> tuple[State, State | None]:
        """Ops that follow each other on this level, one by one; a fused level does them in one pass over memory.

        below: the coarser level's state, for "up" and "interpolate", and the one that "down" returns.
        """
        for kind in kinds:
            match kind:
                case "pre":
                    state = self.pre(state)
                case "post":
                    state = self.post(state)
                case "solve":
                    state = self.solve(state)
                case "down":
                    assert coarse is not None
                    below = self.down(state, coarse)
                case "up":
                    assert below is not None
                    state = self.up(state, below)
                case "interpolate":
                    assert below is not None
                    state = self.interpolate(state, below)
                case _:
                    raise ArgumentError("program", got=repr(kind), expected="kinds of Op", do="see unified.program")
        return state, below

    def release(self) -> None:
        """Give up what left with the last run: called before one begins. Only levels with work arrays have any."""

    @abstractmethod
    def pre(self, state: State) -> State:
        """Smooth, on the way down."""

    @abstractmethod
    def down(self, state: State, coarse: AbstractLevel) -> State:
        """The state with which the coarse level is entered."""

    @abstractmethod
    def solve(self, state: State) -> State:
        """Solve on this level."""

    @abstractmethod
    def up(self, state: State, coarse: State) -> State:
        """Add the prolonged coarse correction."""

    @abstractmethod
    def post(self, state: State) -> State:
        """Smooth, on the way up."""

    @abstractmethod
    def interpolate(self, state: State, coarse: State) -> State:
        """Take the interpolated coarse solution as u (nested iteration)."""


@final
class Level(AbstractLevel):
    """A level composed of maps: runs on any device and dtype, with autograd.

    A: solution to data space. pre, post: smoothers; the same object for both is stored once, None smooths
    nothing. R: restriction of residuals to the next level; Pi: restriction of u, None is zero (correction
    form); P: prolongation from the next level; interpolation: that of solutions in nested iteration, P if
    None; extrapolation: what the next level's solution and the one below it tell of the solution here, on the next
    level, in place of its solution. solve: a smoother that solves. What a program does not use may be left out.
    """

    def __init__(
        self,
        A: nn.Module,
        pre: AbstractSmoother | None = None,
        post: AbstractSmoother | None = None,
        *,
        R: nn.Module | None = None,
        Pi: nn.Module | None = None,
        P: nn.Module | None = None,
        interpolation: nn.Module | None = None,
        extrapolation: nn.Module | None = None,
        solve: AbstractSmoother | None = None,
    ) -> None:
        super().__init__()
        self.A = A
        self.pre_smoother, self.post_is_pre = pre, post is pre
        self.post_smoother = None if post is pre else post
        self.R, self.Pi, self.P, self.interpolation, self.solver = R, Pi, P, interpolation, solve
        self.extrapolation = extrapolation

    @property
    def smoothers(self) -> tuple[AbstractSmoother | None, AbstractSmoother | None]:
        """Those of the way down and up, as given: one object where one was given for both."""
        return self.pre_smoother, self.pre_smoother if self.post_is_pre else self.post_smoother

    def pre(self, state: State) -> State:
        return self._smooth(self.smoothers[0], state)

    def post(self, state: State) -> State:
        return self._smooth(self.smoothers[1], state)

    def solve(self, state: State) -> State:
        return self._smooth(_needed("solve", self.solver), state)

    def _smooth(self, smoother: nn.Module | None, state: State) -> State:
        return state if smoother is None else state._replace(u=smoother(self._operator(state), state.u, state.f))

    def _operator(self, state: State) -> TensorMap:
        """A, which does not compute A u0 where that is known and u is still u0."""
        u0, product = state.u0, state.product
        if product is None or state.u is not u0:
            return self.A
        return lambda x: product if x is u0 else self.A(x)

    def down(self, state: State, coarse: AbstractLevel) -> State:
        r = _needed("R", self.R)(residual(self._operator(state), state.u, state.f))
        u = None if self.Pi is None or state.u is None else self.Pi(state.u)
        if u is None:
            return State(None, r)
        product = coarse.A(u)
        return State(u, r + product, u, product=product)

    def up(self, state: State, coarse: State) -> State:
        d = _needed("P", self.P)(change(coarse))
        return state._replace(u=d if state.u is None else state.u + d)

    def interpolate(self, state: State, coarse: State) -> State:
        P = self.P if self.interpolation is None else self.interpolation
        u = best = solution(coarse)
        if self.extrapolation is not None and coarse.below is not None:
            best = self.extrapolation(u, coarse.below)
        return state._replace(u=_needed("P", P)(best), below=u)


def change(state: State) -> Tensor:
    """`u - u0`: what a level has added since it was entered."""
    u = solution(state)
    return u if state.u0 is None else u - state.u0


def solution(state: State) -> Tensor:
    """u of a level that the program has worked on."""
    if state.u is None:
        raise ArgumentError(
            "program",
            got="an untouched level where its u is needed",
            expected="pre or solve on it first",
            do="see cycle",
        )
    return state.u


def _needed(name: str, part: nn.Module | None) -> nn.Module:
    if part is None:
        raise ArgumentError(
            name, got="None", expected=f"a map, since the program uses {name}", do=f"give {name} to the level"
        )
    return part


def execute(program: Sequence[Op], levels: Sequence[AbstractLevel], state: State | Mapping[int, State]) -> list[State]:
    """Run a program from a state of the finest level; the states of all levels visited, finest first.

    state: or those of several levels, by number, where the program goes on from. What happens on and below the first
    level with a `rest` is left to that; not if it is the finest of these, so that a rest can be made of this function.
    """
    states = {0: state} if isinstance(state, State) else dict(state)
    rests = [(i, level.rest) for i, level in enumerate(levels) if i and level.rest is not None]
    first, rest = rests[0] if rests else (len(levels), None)
    lower = [] if rest is None else list(levels)[first:]
    for part in visits(program, first):
        if rest is not None and part[0].level == first:
            visited = rest(lower, tuple(Op(kind, i - first) for kind, i in part), states[first])
            states.update(enumerate(visited, first))
            continue
        for kinds, i in passes(part):
            coarse = levels[i + 1] if i + 1 < len(levels) else None
            states[i], below = levels[i].run(kinds, states[i], states.get(i + 1), coarse)
            if below is not None:
                states[i + 1] = below
    return [states[i] for i in sorted(states)]


class AbstractMultigrid(nn.Module, ABC):
    """Encode, run a program, decode. A solver decodes the finest u; a classifier reads out the coarsest."""

    program: Program

    def __init__(self, levels: Sequence[AbstractLevel], program: Sequence[Op]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(levels)
        self.program = validate(program, len(levels))

    @abstractmethod
    def encode(self, *inputs: Tensor) -> State:
        """The finest level's state."""

    @abstractmethod
    def decode(self, states: list[State]) -> Tensor:
        """The output, from the states of all levels."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """`run` and `forward` are final; type checkers know nn.Module.forward as a variable, not a method."""
        super().__init_subclass__(**kwargs)
        for name in {"run", "forward"} & cls.__dict__.keys():
            raise TypeError(f"{cls.__name__}.{name}: AbstractMultigrid.{name} is final; override encode and decode")

    @final
    def run(self, state: State) -> list[State]:
        """The states of all levels after the program."""
        return execute(self.program, cast(Sequence[AbstractLevel], self.levels), state)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.decode(self.run(self.encode(*inputs)))
