"""The data-space form gives the iterates of the level it is made of."""

import pytest
import torch
from torch import nn

from tests.unified.test_program import PROGRAMS
from unified import (
    AbstractSmoother,
    ArgumentError,
    DataSpaceLevel,
    Factor,
    Level,
    MapCorrection,
    Relaxation,
    State,
    execute,
    polynomial,
)
from unified.program import named

SIZES = (12, 8, 5, 3)


class Matrix(nn.Module):
    """A linear map of the last axis."""

    def __init__(self, rows, columns, *, near_identity=False):
        super().__init__()
        matrix = torch.randn(rows, columns, dtype=torch.float64) / (3 * columns**0.5)
        self.weight = nn.Parameter(matrix + torch.eye(rows, dtype=torch.float64) if near_identity else matrix)

    def forward(self, x):
        return x @ self.weight.mT


class Exact(AbstractSmoother):
    def __init__(self, A):
        super().__init__()
        self.operator = [A]  # in a list: the level holds it

    def forward(self, A, u, f):
        return torch.linalg.solve(self.operator[0].weight, f.mT).mT


def smoother(n, kind):
    match kind:
        case "polynomial":
            return polynomial([0.8, 1 + 0.5j, 1 - 0.5j])
        case "mgnet":  # not linear: only A need be
            return Relaxation(2, MapCorrection(Matrix(n, n)), phi=nn.Tanh(), psi=[nn.ReLU(), nn.Tanh()])
        case "trained":
            return Relaxation(2, [Factor(0.5, 0.1, trainable=True), Factor(None, -0.2)])


def levels(kind, full):
    """Random levels; `full` for the full approximation scheme, else the correction form."""
    out = []
    for i, n in enumerate(SIZES):
        pre, A = smoother(n, kind), Matrix(n, n, near_identity=True)
        maps = {}
        if i + 1 < len(SIZES):
            m = SIZES[i + 1]
            maps = {"R": Matrix(m, n), "P": Matrix(n, m), "interpolation": Matrix(n, m)}
            maps["Pi"] = Matrix(m, n) if full else None
        post = pre if i % 2 else smoother(n, kind)
        out.append(Level(A, pre, post, solve=Exact(A) if i % 2 else pre, **maps))
    return out


@torch.no_grad()
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("kind", ["polynomial", "mgnet", "trained"])
@pytest.mark.parametrize("full", [False, True], ids=["correction", "full"])
@pytest.mark.parametrize("start", [False, True], ids=["zero", "random"])
def test_same_iterates(name, kind, full, start):
    parts = levels(kind, full)
    u, f = torch.randn(2, 3, 4, SIZES[0], dtype=torch.float64)
    u = u if start else None
    r = f if u is None else f - parts[0].A(u)
    states = execute(named(name, 4), parts, State(u, f))
    others = execute(named(name, 4), [DataSpaceLevel(part) for part in parts], State(u, r))
    size = max(float(state.u.abs().max()) for state in states)
    for part, state, other in zip(parts, states, others, strict=True):
        assert float((other.u - state.u).abs().max()) <= 1e-13 * size
        assert float((other.f - (state.f - part.A(state.u))).abs().max()) <= 1e-13 * size  # it carries r


def test_a_level_at_the_end_leaves_u_alone():
    (level, *_) = levels("mgnet", True)
    products = []
    level.A.register_forward_hook(lambda *_: products.append(1))
    u, f = torch.randn(2, 1, 1, SIZES[0], dtype=torch.float64)
    whole, ended = (DataSpaceLevel(level, ends=ends).pre(State(u, f)) for ends in (False, True))
    assert torch.equal(whole.u, ended.u)
    assert ended.f is None
    assert len(products) == 2 * level.pre_smoother.steps - 1


def test_two_cycles_continue():
    parts = levels("polynomial", True)
    others = [DataSpaceLevel(part) for part in parts]
    f = torch.randn(1, 1, SIZES[0], dtype=torch.float64)
    state, other = State(None, f), State(None, f)
    for _ in range(2):
        state, other = (execute(named("V", 4), x, s)[0] for x, s in ((parts, state), (others, other)))
    torch.testing.assert_close(other.u, state.u, rtol=1e-13, atol=1e-13)


def test_parts_are_shared_and_stored_once():
    (level, *_) = levels("mgnet", True)
    other = DataSpaceLevel(level)
    assert list(other.state_dict()) == [f"level.{key}" for key in level.state_dict()]
    assert {id(p) for p in other.parameters()} == {id(p) for p in level.parameters()}
    assert other.A is level.A


def test_no_smoother_changes_nothing():
    level, state = DataSpaceLevel(Level(Matrix(2, 2))), State(None, torch.ones(1, 2, dtype=torch.float64))
    assert level.pre(state) is state
    assert level.post(state) is state


@pytest.mark.parametrize("slot", ["pre", "post", "solve"])
def test_tau_is_refused(slot):
    with pytest.raises(ArgumentError, match=f"{slot}: got Relaxation; expected a Relaxation without tau"):
        DataSpaceLevel(Level(Matrix(2, 2), **{slot: Relaxation(1, Factor(1.0), tau=nn.ReLU())}))


@pytest.mark.parametrize("slot", ["pre", "post"])
def test_other_smoothers_are_refused(slot):
    with pytest.raises(ArgumentError, match=f"{slot}: got Exact; expected a Relaxation without tau"):
        DataSpaceLevel(Level(Matrix(2, 2), **{slot: Exact(Matrix(2, 2))}))
