"""Our iterates against a dense implementation of the same cycles, and the two schemes against each other."""

import numpy as np
import pytest
import torch

import pde
from pde.polynomials import roots_of, scale_of
from tests.reference.dense_multigrid import Multigrid
from unified import chebyshev_roots, fmg

ROOTS = [0.9, 0.35]  # in Leja order


def random(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def distance(a, b):
    return float(np.linalg.norm(np.ravel(a) - np.ravel(b)) / np.linalg.norm(np.ravel(b)))


@pytest.mark.parametrize("scheme", ["correction", "fas"])
@pytest.mark.parametrize("kind", ["V", "W", "F"])
def test_cycles_equal_the_dense_ones(kind, scheme):
    n = 31
    f, u = random(1, 1, n, n), random(1, 1, n, n)
    mg = pde.multigrid(pde.Poisson((n, n)), kind, ROOTS, scheme=scheme)
    dense, want = Multigrid(n, ROOTS), u.numpy().ravel()
    for _ in range(4):
        u, want = mg(f, u), dense.cycle(kind, 0, want, f.numpy().ravel())
        assert distance(u, want) < 1e-13


@pytest.mark.parametrize("scheme", ["correction", "fas"])
@pytest.mark.parametrize("cycles", [1, 2])
def test_full_multigrid_equals_the_dense_one(cycles, scheme):
    n = 31
    f = random(1, 1, n, n)
    mg = pde.multigrid(pde.Poisson((n, n)), lambda levels: fmg(levels, cycles=cycles), ROOTS, scheme=scheme)
    assert distance(mg(f), Multigrid(n, ROOTS).fmg(f.numpy().ravel(), cycles)) < 1e-13


@pytest.mark.parametrize("program", ["V", "W", "F", "fmg"])
@pytest.mark.parametrize(
    "smoother", ["split", "chebyshev4", "chebyshev1", "optimised4", "jacobi", [0.5, 0.6 + 0.1j, 0.6 - 0.1j]]
)
def test_fas_equals_the_correction_form(program, smoother):
    problem, f = pde.Poisson((63, 31)), random(2, 1, 63, 31)
    correction, fas = (pde.multigrid(problem, program, smoother, scheme=s) for s in ("correction", "fas"))
    u = v = None
    for _ in range(3):
        u, v = correction.improve(u, f), fas.improve(v, f)
        assert distance(v, u) < 1e-13


def test_backslash_leaves_a_state_on_every_level():
    mg = pde.multigrid(pde.Poisson((15, 15)), "backslash", scheme="fas")
    states = mg.run(mg.encode(random(1, 1, 15, 15)))
    assert [tuple(s.u.shape) for s in states] == [(1, 1, n, n) for n in (15, 7, 3)]


@pytest.mark.parametrize(("degree", "pre", "post"), [(2, 1, 1), (1, 1, 1), (3, 2, 1), (2, 0, 1), (2, 2, 0)])
@pytest.mark.parametrize("problem", [pde.Poisson((16, 16)), pde.Poisson((16, 16), bc="neumann")], ids=["one", "many"])
def test_the_roots_of_both_ways_are_those_of_one_polynomial(problem, degree, pre, post):
    mg = pde.multigrid(problem, "V", "split", degree, pre=pre, post=post)
    down, up = mg.levels[0].smoothers
    each = [np.zeros(0) if smoother is None else roots_of(smoother) for smoother in (down, up)]
    assert [len(roots) for roots in each] == [degree * pre, degree * post]
    n, relative = degree * (pre + post), mg.A.diagonal.numel() > 1
    hi = mg.A.bounds[relative]
    roots = chebyshev_roots(n, hi, hi * min(0.2, 0.6 / n), kind=1)
    np.testing.assert_allclose(np.sort(np.concatenate(each).real), roots, rtol=1e-12)
    if relative and pre and post:
        assert scale_of(down).data_ptr() == scale_of(up).data_ptr()


def test_what_smooths_where_nothing_is_said():
    """Cycles have no use for symmetry, conjugate gradients have."""
    problem, jumps = pde.Poisson((31, 31)), pde.Poisson((31, 31), a=10.0 ** torch.randint(0, 2, (32, 32)).double())
    assert "split of degree 2" in repr(pde.multigrid(problem))
    assert not pde.multigrid(problem).symmetric
    assert "chebyshev4 of degree 2" in repr(pde.multigrid(jumps))
    f = random(31, 31)
    named = {name: pde.solve(problem, f, method="pcg", smoother=name) for name in (None, "chebyshev4", "split")}
    assert named[None].residuals == named["chebyshev4"].residuals != named["split"].residuals
    mg = pde.multigrid(problem)
    assert pde.solve(problem, f, method="pcg", mg=mg).residuals == named["split"].residuals
    matrices = [one.aspreconditioner() @ np.eye(961) for one in (mg, pde.multigrid(problem, "W"))]
    for matrix in matrices:
        assert distance(matrix.T, matrix) < 1e-14
    assert distance(matrices[1], matrices[0]) > 1e-3
    given = pde.multigrid(problem, smoother="split").aspreconditioner() @ np.eye(961)
    assert distance(given.T, given) > 1e-3


def test_pre_and_post_count_sweeps():
    problem, f = pde.Poisson((15, 15)), random(1, 1, 15, 15)
    twice = pde.multigrid(problem, "V", [0.5], pre=2, post=2)
    assert distance(twice(f), pde.multigrid(problem, "V", [0.5, 0.5])(f)) < 1e-14
    assert pde.multigrid(problem, "V", [0.5], pre=2, post=2).symmetric
    assert not pde.multigrid(problem, "V", [0.5], pre=1, post=2).symmetric
    assert pde.multigrid(problem, pre=0, post=1)(f).shape == f.shape
