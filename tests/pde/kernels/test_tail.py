"""Small levels in one call: what each of them does by itself, op by op, in the same order."""

from functools import partial

import pytest
import torch

import pde
from pde.kernels import tail, threads, wavefront
from pde.kernels.level import FusedLevel
from pde.turning import opened
from unified.multigrid import State, execute
from unified.program import Op, backslash, cycle, fmg

D, N, P = "dirichlet", "neumann", "periodic"
GRIDS = [
    ((127, 66), D),
    ((60, 77), N),
    ((64, 32), P),
    ((64, 33), [P, (N, D)]),
    ((40, 64), [(D, N), P]),
    ((31, 30, 29), D),
    ((16, 17, 40), [P, (D, N), (N, N)]),
    ((24, 9, 32), [(D, D), (N, D), P]),
]


def tail_of(problem, **options):
    """The tail on its levels, the grid that it begins on, and these levels, composed."""
    mg = pde.multigrid(problem, level="fused", **options)
    assert [i for i, level in enumerate(mg.levels) if level.rest is not None] == list(range(1, len(mg.levels) - 1))
    composed = [level.composed if isinstance(level, FusedLevel) else level for level in mg.levels]
    return partial(mg.levels[1].rest, list(mg.levels)[1:]), mg.grids[1].shape, composed[1:]


def check(rest, levels, program, f):
    """Coarse levels hold the residuals of fine ones: their errors are measured by the finest."""
    states, expected = rest(program, State(None, f)), execute(program, levels, State(None, f))
    assert len(states) == len(expected)
    tolerance = 1e-12 if f.dtype == torch.float64 else 1e-3
    for state, other in zip(states, expected, strict=True):
        for name in ("u", "f", "below"):
            x, y, first = getattr(state, name), getattr(other, name), expected[0].f if name == "f" else expected[0].u
            assert (x is None) == (y is None), name
            if x is not None:
                size = float((y if first is None else first).abs().max())
                torch.testing.assert_close(x, y, rtol=0, atol=tolerance * size)


def programs(n):
    bare = tuple(op for op in cycle("V", n) if op.kind != "pre")
    nests = [fmg(n, cycles=2), fmg(n, "W"), opened(n)]
    return [*(cycle(kind, n) for kind in "VWF"), 2 * cycle("V", n), *nests, backslash(n)[:-2], bare]


@pytest.mark.parametrize(("shape", "bc"), GRIDS, ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("fields", [0, 1, 2])
def test_it_is_the_levels_one_after_the_other(shape, bc, dtype, fields):
    torch.manual_seed(0)
    a = 1.0
    if fields:
        a = 1 + 0.3 * torch.rand(fields, *pde.Poisson(shape, bc=bc).cells, dtype=dtype)
    rest, grid, levels = tail_of(pde.Poisson(shape, bc=bc, dtype=dtype, a=a, c=0.5), pre=2, degree=2)
    for program in programs(len(levels)):
        for batch in (2,) if fields == 2 else (1, 3):
            check(rest, levels, program, torch.randn(batch, 1, *grid, dtype=dtype))


@pytest.mark.parametrize("bc", [N, P])
def test_singular_problems(bc):
    torch.manual_seed(0)
    rest, grid, levels = tail_of(pde.Poisson((64, 64), bc=bc))
    f = torch.randn(2, 1, *grid, dtype=torch.float64)
    check(rest, levels, opened(len(levels)), f - f.mean((2, 3), keepdim=True))


def test_what_kernels_do_not_take_runs_level_by_level():
    torch.manual_seed(0)
    rest, grid, levels = tail_of(pde.Poisson((63, 63)))
    f, u = torch.randn(2, 1, 1, *grid, dtype=torch.float64)
    V = cycle("V", len(levels))
    torch.testing.assert_close(rest(V, State(u, f))[0].u, execute(V, levels, State(u, f))[0].u)
    smooths = (*V[: len(V) // 2], Op("pre", len(levels) - 1), *V[len(V) // 2 :])  # on the coarsest level
    torch.testing.assert_close(rest(smooths, State(None, f))[0].u, execute(smooths, levels, State(None, f))[0].u)
    g = f.clone().requires_grad_()
    rest(V, State(None, g))[0].u.sum().backward()
    assert float(g.grad.abs().max()) > 0


def test_infinity_and_nan_leave_nothing_behind():
    torch.manual_seed(0)
    for shape in ((63, 63), (15, 15, 15)):
        rest, grid, levels = tail_of(pde.Poisson(shape))
        f = torch.randn(1, 1, *grid, dtype=torch.float64)
        for bad in (float("nan"), float("inf")):
            assert not rest(opened(len(levels)), State(None, torch.full_like(f, bad)))[0].u.isfinite().any()
            check(rest, levels, opened(len(levels)), f)


def test_it_begins_where_levels_are_small(monkeypatch):
    monkeypatch.setattr(tail, "LIMIT", 20**2)
    mg = pde.multigrid(pde.Poisson((63, 63)), level="fused")
    assert [level.rest is not None for level in mg.levels] == [False, False, True, False]
    jumps = pde.multigrid(pde.Poisson((63, 63), a=10.0 ** torch.randint(-3, 3, (64, 64)).double()), level="fused")
    shifted = pde.multigrid(pde.Poisson((66, 66), bc=P), level="fused")  # 33 points: counted from elsewhere
    assert all(level.rest is None for level in jumps.levels)
    assert [grid.shape[0] for grid in shifted.grids][:2] == [66, 33]
    assert shifted.levels[1].rest is None


def test_many_right_hand_sides_take_threads_until_they_are_few(monkeypatch):
    torch.manual_seed(0)
    calls = []
    monkeypatch.setattr(tail, "RUNS", {2: lambda *args: (calls.append(len(args[-1])), wavefront.run(*args))})
    monkeypatch.setattr(threads, "SINGLE", 5000)  # 31² of three, but not of ten
    rest, grid, levels = tail_of(pde.Poisson((63, 63)))
    assert grid == (31, 31)
    for batch, listed in ((3, 31), (10, 15)):
        calls.clear()
        check(rest, levels, cycle("V", len(levels)), torch.randn(batch, 1, *grid, dtype=torch.float64))
        assert calls == [batch]
        assert rest.args[0][0 if listed == 31 else 1].rest._memory is not None


@pytest.mark.parametrize("fields", [False, True])
def test_a_program_that_smooths_more_often_than_a_cycle(fields):
    torch.manual_seed(0)
    a = 1 + 0.3 * torch.rand(64, 64, dtype=torch.float64) if fields else 1.0
    rest, grid, levels = tail_of(pde.Poisson((64, 64), bc=P, a=a, c=0.5))
    V = cycle("V", len(levels))
    check(rest, levels, tuple(op for op in V for _ in range(3 if op.kind in ("pre", "post") else 1)), _random(grid))


def _random(grid):
    return torch.randn(2, 1, *grid, dtype=torch.float64)
