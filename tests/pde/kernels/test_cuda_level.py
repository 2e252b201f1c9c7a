"""Hierarchies of a CUDA device against composed ones. Under the interpreter `test_triton.py` runs this file too."""

import copy
import gc
import importlib.util
import itertools
import math
import weakref

import pytest
import torch

import pde
from pde.hierarchy import PoissonMultigrid
from pde.kernels import build, choice
from pde.turning import nested, opened, turning
from unified import ArgumentError
from unified.multigrid import Level, State, execute
from unified.program import Op, cycle, fmg, named

from .interpreter import DEVICE, INTERPRETED, kernels
from .interpreter import quick as quick

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")

WALLS = ["periodic", ("neumann", "dirichlet")]
CASES = [  # shape, sides, points from which on levels are in one launch, degree, batch, program
    ((13, 10), WALLS, 36, 1, 1, "W"),
    ((14, 13), "neumann", 64, 1, 1, "fmg"),
    ((15, 14), "periodic", 1, 1, 1, "fmg"),  # only the coarsest
    ((10, 9), "dirichlet", 64, 2, 2, "V"),
    ((5, 5, 6), "dirichlet", 64, 1, 1, "F"),
]


@pytest.fixture(autouse=True)
def large(monkeypatch):
    """Tiles of whole planes under the interpreter, where a program takes as long as it has lines."""
    if INTERPRETED:
        from pde.kernels.gpu import launch

        for name in ("POINTS", "FEW"):
            monkeypatch.setattr(launch, name, 4096)


def both(shape, bc="dirichlet", *, limit=64, coarsest=9, **options):
    """A composed hierarchy on the CPU, and the same of kernels, whose finest levels have more points than the limit."""
    from pde.kernels.gpu import tail

    composed = pde.multigrid(pde.Poisson(shape, bc=bc), level="composed", coarsest=coarsest, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "LIMIT", limit)
        problem = pde.Poisson(shape, bc=bc, device=DEVICE)
        like = pde.multigrid(problem, level="composed", coarsest=coarsest, **options)
        levels, reason = build.on_cuda(problem, like.grids, list(like.levels))
    assert reason is None
    how = {"parts": like.parts, "mirrored": like.mirrored}
    return composed, PoissonMultigrid(problem, like.grids, levels, like.program, level="fused", **how)


def random(mg, batch=1):
    f = torch.randn(batch, 1, *mg.problem.shape, dtype=torch.float64)
    return f - f.flatten(1).mean(1).reshape(-1, *[1] * (f.ndim - 1)) if mg.problem.singular else f


def close(x, y):
    torch.testing.assert_close(x.cpu(), y, rtol=0, atol=1e-12 * float(y.abs().max()))


@kernels
@pytest.mark.parametrize(("shape", "bc", "limit", "degree", "batch", "name"), CASES, ids=str)
def test_programs_leave_the_states_of_composed_levels(shape, bc, limit, degree, batch, name):
    composed, fused = both(shape, bc, limit=limit, degree=degree)
    program = named(name, len(composed.grids))
    f = random(composed, batch)
    expected = composed.with_program(program).run(State(None, f))
    states = fused.with_program(program).run(State(None, f.to(DEVICE)))
    for state, other in zip(states, expected, strict=True):
        close(state.u, other.u)


@kernels
def test_each_op_is_that_of_the_composed_level():
    composed, fused = both((9, 10), WALLS, coarsest=4, degree=1)
    level, other = fused.levels[0], composed.levels[0]
    shapes = [composed.grids[i].shape for i in (0, 0, 1, 2)]
    u, f, e, d = (torch.randn(2, 1, *shape, dtype=torch.float64) for shape in shapes)
    for state in (State(None, f), State(u, f)):
        for op in ("pre", "post"):
            close(getattr(level, op)(on(state)).u, getattr(other, op)(state).u)
        close(level.down(on(state), fused.levels[1]).f, other.down(state, composed.levels[1]).f)
        close(level.up(on(state), on(State(e, e))).u, other.up(state, State(e, e)).u)
    norms, r = level.norms(*map(on, (u, f))), f - other.A(u)
    close(norms.residual, r.flatten(1).norm(dim=1))
    close(norms.solution, u.flatten(1).norm(dim=1))
    close(level.product(on(u)), other.A(u))
    for below in (None, d):
        start, expected = State(None, f), State(e, e, None, below)
        got, _ = level.run(["interpolate"], on(start), on(expected), fused.levels[1])
        wanted = other.interpolate(start, expected)
        close(got.u, wanted.u)
        close(got.below, wanted.below)


def on(x):
    """On the device: a tensor or a state."""
    return x.to(DEVICE) if isinstance(x, torch.Tensor) else State(*(y if y is None else y.to(DEVICE) for y in x))


@kernels
def test_turning_and_nested_iteration_are_cycles():
    composed, fused = both((9, 10), degree=1, coarsest=20)
    f = random(composed)
    n = len(composed.grids)
    head = cycle("V", n)[:2]
    nests = opened(n)[: opened(n).index(Op("interpolate", 0)) + 1]
    for steps, start in ((turning(fused, on(f), None), ()), (nested(fused, on(f)), nests)):
        for k, step in enumerate(itertools.islice(steps, 2)):
            program = (*start, *k * cycle("V", n), *head)
            u = execute(program, list(composed.levels), State(None, f))[0].u
            close(step.u, u)
            close(step.norms.residual, (f - composed.A(u)).flatten(1).norm(dim=1))


@kernels
def test_a_solve_with_its_gradient():
    composed, fused = both((7, 8), WALLS, coarsest=16)
    f, weights = random(composed)[0, 0], random(composed)[0, 0]
    solutions = []
    for mg, device, rtol in ((composed, "cpu", 1e-10), (fused, DEVICE, 1e-2)):
        rhs = f.to(device, copy=True).requires_grad_()
        solution = pde.solve(mg.problem, rhs, mg=mg, method="fmg", rtol=rtol)
        assert solution.result.ok
        (solution.u * weights.to(device)).sum().backward()
        solutions.append((solution.u.detach(), rhs.grad))
    assert solution.level == "fused"
    for x, y in zip(*solutions, strict=True):
        torch.testing.assert_close(y.cpu(), x, rtol=0, atol=3e-2 * float(x.abs().max()))


@kernels
def test_it_preconditions():
    composed, fused = both((7, 8), degree=1, coarsest=20)
    f = random(composed)[0, 0]
    expected, solution = (
        pde.solve(mg.problem, f.to(mg.problem.device), mg=mg, method="pcg", rtol=0, max_cycles=2)
        for mg in (composed, fused)
    )
    close(solution.u, expected.u)


@kernels
def test_results_are_new_tensors_and_work_arrays_are_not():
    _, fused = both((7, 7), coarsest=9)
    f = on(random(fused))
    first = fused(f)
    kept, memory = first.clone(), dict(fused.levels[0].memory.kept)
    second = fused(2 * f)
    assert torch.equal(first, kept)
    close(second, 2 * kept.cpu())
    now = fused.levels[0].memory.kept
    assert {key for key in now if now[key] is not memory[key]} == {(fused.levels[0]._key, "u")}
    copied = copy.deepcopy(fused)
    assert torch.equal(copied(torch.cat([f, f]))[1:], first)
    assert (copied.levels[1].memory.batch, fused.levels[1].memory.batch) == (2, 1)


@kernels
def test_what_kernels_do_not_take_runs_composed():
    composed, fused = both((7, 7))
    f = random(composed)
    grads = []
    for mg in (composed, fused):
        x = on(f).requires_grad_() if mg is fused else f.clone().requires_grad_()
        mg(x).square().sum().backward()
        grads.append(x.grad)
    close(grads[1], grads[0])


@kernels
def test_levels_that_have_no_kernels_follow_those_that_have():
    composed, fused = both((9, 10), smoother=["chebyshev4", "redblack"])
    f = random(composed)
    assert [isinstance(level, Level) for level in fused.levels] == [False, True, True]
    close(fused.with_program(fmg(3, cycles=1))(on(f)), composed.with_program(fmg(3, cycles=1))(f))


@kernels
def test_norms_and_products_are_float64_for_a_float32_level():
    problem = pde.Poisson((9, 8), dtype=torch.float32, device=DEVICE)
    like = pde.multigrid(problem, level="composed", coarsest=20)
    finest = build.on_cuda(problem, like.grids, list(like.levels))[0][0]
    A = pde.Poisson((9, 8)).operator()
    u, f = torch.randn(2, 1, 1, 9, 8).mul(2.0**-20).add(1)
    norms, r = finest.norms(on(u), on(f)), f.double() - A(u.double())
    close(norms.residual, r.flatten(1).norm(dim=1))
    close(finest.product(on(u.double())), A(u.double()))


def test_a_device_without_kernels_says_why(monkeypatch):
    problem, field = pde.Poisson((15, 15)), pde.Poisson((15, 15), a=torch.ones(16, 16, dtype=torch.float64))
    for x in (problem, field):
        object.__setattr__(x, "device", torch.device("cuda"))  # which there need not be
    assert choice._reason(problem) is None
    assert "field" in choice._reason(field)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "no triton" in choice._reason(problem)
    with pytest.raises(ArgumentError, match="no triton"):
        choice.fused(problem, [], [], True)


def test_a_graph_is_captured_at_the_second_run_of_the_same_arrays(monkeypatch):
    from pde.kernels.gpu import graph

    class Fake:
        def __init__(self, run, device):
            self.out = run()

        def __call__(self):
            return self.out

    monkeypatch.setattr(graph, "Graph", Fake)
    f, runs = torch.zeros(1), []
    replay = graph._Replay(f)
    for x in (f, f, f, torch.ones(1), f):
        assert replay(lambda state: runs.append(state.f) or [state], x)[0].f is x
    assert [x is f for x in runs] == [True, True, False]


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(513, 400), (65, 66, 67)], ids=str)
def test_graphs_replay_what_was_launched(shape, monkeypatch):
    from pde.kernels.gpu import graph

    fused = pde.multigrid(pde.Poisson(shape, device="cuda"), level="fused")
    assert fused.level == "fused"
    f = [on(random(fused, batch)) for batch in (1, 2, 1)]
    monkeypatch.setattr(graph, "ENABLED", False)
    programs = [named(name, len(fused.grids)) for name in ("V", "F", "fmg")]
    expected = [[fused.with_program(program)(x) for x in f] for program in programs]
    monkeypatch.setattr(graph, "ENABLED", True)
    for _ in range(4):  # launched, captured, replayed; interleaved, and with another number of right-hand sides
        for program, results in zip(programs, expected, strict=True):
            for x, y in zip(f, results, strict=True):
                for _ in range(3):
                    assert torch.equal(fused.with_program(program)(x), y)


@pytest.mark.gpu
@pytest.mark.parametrize("shape", [(1023, 1000), (127, 100, 90)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_a_solve_on_the_device_is_that_of_the_cpu(shape, dtype):
    rtol = 1e-8 if dtype == torch.float64 else 1e-3
    f = torch.rand(shape, dtype=dtype)
    solution = pde.solve(pde.Poisson(shape, dtype=dtype, device="cuda"), f.cuda(), rtol=rtol)
    assert (solution.level, solution.result.ok) == ("fused", True)
    assert math.prod(shape) >= choice.LEAST
    u = pde.solve(pde.Poisson(shape, dtype=dtype), f, rtol=rtol).u
    torch.testing.assert_close(solution.u.cpu(), u, rtol=0, atol=10 * rtol * float(u.abs().max()))


@kernels
@pytest.mark.parametrize("program", ["V", "fmg"])
def test_it_goes_with_its_last_reference(program):
    """And not when garbage is looked for, which knows nothing of a device's memory."""
    _, fused = both((13, 10), limit=36, program=program)
    f = random(fused).to(DEVICE)
    gc.collect()
    gc.disable()
    try:
        fused(f)
        gone = [weakref.ref(x) for x in (fused, fused.levels[0].memory, *fused.levels)]
        del fused
        assert all(x() is None for x in gone)
    finally:
        gc.enable()
