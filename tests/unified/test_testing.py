"""Each contract kit passes on a good object and fails on one with a planted fault."""

import pytest
import torch
from torch import nn

from unified import (
    AbstractMultigrid,
    AbstractSmoother,
    Factor,
    Level,
    MapCorrection,
    Relaxation,
    State,
    StencilConv,
    StencilTranspose,
    backslash,
    cycle,
    full_weighting,
    polynomial,
    residual,
    testing,
)

LIKE = torch.empty(2, 1, 7, dtype=torch.float64)
COARSE = torch.empty(2, 1, 3, dtype=torch.float64)
A = StencilConv(torch.tensor([-1.0, 2.0, -1.0], dtype=torch.float64), padding=1)
R = StencilConv(full_weighting(1), stride=2)
P = StencilTranspose(full_weighting(1), scale=2.0)


def fails(message):
    return pytest.raises(AssertionError, match=message)


def test_assert_equal():
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    testing.assert_equal("x", x, x * (1 + 1e-12))
    testing.assert_equal("x", None, None)
    with fails(r"x: differs by 5\.0e-11 relative \(allowed 3\.7e-11\), most at \(0,\): got 1\.0"):
        testing.assert_equal("x", x + torch.tensor([1e-10, 0.0], dtype=torch.float64), x)
    with fails(r"x: got float32 \(2,\), want float64 \(2,\)"):
        testing.assert_equal("x", x.float(), x)
    with fails(r"x: got float64 \(1, 2\), want float64 \(2,\)"):
        testing.assert_equal("x", x[None], x)
    with fails(r"x: got None, want float64"):
        testing.assert_equal("x", None, x)
    for bad in (float("nan"), float("inf")):
        for got, want in ((x * bad, x * bad), (x, x * bad), (x * bad, x)):
            with fails("x: differs by inf"):
                testing.assert_equal("x", got, want)
    with fails("allowed 0.0e[+]00"):
        testing.assert_equal("x", x * (1 + 1e-15), x, rtol=0.0)


def test_check_linear():
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        testing.check_linear(A, LIKE.to(dtype))
    with fails(r"A: A\(0\) is not zero"):
        testing.check_linear(lambda x: A(x) + 1, LIKE)
    with fails(r"A: A\(2x - 3y\): differs"):
        testing.check_linear(lambda x: A(x).abs(), LIKE)
    with fails("in place"):
        testing.check_linear(lambda x: x.mul_(2), LIKE)


def test_check_symmetric_positive():
    testing.check_symmetric_positive(A, LIKE)
    skew = StencilConv(torch.tensor([-1.0, 2.0, -0.5], dtype=torch.float64), padding=1)
    with fails("<A x, y> and <x, A y>: .* of the norms apart"):
        testing.check_symmetric_positive(skew, LIKE)
    with fails(r"<x, A x> = -.* is not positive"):
        testing.check_symmetric_positive(lambda x: -A(x), LIKE)


def test_check_adjoint():
    testing.check_adjoint(R, P, LIKE, COARSE, scale=2.0)
    with fails("P: <x, P y> and 1 <R x, y>"):
        testing.check_adjoint(R, P, LIKE, COARSE)
    with fails(r"R: gives shape \(2, 1, 4\), want \(2, 1, 3\)"):
        testing.check_adjoint(StencilConv(full_weighting(1), stride=2, padding=1), P, LIKE, COARSE)
    with fails(r"P: gives shape \(2, 1, 5\), want \(2, 1, 7\)"):
        testing.check_adjoint(R, StencilTranspose(full_weighting(1), padding=1), LIKE, COARSE)


class FromNone(AbstractSmoother):
    def forward(self, A, u, f):
        return 0.4 * f if u is None else u + 0.3 * (f - A(u))


class Undamped(AbstractSmoother):
    def forward(self, A, u, f):
        return 0.9 * f if u is None else 0.9 * (u + f - A(u))


class InPlace(AbstractSmoother):
    def __init__(self, name):
        super().__init__()
        self.name = name

    def forward(self, A, u, f):
        new = 0.3 * residual(A, u, f) + (0 if u is None else u)
        if u is not None:
            {"u": u, "f": f}[self.name].copy_(new)
        return new


def test_check_smoother():
    smoother = polynomial([1.0, 2.0, 3.5])
    testing.check_smoother(smoother, A, LIKE, reduces=0.5)
    testing.check_smoother(smoother, A, LIKE.float())
    testing.check_smoother(Relaxation(1, Factor(0.3), tau=nn.ReLU()), A, LIKE, fixed_point=False, reduces=None)
    with fails("start None against zeros: differs by"):
        testing.check_smoother(FromNone(), A, LIKE)
    with fails("at the solution: differs by"):
        testing.check_smoother(Undamped(), A, LIKE)
    with fails(r"the residual is multiplied by [\d.]+, want below 1"):
        testing.check_smoother(polynomial([0.2]), A, LIKE)
    for name in "uf":
        with fails(f"changes {name} in place"):
            testing.check_smoother(InPlace(name), A, LIKE)


def level(**changes):
    smoother = polynomial([1.0, 3.5])
    parts = {"A": A, "pre": smoother, "post": smoother, "R": R, "Pi": R, "P": P, "solve": smoother} | changes
    return Level(**parts)


class Changed(nn.Module):
    """Gives what its map gives, times a factor, and may spoil its input."""

    def __init__(self, map, factor=1.0, spoil=False):
        super().__init__()
        self.map, self.factor, self.spoil = map, factor, spoil

    def forward(self, *x):
        y = self.factor * self.map(*x)
        if self.spoil:
            x[-1].zero_()
        return y


BELOW = (Level(A), COARSE)
KINDS = ("pre", "post", "solve", "down", "up", "interpolate")


def test_check_level_equal_passes_on_an_equal_level():
    testing.check_level_equal(level(), level(), LIKE, LIKE, coarse=BELOW, kinds=KINDS)
    testing.check_level_equal(level(Pi=None), level(Pi=None), LIKE, LIKE, coarse=BELOW)
    testing.check_level_equal(level(), level(), LIKE.float(), LIKE.float(), coarse=(Level(A), COARSE.float()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pre": polynomial([1.0]), "post": polynomial([1.0, 3.5])}, r"pre from \(f\): u: differs by"),
        ({"post": polynomial([1.1, 3.5])}, r"post from \(f\): u: differs by"),
        ({"solve": polynomial([1.0])}, r"solve from \(f\): u: differs by"),
        ({"R": Changed(R, 1 + 1e-9)}, r"down from \(f\): the coarse state: f: differs by 1\.0e-09"),
        ({"R": Changed(R, spoil=True)}, r"down from \(f\): the fine state: f: differs by"),
        ({"Pi": None}, r"down from \(u, f\): the coarse state: u: got None, want float64"),
        ({"P": Changed(P, 2.0)}, r"up from \(f\): u: differs by 1\.0e[+]00"),
        ({"interpolation": Changed(P, 2.0)}, r"interpolate from \(f\): u: differs by 1\.0e[+]00"),
        ({"interpolation": Changed(P, spoil=True)}, r"interpolate from \(f\): (below|the coarse state: u): differs"),
    ],
    ids=range(9),
)
def test_check_level_equal_finds_a_difference(changes, message):
    with fails(message):
        testing.check_level_equal(level(**changes), level(), LIKE, LIKE, coarse=BELOW, kinds=KINDS)


def test_check_level_equal_asks_for_the_coarse_level():
    with fails(r"down: give coarse=\(the next level, a tensor like its u\)"):
        testing.check_level_equal(level(), level(), LIKE, LIKE)


class Net(AbstractMultigrid):
    """Two levels of convolutions, read out at the end of the way down."""

    def __init__(self, fault=None):
        def conv(*arguments):
            return nn.Conv1d(*arguments, padding=1, bias=False)

        shared = conv(2, 2, 3)
        levels = []
        for i in range(2):
            B = nn.Sequential(conv(2, 2, 3), nn.BatchNorm1d(2))
            smoother = Relaxation(
                2,
                [MapCorrection(B) for _ in range(2)] if fault == "shared" else MapCorrection(B),
                psi=nn.Tanh(),
            )
            stride = {"R": nn.Conv1d(2, 2, 3, 2), "Pi": nn.Conv1d(2, 2, 3, 2)} if i == 0 else {}
            A = shared if fault == "tied" else conv(2, 2, 3)
            levels.append(Level(A, smoother, **stride))
        super().__init__(levels, backslash(2))
        self.fault, self.calls = fault, 0
        self.unused = nn.Linear(1, 1) if fault == "unused" else None
        self.gain = nn.Parameter(torch.zeros(()))

    def encode(self, f):
        return State(None, f)

    def decode(self, states):
        self.calls += 1
        out = states[-1].u.mean(-1)
        match self.fault:
            case "nan":
                return out / 0 * 0 + self.gain
            case "memory":
                return out + self.calls + self.gain
            case "zero":
                return out + 0 * self.gain
            case "explode":
                return out + self.gain.sqrt()
        return out + self.gain


def test_check_multigrid():
    net = Net().train()
    before = {key: value.clone() for key, value in net.state_dict().items()}
    testing.check_multigrid(net, torch.randn(4, 2, 9))
    testing.check_multigrid(net, torch.randn(4, 2, 9), fresh=Net())
    assert net.training
    assert all(p.grad is None for p in net.parameters())
    for key, value in net.state_dict().items():
        assert torch.equal(value, before[key]), key


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("nan", "forward: 8 of 8 values not finite"),
        ("memory", "forward: the second time: differs by"),
        ("unused", "gradient: unused.weight gets none"),
        ("zero", "gradient: gain: zero throughout"),
        ("explode", "gradient: gain: not finite"),
        ("tied", "state_dict: levels.0.A.weight and levels.1.A.weight share one storage"),
        ("shared", "share one storage"),
    ],
)
def test_check_multigrid_finds_the_fault(fault, message):
    with fails(message):
        testing.check_multigrid(Net(fault), torch.randn(4, 2, 9))


class Hidden(AbstractMultigrid):
    """Keeps a weight where no state dict sees it."""

    def __init__(self, weight):
        super().__init__([level(Pi=None, solve=polynomial([2.0])) for _ in range(2)], cycle("V", 2))
        self.weight = weight

    def encode(self, f):
        return State(None, f)

    def decode(self, states):
        return self.weight * states[0].u


def test_check_multigrid_finds_what_a_state_dict_misses():
    testing.check_multigrid(Hidden(1.0), torch.randn_like(LIKE))  # no parameter: nothing to be trained
    with fails("state_dict: forward after a round trip: differs by"):
        testing.check_multigrid(Hidden(1.0), torch.randn_like(LIKE), fresh=Hidden(2.0))
