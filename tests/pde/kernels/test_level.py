"""Fused levels: equal to composed ones, op by op and program by program; and what is around them."""

import gc
import itertools
import weakref

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad

import pde
from pde import memory
from pde.kernels import LEAST, launch, threads
from pde.kernels.level import FusedLevel
from pde.kernels.prefetch import FAR
from pde.polynomials import OverDiagonal
from pde.turning import head
from unified.multigrid import Level, State
from unified.program import cycle, fmg
from unified.smoother import Relaxation

D, N, P = "dirichlet", "neumann", "periodic"
PROBLEMS = {
    "square": ((63, 63), D, (1.0, 1.0), 0.0),
    "mixed": ((70, 51), [(D, N), P], (1.0, 1.2), 1.0),
    "odd periodic": ((45, 33), P, (1.0, 1.2), 1.0),
    "neumann": ((33, 64), N, (1.0, 0.8), 2.0),
    "stretched": ((63, 40), D, (1.0, 50.0), 0.0),
    "cube": ((15, 15, 15), D, (1.0, 1.0, 1.0), 0.0),
    "box": ((12, 17, 14), [N, P, (D, N)], (1.0, 1.1, 0.9), 1.0),
}
FIELDS = {
    "field": ((12, 15, 14), [N, P, (D, N)], lambda x, y, z: 1 + 0.1 * torch.sin(x + 2 * y * z), 1.0),
    "reaction": ((15, 12, 13), D, (1.0, 1.1, 0.9), lambda x, y, z: 100 * x * y),
}
PROGRAMS = {"V": "V", "W": "W", "F": "F", "fmg": lambda n: fmg(n, cycles=2), "two": lambda n: 2 * cycle("V", n)}
OPS = [
    ("pre",),
    ("down",),
    ("up",),
    ("post",),
    ("interpolate",),
    ("pre", "down"),
    ("up", "post"),
    ("up", "post", "pre", "down"),
    ("interpolate", "pre", "down"),
    ("post", "post"),
]


def problem_of(name, dtype=torch.float64):
    shape, bc, a, c = (PROBLEMS | FIELDS)[name]
    return pde.Poisson(shape, bc=bc, a=a, c=c, dtype=dtype)


def both(problem, *args, **options):
    return [pde.multigrid(problem, *args, level=level, coarsest=64, **options) for level in ("composed", "fused")]


def close(x, y, tol=1e-11):
    assert (x is None) == (y is None)
    if x is not None:
        assert (x - y).abs().max() <= tol * x.abs().max()


@pytest.mark.parametrize("kinds", OPS, ids="-".join)
@pytest.mark.parametrize("name", PROBLEMS | FIELDS)
def test_ops_equal_the_composed_level(name, kinds):
    """On random states, of a batch, from zero and from a given u, which is not written to."""
    problem = problem_of(name)
    composed, fused = (mg.levels for mg in both(problem, degree=3, pre=1, post=2))
    assert isinstance(fused[0], FusedLevel)
    f = torch.randn(3, 1, *problem.shape, dtype=torch.float64)
    e = torch.randn(3, 1, *composed[1].A.shape, dtype=torch.float64)
    for u in (None, torch.randn_like(f)):
        before = None if u is None else u.clone()
        states = [levels[0].run(kinds, State(u, f), State(e, e), levels[1]) for levels in (composed, fused)]
        for x, y in itertools.pairwise(states):
            close(x[0].u, y[0].u)
            if "down" in kinds:
                close(x[1].f, y[1].f)
        assert before is None or torch.equal(u, before)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", PROBLEMS | FIELDS)
def test_programs_equal_the_composed_levels(name, program):
    problem = problem_of(name)
    composed, fused = both(problem, PROGRAMS[program])
    f = torch.randn(2, 1, *problem.shape, dtype=torch.float64)
    u = composed(f)
    close(u, fused(f))
    close(u, fused(f))  # arrays that are used again hold nothing from before
    if not composed.nested:
        start = torch.randn_like(f)
        close(composed(f, start), fused(f, start))


@pytest.mark.parametrize(
    ("shape", "bc", "a"),
    [
        ((769, 702), [(D, N), P], 1.0),
        ((751, 703), D, lambda x, y: 1 + 0.1 * torch.sin(x + 2 * y)),
        ((83, 81, 82), [N, P, D], 1.0),
        ((81, 83, 82), D, lambda x, y, z: 1 + 0.1 * torch.sin(x + 2 * y * z)),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_levels_whose_memory_is_asked_for_ahead(shape, bc, a, dtype):
    problem = pde.Poisson(shape, bc=bc, a=a, c=1.0, dtype=dtype)
    assert problem.unknowns >= FAR
    tol = 1e-11 if dtype == torch.float64 else 5e-4  # `improve` of a rough u cancels three digits
    f = torch.randn(2, 1, *shape, dtype=dtype)
    for program in ("V", "fmg"):
        composed, fused = both(problem, program)
        close(composed(f), fused(f), tol)
    close(composed.improve(f, f), fused.improve(f, f), tol)


@pytest.mark.parametrize("name", ["square", "mixed", "odd periodic", "stretched"])
def test_strips(name, monkeypatch):
    """Rows that are cut, each strip with the columns beside it as they were."""
    monkeypatch.setitem(launch.WIDTHS[2], "constant", 12)
    problem = problem_of(name)
    composed, fused = both(problem, lambda n: fmg(n, cycles=2))
    f = torch.randn(2, 1, *problem.shape, dtype=torch.float64)
    close(composed(f), fused(f))
    composed, fused = both(problem, degree=3)
    u = torch.randn_like(f)
    close(composed(f, u), fused(f, u))


def test_float32():
    problem = problem_of("mixed", torch.float32)
    composed, fused = both(problem)
    f = torch.randn(2, 1, *problem.shape)
    assert fused(f).dtype == torch.float32
    close(composed(f), fused(f), 1e-5)


@pytest.mark.parametrize("name", ["square", "neumann", "cube"])
@pytest.mark.parametrize("method", ["fmg", "mg", "pcg"])
def test_solutions_agree(name, method):
    problem = problem_of(name)
    f = torch.randn(2, *problem.shape, dtype=torch.float64)
    composed, fused = (pde.solve(problem, f, method=method, rtol=1e-11, level=x) for x in ("composed", "fused"))
    assert composed.result.ok
    assert fused.result.ok
    assert (composed.level, fused.level) == ("composed", "fused")
    close(composed.u, fused.u, 1e-9)
    A, norm = problem.operator(), torch.linalg.vector_norm
    load = problem.load(f)
    r = load - A(fused.u[:, None])[:, 0]
    true = max(norm(x) / norm(y) for x, y in zip(r, load, strict=True))
    assert fused.residuals[-1] == pytest.approx(float(true), rel=0.05)


@pytest.mark.parametrize("name", ["square", "mixed", "neumann", "cube"])
def test_the_history_is_of_true_residuals(name):
    problem = problem_of(name)
    f = torch.randn(problem.shape, dtype=torch.float64)
    A, norm, seen, load = problem.operator(), torch.linalg.vector_norm, [], problem.load(f)

    def look(it):
        r = load - A(it.u[None, None])[0, 0]
        seen.append(float(norm(r) / norm(load)))

    solution = pde.solve(problem, f, level="fused", callback=look, rtol=1e-9)
    assert solution.residuals == pytest.approx(seen, rel=1e-3)


def test_float32_residuals_are_of_float64():
    problem = problem_of("neumann", torch.float32)
    f = torch.randn(problem.shape)
    solution = pde.solve(problem, f, level="fused", rtol=1e-3)
    load = problem.load(f).double()
    r = load - problem.operator()(solution.u[None, None].double())[0, 0]
    true = torch.linalg.vector_norm(r) / torch.linalg.vector_norm(load)
    assert solution.residuals[-1] == pytest.approx(float(true), rel=1e-4)  # of edges before rounding


def test_a_solution_stays_what_it_is():
    """Neither a later solve nor a start writes to it, though arrays are used again."""
    problem = problem_of("square")
    mg = pde.multigrid(problem, level="fused")
    f, g = torch.randn(2, *problem.shape, dtype=torch.float64)
    first = pde.solve(problem, f, mg=mg).u
    kept = first.clone()
    pde.solve(problem, g, mg=mg)
    pde.solve(problem, g, mg=mg, u0=first)
    mg(g[None, None], first[None, None])
    assert torch.equal(first, kept)


def test_a_second_solve_takes_no_new_memory():
    """Arrays of a megabyte and more come from where those of the last solve went."""
    problem = pde.Poisson((511, 511))
    mg = pde.multigrid(problem, level="fused")
    f = torch.randn(problem.shape, dtype=torch.float64)
    where = {pde.solve(problem, f, mg=mg).u.data_ptr() for _ in range(3)}
    assert len(where) == 1


def test_extreme_sizes():
    problem = problem_of("square")
    f = torch.randn(problem.shape, dtype=torch.float64)
    u = pde.solve(problem, f, level="fused").u
    for size in (1e-180, 1e170):
        scaled = pde.solve(problem, size * f, level="fused")
        assert scaled.result.ok
        close(u, scaled.u / size, 1e-10)


def test_gradients_through_the_cycle_take_the_composed_level():
    problem = problem_of("mixed")
    composed, fused = both(problem)
    f = torch.randn(1, 1, *problem.shape, dtype=torch.float64, requires_grad=True)
    (x,) = torch.autograd.grad(composed(f).square().sum(), f)
    (y,) = torch.autograd.grad(fused(f).square().sum(), f)
    close(x, y)


def test_implicit_gradients_take_the_fused_one():
    problem = problem_of("mixed")
    f = torch.randn(problem.shape, dtype=torch.float64, requires_grad=True)
    gradients = [
        torch.autograd.grad(pde.solve(problem, f, rtol=1e-11, level=level).u.square().sum(), f)[0]
        for level in ("composed", "fused")
    ]
    close(*gradients, 1e-8)


def test_auto_is_fused_from_some_size_on():
    n = int(np.sqrt(LEAST)) + 1
    large, small = pde.Poisson((n, n)), pde.Poisson((63, 63))
    assert pde.multigrid(large).level == "fused"
    assert pde.multigrid(small).level == "composed"
    assert pde.multigrid(large, smoother="redblack").level == "composed"
    assert pde.multigrid(pde.Poisson((n, n), order=4)).level == "composed"


def test_the_state_dict_has_no_work_arrays():
    composed, fused = both(problem_of("square"))
    fused(torch.randn(1, 1, 63, 63, dtype=torch.float64))
    # nor the factors of its smoothers, which are known by their roots
    assert {key.replace("level.", "", 1) for key in fused.state_dict()} <= set(composed.state_dict())


def test_kernels_need_no_maps_and_what_needs_them_makes_them():
    composed, fused = both(problem_of("square"), "fmg")
    f = torch.randn(2, 1, 63, 63, dtype=torch.float64)
    fused(f)
    assert all(level.level.R is None and level.level.extrapolation is None for level in fused.levels[:-1])
    assert all(level.R is not None for level in composed.levels[:-1])
    assert all(type(one) is Relaxation for level in composed.levels[:-1] for one in level.smoothers)
    known = [one for level in fused.levels[:-1] for one in level.level.smoothers]
    assert len(known) == 2 * len(fused.levels[:-1])
    assert all(isinstance(one, OverDiagonal) and one._made is None for one in known)
    moved = fused.float().run(State(None, f.float()))[0].u  # by maps of that dtype
    assert moved.dtype == torch.float32
    assert (moved - composed(f)).abs().max() < 1e-5 * composed(f).abs().max()
    assert all(level.level.R is not None for level in fused.levels[:-1])


def test_transfers_that_follow_a_field_are_moved_with_it():
    a = 10.0 ** torch.randint(-2, 3, (64, 64), generator=torch.Generator().manual_seed(0)).double()
    problem, f = pde.Poisson((63, 63), a=a), torch.randn(1, 1, 63, 63, dtype=torch.float64)
    fused = pde.multigrid(problem, level="fused")
    assert isinstance(fused.levels[0], FusedLevel)
    u = fused(f)
    other = pde.multigrid(problem, level="fused").float()
    assert {x.dtype for x in other.levels[0].composed.R.buffers()} == {torch.float32}
    moved = other.run(State(None, f.float()))[0].u
    assert moved.dtype == torch.float32
    assert (moved - u).abs().max() < 1e-4 * u.abs().max()


def hessian(mg, f):
    one = torch.ones((), dtype=torch.float64)
    torch.func.jacrev(torch.func.jacfwd(lambda t: mg(t * f).sum()))(one)


@pytest.mark.parametrize(
    "first",
    [torch.inference_mode(), torch.device("meta"), FakeTensorMode(allow_non_fake_inputs=True), hessian],
    ids=["inference", "meta", "fake", "transform"],
)
@pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # torch's own
def test_maps_made_under_a_mode_know_nothing_of_it(first):
    composed, fused = both(problem_of("square"))
    f = torch.randn(1, 1, 63, 63, dtype=torch.float64)
    if first is hessian:
        hessian(fused, f)
    else:
        with first:
            assert fused.levels[0].composed.R is not None
    f.requires_grad_()
    for derivative in (
        lambda mg: torch.autograd.grad(mg(f).square().sum(), f)[0],
        lambda mg: torch.func.jvp(mg, (f.detach(),), (f.detach(),))[1],
    ):
        close(derivative(composed), derivative(fused))


def test_turning_is_a_cycle_cut_elsewhere():
    assert head(cycle("V", 3)) == cycle("V", 3)[:2]
    assert head(cycle("V", 1)) is None
    assert head(fmg(3)) is None


def test_the_coarsest_level_stays_composed():
    _, fused = both(problem_of("square"))
    kinds = [type(level) for level in fused.levels]
    assert kinds == [FusedLevel] * (len(kinds) - 1) + [Level]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", PROBLEMS)
def test_products_and_norms(name, dtype):
    """In float64 for a float32 level too."""
    problem = problem_of(name)
    mg = pde.multigrid(problem_of(name, dtype), level="fused")
    u, f = torch.randn(2, 3, 1, *problem.shape, dtype=torch.float64)
    A = problem.operator()
    close(A(u), mg.product(u), 1e-14)
    norms = mg.measure(u, f)
    expected = torch.linalg.vector_norm((f - A(u)).flatten(1), dim=1)
    torch.testing.assert_close(norms.residual, expected, rtol=1e-13, atol=0)
    torch.testing.assert_close(norms.solution, torch.linalg.vector_norm(u.flatten(1), dim=1), rtol=1e-13, atol=0)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_tangents_pass_through_a_cycle():
    """Numbers that carry a tangent are no plain arrays: the composed levels run."""
    problem = problem_of("square")
    composed, fused = both(problem)
    f, t = torch.randn(2, 1, 1, *problem.shape, dtype=torch.float64)
    with forward_ad.dual_level():
        expected, found = (forward_ad.unpack_dual(mg(forward_ad.make_dual(f, t))).tangent for mg in (composed, fused))
    close(expected, found)


@pytest.mark.parametrize("turned", [False, True])
def test_a_periodic_axis_of_one_point(turned):
    """The point is its own neighbour: no part of the diagonal."""
    order = slice(None, None, -1 if turned else 1)
    problem = pde.Poisson((3, 48)[order], bc=P, a=(1.0, 1e-3)[order], c=3.0)
    composed, fused = (pde.multigrid(problem, level=level, coarsest=6) for level in ("composed", "fused"))
    assert any(1 in level.kernels.shape for level in fused.levels[:-1])
    f = torch.randn(1, 1, *problem.shape, dtype=torch.float64)
    close(composed(f), fused(f))


def test_the_estimate_of_memory_knows_of_fused_levels():
    """Measured: 1.1 arrays beyond u and f; composed levels take some 18."""
    problem = pde.Poisson((16383, 16383))
    array = problem.unknowns * 8
    assert 2 * array < memory.estimate(problem) < 6 * array < memory.estimate(problem, level="composed")
    problem = pde.Poisson((127, 127, 127), c=torch.ones(127, 127, 127, dtype=torch.float64))  # measured: 7.4
    assert 6 < memory.estimate(problem) / (8 * problem.unknowns) < 15


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_waits_for_a_first_call_only(collects):
    """It is collected again afterwards, if it was before, whatever happens."""
    seen = []

    def first():
        seen.append(gc.isenabled())

    def fails():
        raise ZeroDivisionError

    (gc.enable if collects else gc.disable)()
    try:
        for _ in range(2):
            threads.run(first, [()], (first, collects))
            assert gc.isenabled() == collects
        with pytest.raises(ZeroDivisionError):
            threads.run(fails, [()], (fails, collects))
        assert gc.isenabled() == collects
    finally:
        gc.enable()
    assert seen == [False, collects]


def test_nothing_that_is_kept_knows_a_device():
    """A problem that is made under a default device, or of stand-ins for tensors, leaves the next one as it is."""
    shape, sides = (19, 23), [N, (D, N)]
    with torch.device("meta"):
        pde.Poisson(shape, bc=sides).operator()
    with FakeTensorMode():
        pde.Poisson(shape, bc=sides).operator()
    f = torch.ones(shape, dtype=torch.float64)
    assert pde.solve(pde.Poisson(shape, bc=sides), f).result.name == "converged"


@pytest.mark.parametrize("mode", [lambda: torch.device("meta"), FakeTensorMode])
def test_large_edges_of_stand_ins(mode):
    shape = (1200, 1100)
    with mode():
        A = pde.Poisson(shape, bc=N, c=1.0, device="cpu").operator()
    assert A.edges[1, 0].shape == (1201, 1100)


def test_constant_edges_are_each_operators_own():
    """What is written to one does not reach the next problem's."""
    first, second = (pde.Poisson((7, 7)).operator() for _ in range(2))
    first.edges[1, 0].zero_()
    assert float(second.edges[1, 0]) == float(pde.Poisson((7, 7)).operator().edges[1, 0]) == 64.0


@pytest.mark.parametrize("level", ["fused", "composed"])
@pytest.mark.parametrize("program", ["V", "fmg"])
def test_a_hierarchy_goes_with_its_last_reference(level, program):
    """And not when garbage is looked for: its memory is used by the next one."""
    problem, f = pde.Poisson((63, 63)), torch.ones(63, 63, dtype=torch.float64)
    pde.solve(problem, f, mg=pde.multigrid(problem, program, level=level))  # what is imported and compiled leaves some
    pde.solve(problem, f, level=level)
    gc.collect()
    gc.disable()
    try:
        mg = pde.multigrid(problem, program, level=level)
        pde.solve(problem, f, mg=mg)
        gone = [weakref.ref(x) for x in (mg, *mg.levels)]
        del mg
        assert all(x() is None for x in gone)
        pde.solve(problem, f, level=level)
        assert gc.collect() == 0
    finally:
        gc.enable()
