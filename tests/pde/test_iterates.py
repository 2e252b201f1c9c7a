"""Our iterates against a dense implementation of the same cycles, and the two schemes against each other."""

import numpy as np
import pytest
import torch

import pde
from tests.reference.dense_multigrid import Multigrid
from unified import fmg

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
    "smoother", ["chebyshev4", "chebyshev1", "optimised4", "jacobi", [0.5, 0.6 + 0.1j, 0.6 - 0.1j]]
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


def test_pre_and_post_count_sweeps():
    problem, f = pde.Poisson((15, 15)), random(1, 1, 15, 15)
    twice = pde.multigrid(problem, "V", [0.5], pre=2, post=2)
    assert distance(twice(f), pde.multigrid(problem, "V", [0.5, 0.5])(f)) < 1e-14
    assert pde.multigrid(problem, pre=2, post=2).symmetric
    assert not pde.multigrid(problem, pre=1, post=2).symmetric
    assert pde.multigrid(problem, pre=0, post=1)(f).shape == f.shape
