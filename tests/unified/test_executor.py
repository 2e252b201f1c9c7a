"""The one executor: what it calls, in which order, and what the levels hold."""

import pytest
import torch
from torch import nn

from tests.unified.test_program import PROGRAMS
from unified import (
    AbstractLevel,
    AbstractMultigrid,
    AbstractSmoother,
    ArgumentError,
    Level,
    State,
    StencilConv,
    StencilTranspose,
    cycle,
    execute,
    full_weighting,
    polynomial,
)
from unified.program import named


class Recorder(AbstractLevel):
    """Does nothing but write down what it is asked for."""

    def __init__(self, index, trace):
        super().__init__()
        self.index, self.trace = index, trace

    def _record(self, kind, state):
        self.trace.append(f"{kind}{self.index}")
        return state

    def pre(self, state):
        return self._record("pre", state)

    def post(self, state):
        return self._record("post", state)

    def solve(self, state):
        return self._record("solve", state)

    def down(self, state, coarse):
        assert coarse.index == self.index + 1
        return self._record("down", State(None, state.f + 1))

    def up(self, state, coarse):
        assert float(coarse.f) == self.index + 1
        return self._record("up", state)

    def interpolate(self, state, coarse):
        assert float(coarse.f) == self.index + 1
        return self._record("interpolate", state)


@pytest.mark.parametrize("name", PROGRAMS)
def test_executor_follows_the_program(name):
    trace = []
    levels = [Recorder(i, trace) for i in range(4)]
    states = execute(named(name, 4), levels, State(None, torch.tensor(0.0)))
    assert " ".join(trace) == PROGRAMS[name]
    assert [float(state.f) for state in states] == [0, 1, 2, 3]  # all levels visited, finest first


def test_states_of_levels_not_visited_are_left_out():
    assert len(execute(cycle("V", 2), [Recorder(i, []) for i in range(4)], State(None, torch.tensor(0.0)))) == 2


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return self.factor * x


def test_full_approximation_scheme_in_numbers():
    """down: u_c = Pi u, f_c = R(f - A u) + A_c u_c, u0_c = u_c; up: u + P(u_c - u0_c)."""
    fine = Level(Times(2.0), R=Times(3.0), Pi=Times(5.0), P=Times(7.0))
    coarse = Level(Times(11.0))
    state = State(torch.tensor([1.0]), torch.tensor([4.0]))
    below = fine.down(state, coarse)
    assert [float(x) for x in below[:3]] == [5, 3 * (4 - 2) + 11 * 5, 5]
    after = fine.up(state, below._replace(u=below.u + 1))
    assert [float(after.u), float(after.f), after.u0] == [8, 4, None]
    assert float(fine.interpolate(state, below).u) == 35


class Counted(nn.Module):
    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return 2.0 * x


@pytest.mark.parametrize("smooths", [True, False])
def test_a_level_entered_with_u_does_not_compute_its_product_again(smooths):
    """On entering, for each step but the first, and on leaving; a smoother that does nothing leaves u as it was."""
    pre = polynomial([1.0, 3.0]) if smooths else None
    levels = [Level(Counted(), pre, R=Times(3.0), Pi=Times(5.0), P=Times(7.0)) for _ in range(3)]
    levels[-1] = Level(Counted(), solve=polynomial([2.0]))
    execute(cycle("V", 3), levels, State(torch.tensor([1.0]), torch.tensor([4.0])))
    assert [level.A.calls for level in levels] == ([3, 3, 1] if smooths else [1, 1, 1])


def test_correction_form_is_pi_zero():
    fine, coarse = Level(Times(2.0), R=Times(3.0), P=Times(7.0)), Level(Times(11.0))
    below = fine.down(State(torch.tensor([1.0]), torch.tensor([4.0])), coarse)
    assert below.u is None
    assert below.u0 is None
    assert float(below.f) == 6
    up = fine.up(State(None, torch.tensor([4.0])), State(torch.tensor([2.0]), below.f))
    assert float(up.u) == 14


def test_interpolation_has_its_own_map_and_may_be_empty():
    state, coarse = State(None, torch.tensor([1.0])), State(torch.tensor([3.0]), torch.tensor([1.0]))
    own = Level(Times(1.0), P=Times(2.0), interpolation=nn.Sequential())  # the identity, with length 0
    assert float(own.interpolate(state, coarse).u) == 3
    assert float(Level(Times(1.0), P=Times(2.0)).interpolate(state, coarse).u) == 6


def test_no_smoother_changes_nothing():
    state = State(None, torch.ones(1))
    level = Level(Times(2.0))
    assert level.pre(state) is state
    assert level.post(state) is state


@pytest.mark.parametrize(("kind", "argument"), [("solve", "solve"), ("down", "R"), ("up", "P"), ("interpolate", "P")])
def test_missing_slot_is_named(kind, argument):
    level, state = Level(Times(1.0)), State(torch.ones(1), torch.ones(1))
    arguments = {"solve": (), "down": (level,), "up": (state,), "interpolate": (state,)}[kind]
    with pytest.raises(ArgumentError, match=rf"^{argument}: got None; expected a map, since the program uses"):
        getattr(level, kind)(state, *arguments)


@pytest.mark.parametrize("kind", ["up", "interpolate"])
def test_way_up_from_an_untouched_level(kind):
    level, state = Level(Times(1.0), P=Times(1.0)), State(None, torch.ones(1))
    with pytest.raises(ArgumentError, match="program: got an untouched level where its u is needed"):
        getattr(level, kind)(state, state)


def test_an_unknown_kind_is_not_passed_over():
    with pytest.raises(ArgumentError, match="program: got 'smooth'"):
        execute([("smooth", 0)], [Level(Times(1.0))], State(None, torch.ones(1)))


def test_one_smoother_for_both_ways_is_stored_once():
    smoother = polynomial([1.0, 2.0], trainable=True)
    shared, split = Level(Times(1.0), smoother, smoother), Level(Times(1.0), smoother, polynomial([1.0]))
    assert list(shared.state_dict()) == ["pre_smoother.B.0.c1", "pre_smoother.B.1.c1"]
    assert list(split.state_dict()) == [*shared.state_dict(), "post_smoother.B.0.c1"]
    state = State(torch.ones(1), torch.full((1,), 3.0))
    assert torch.equal(shared.pre(state).u, shared.post(state).u)


class Multigrid(AbstractMultigrid):
    def encode(self, f):
        return State(None, f)

    def decode(self, states):
        return states[0].u


def poisson_1d(n_levels=3, degree=2):
    """-u'' on 2^(k+1) - 1 points of the unit interval; the coarsest has one point and is solved."""
    levels = []
    for i in reversed(range(n_levels)):
        h = 0.5 ** (i + 1)
        A = StencilConv(torch.tensor([-1.0, 2.0, -1.0], dtype=torch.float64) / h**2, padding=1)
        roots = [2 / h**2] if i == 0 else [1.0 / h**2, 3.5 / h**2, 2.0 / h**2][:degree]
        smoother = polynomial(roots)
        R = StencilConv(full_weighting(1), stride=2)
        P = StencilTranspose(full_weighting(1), stride=2, scale=2.0)
        levels.append(Level(A, smoother, smoother, R=R, P=P, solve=smoother if i == 0 else None))
    return levels


def test_forward_is_encode_run_decode():
    mg = Multigrid(poisson_1d(), cycle("V", 3))
    f = torch.randn(2, 1, 7, dtype=torch.float64)
    states = mg.run(State(None, f))
    assert [state.f.shape[-1] for state in states] == [7, 3, 1]
    assert torch.equal(mg(f), states[0].u)


def test_program_is_validated_on_the_levels():
    with pytest.raises(ArgumentError, match=r"program\[5\]"):
        Multigrid(poisson_1d(3), cycle("V", 4))


def test_run_and_forward_are_final():
    for name in ("run", "forward"):
        with pytest.raises(TypeError, match=f"{name} is final; override encode and decode"):
            type("Mine", (Multigrid,), {name: lambda self, x: x})


def test_abstract_classes_are_not_made():
    for kind in (AbstractLevel, AbstractMultigrid, AbstractSmoother):
        with pytest.raises(TypeError, match="abstract"):
            kind()


def test_a_captured_w_cycle_has_no_graph_break():
    mg = Multigrid(poisson_1d(), cycle("W", 3))
    f = torch.randn(1, 1, 7, dtype=torch.float64)
    captured = torch.compile(mg, backend="eager", fullgraph=True)
    assert torch.equal(captured(f), mg(f))


def test_v_cycle_equals_its_matrix():
    """The iterates of dense matrices: S u + B f, then the coarse correction, level by level."""
    levels = poisson_1d(3)
    f = torch.randn(7, dtype=torch.float64)

    def dense(module, n):
        return module(torch.eye(n, dtype=torch.float64)[:, None])[:, 0].T

    def v(i, f):
        n = len(f)
        A = dense(levels[i].A, n)
        if i == 2:
            return torch.linalg.solve(A, f)
        u = torch.zeros(n, dtype=torch.float64)
        h2 = 4.0 ** -(3 - i)

        def smooth(u):
            for root in (3.5 / h2, 1.0 / h2):
                u = u + (f - A @ u) / root
            return u

        u = smooth(u)
        R = dense(levels[i].R, n)
        u = u + 2 * R.T @ v(i + 1, R @ (f - A @ u))
        return smooth(u)

    u = Multigrid(levels, cycle("V", 3))(f[None, None])[0, 0]
    torch.testing.assert_close(u, v(0, f), rtol=1e-13, atol=1e-15)
