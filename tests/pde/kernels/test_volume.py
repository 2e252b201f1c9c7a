"""The sweep in three dimensions against the composed level: start, steps and restriction one after the other."""

import numpy as np
import pytest
import torch

import pde
from pde.kernels import threads, volume
from pde.kernels.instructions import SWEEP, line
from pde.kernels.plan import plan
from pde.kernels.start import ADDED, CORRECTED, GIVEN, NESTED, ZERO
from pde.kernels.tables import tables
from pde.setup import multigrid
from pde.transfers import Shift
from unified.multigrid import State
from unified.smoother import residual

D, N, P = "dirichlet", "neumann", "periodic"
CORNER = [(D, N), (N, D), (D, N)]
CASES = [  # shape, sides, a, c
    ((15, 15, 15), D, (1.0, 1.0, 1.0), 0.0),
    ((16, 17, 12), N, (1.0, 1.1, 0.9), 1.0),
    ((9, 20, 31), CORNER, (1.0, 1.1, 0.9), 1.0),
    ((12, 16, 10), P, (1.0, 1.1, 0.9), 1.0),
    ((33, 8, 10), [P, D, N], (1.0, 1.1, 0.9), 0.0),
    ((8, 11, 12), [N, P, D], (1.0, 1.1, 0.9), 1.0),
    ((11, 8, 9), [D, N, P], (1.0, 1.1, 0.9), 1.0),
    ((15, 15, 15), D, (1.0, 1.0, 20.0), 0.0),  # coarsened along one axis
    ((16, 15, 14), N, (1.0, 20.0, 1.0), 1.0),
    ((15, 12, 12), [P, P, D], (20.0, 1.0, 1.0), 1.0),
    ((9, 16, 16), [D, P, P], (1.0, 20.0, 20.0), 1.0),  # and along two
]
SWEEPS = [  # start, steps, rows in a strip, slabs
    (CORRECTED, 2, 1000, 1),
    (CORRECTED, 4, 3, 3),
    (CORRECTED, 0, 4, 2),
    (GIVEN, 3, 7, 2),
    (GIVEN, 0, 5, 1),
    (ZERO, 2, 5, 2),
    (ZERO, 1, 1000, 3),
    (NESTED, 2, 4, 2),
    (NESTED, 1, 1000, 3),
    (NESTED, 0, 3, 1),
]


def problem_of(shape, sides, a, c, dtype=torch.float64):
    """The finest level and its grid, its plan, and random u, f and e."""
    return parts_of(pde.Poisson(shape, bc=sides, a=a, c=c, dtype=dtype), a, c)


def varying(shape, sides, a, c):
    """The same with fields of a and c, one for each of two right-hand sides, whose axes are coupled as those of a."""
    torch.manual_seed(0)
    spacing = [0.1 / x**0.5 for x in a]
    cells = pde.Poisson(shape, bc=sides).cells
    field, reaction = 1 + torch.rand(2, *cells).double(), c + torch.rand(2, *shape).double()
    return parts_of(pde.Poisson(shape, bc=sides, a=field, c=reaction, spacing=spacing), None, None)


def parts_of(problem, a, c):
    shape, dtype = problem.shape, problem.dtype
    mg = multigrid(problem, coarsest=4, level="composed")
    level, grid = mg.levels[0], mg.grids[0]
    u, f = torch.randn(2, 2, 1, *shape, dtype=dtype)
    e = torch.randn(2, 1, *mg.grids[1].shape, dtype=dtype)
    return level, grid, plan(grid, level, a, c, u.numpy().dtype), u, f, e


def composed(level, grid, start, steps, u, f, e):
    """u, its residual, and that restricted."""
    state = State(None if start == ZERO else u, f)
    ways = {CORRECTED: level.up, NESTED: level.interpolate}
    u = ways[start](state, State(e, e)).u if start in ways else state.u
    for omega in steps:
        change = omega.item() * residual(grid.A, u, f) / grid.A.l1_diagonal
        u = change if u is None else u + change
    r = residual(grid.A, u, f)
    return u, r, level.R(r)


def swept(made, level, start, steps, width, slabs, u, f, e, in_place=True):
    """The same of the kernel, with Σ r² and Σ u²."""
    u, f = u[:, 0].numpy().copy(), f[:, 0].numpy()
    target = u if in_place else np.full_like(u, np.nan)
    for part in level.P:
        if isinstance(part, Shift):
            e = part(e)
    e = e[:, 0].numpy().copy()
    coarse = np.full_like(e, np.nan)
    n, halo = u.shape[1], len(steps) + 2
    made_tables = tables([made], [width])
    flat = [np.ascontiguousarray(x).reshape(-1) for x in (u, target, f, e, coarse)]
    assert np.shares_memory(flat[1], target)
    assert np.shares_memory(flat[4], coarse)
    mode = "wrap" if made.axes[0].periodic else "clip"
    arounds = [
        [u.take(range(low, low + halo), axis=1, mode=mode) for low in (r0 - halo, r1)]
        for r0, r1 in threads.cut(n, slabs)
    ]
    sums = np.zeros((2, 2))
    for slab, around in zip(threads.cut(n, slabs), arounds, strict=True):
        one = line(SWEEP, START=start, COUNT=len(steps), RESTRICT=True, BATCH=(0, 2), SLAB=slab)
        beside = (x.reshape(-1) for x in around)
        volume.run(np.array([one]), *made_tables, steps, *flat, *beside, sums)
    restricted = torch.from_numpy(coarse)[:, None]
    for part in level.R:
        if isinstance(part, Shift):
            restricted = part(restricted)
    return torch.from_numpy(target)[:, None], restricted, sums


def assert_same(x, y, tolerance=1e-12):
    np.testing.assert_allclose(x, y, rtol=0, atol=tolerance * float(abs(y).max()))


def check(level, grid, made, start, n_steps, width, slabs, u, f, e, tolerance=1e-12, in_place=True):
    steps = np.resize(made.pre, n_steps)
    x, r, coarse = composed(level, grid, start, steps, u, f, e)
    y, restricted, sums = swept(made, level, start, steps, width, slabs, u, f, e, in_place)
    assert_same(restricted, coarse, tolerance)
    assert_same(sums[:, 0], (r.double() ** 2).flatten(1).sum(1).numpy(), tolerance)
    if n_steps or start in (CORRECTED, NESTED):  # else u is as it was, and not looked at
        assert_same(y, x, tolerance)
        assert_same(sums[:, 1], (x.double() ** 2).flatten(1).sum(1).numpy(), tolerance)


@pytest.mark.parametrize("kind", [problem_of, varying])
@pytest.mark.parametrize(("shape", "sides", "a", "c"), CASES)
def test_sweep_is_the_composed_level(shape, sides, a, c, kind):
    level, grid, made, *arrays = kind(shape, sides, a, c)
    for sweep in SWEEPS:
        check(level, grid, made, *sweep, *arrays)


@pytest.mark.parametrize(("shape", "sides", "a", "c"), CASES)
def test_what_is_interpolated_is_added_to_u(shape, sides, a, c):
    level, _, made, u, f, e = problem_of(shape, sides, a, c)
    expected = u + level.interpolate(State(None, f), State(e, e)).u
    for width, slabs, in_place in ((4, 2, True), (1000, 3, False)):
        y, _, _ = swept(made, level, ADDED, made.pre[:0], width, slabs, u, f, e, in_place)
        assert_same(y, expected)


@pytest.mark.parametrize("kind", [problem_of, varying])
def test_source_is_kept_where_it_is_not_u(kind):
    level, grid, made, u, f, e = kind((12, 16, 10), [P, P, N], (1.0, 1.1, 0.9), 1.0)
    before = u.clone()
    for width in (4, 1000):
        check(level, grid, made, CORRECTED, 2, width, 2, u, f, e, in_place=False)
    assert torch.equal(u, before)


def test_float32():
    level, grid, made, *arrays = problem_of((15, 16, 17), CORNER, (1.0, 1.1, 0.9), 1.0, torch.float32)
    check(level, grid, made, CORRECTED, 4, 5, 2, *arrays, tolerance=1e-5)
