"""What is known of the edges of a field in three dimensions, in one pass: what torch finds."""

import itertools

import pytest
import torch

import pde
from pde.averaging import MILD, is_mild
from pde.kernels import assembly, choice

D, N, P = "dirichlet", "neumann", "periodic"
SIDES = [[D, (D, N), P], [N, P, (N, D)], [P, N, D]]


def problem_of(sides, kind, dtype=torch.float64):
    torch.manual_seed(0)
    shape = (9, 8, 13)
    a = 1 + torch.rand(2, *pde.Poisson(shape, bc=sides).cells, dtype=dtype)
    fields = {"a": {"a": a, "c": 1.0}, "both": {"a": a, "c": torch.rand(shape, dtype=dtype)}}
    return pde.Poisson(shape, bc=sides, spacing=(0.1, 0.2, 0.15), dtype=dtype, **fields[kind])


@pytest.mark.parametrize("kind", ["a", "both"])
@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_survey(sides, kind):
    A = problem_of(sides, kind).operator()
    found = assembly.survey(A)
    diagonal = A.diagonal
    rows = diagonal + A._others
    edges = min(float(e.min()) for e in A.edges.values())
    expected = edges, float(diagonal.min()), float(rows.max()), float((rows / diagonal).max())
    assert found == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sides", SIDES, ids=str)
def test_mildness(sides, monkeypatch):
    """An edge that is just too large, anywhere in any direction, is found; the grid's own ratios do not count."""
    given = problem_of(sides, "a")
    given = pde.Poisson(given.shape, bc=sides, spacing=given.h, a=torch.ones_like(given.a[0]))
    A = given.operator()
    for (direction, ratio), place in itertools.product(
        itertools.product(A.edges, (0.999, 1.001)), [(0, 0, 0), (5, 4, 6)]
    ):
        e = A.edges[direction]
        at = tuple(max(x, s * (e.flatten()[0] == 0)) for x, s in zip(place, direction, strict=True))
        kept = float(e[at])
        e[at] *= MILD * ratio
        for least in (0, 10**9):
            monkeypatch.setattr(choice, "LEAST", least)
            assert is_mild(A, given.axes) == (ratio < 1), (direction, place, least)
        e[at] = kept
