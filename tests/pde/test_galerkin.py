"""Galerkin products in edges, against sparse matrices."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from pde.axes import Axis, Side
from pde.boxes import BoxProlongation, BoxRestriction, box_weights
from pde.galerkin import product
from pde.operators import Diffusion, directions
from unified.lines import Layout

SIDES: list[tuple[Side, Side]] = [
    ("dirichlet", "dirichlet"),
    ("neumann", "neumann"),
    ("dirichlet", "neumann"),
    ("neumann", "dirichlet"),
    ("periodic", "periodic"),
]
Sides = tuple[Side, Side]


def random_operator(axes: list[Axis], lead: tuple[int, ...] = (), *, compact: bool = True, seed: int = 0) -> Diffusion:
    """Random positive edges in all directions, or along the axes alone, and a random reaction."""
    rng = torch.Generator().manual_seed(seed)
    edges = {}
    for direction in directions(len(axes)):
        if not compact and sum(map(abs, direction)) > 1:
            continue
        e = torch.rand(*lead, *[a.n + abs(s) for a, s in zip(axes, direction, strict=True)], generator=rng).double()
        e += 0.1
        for k, (axis, step) in enumerate(zip(axes, direction, strict=True), start=-len(axes)):
            if step:
                wrap(e.movedim(k, 0), axis)
        for k, (axis, step) in enumerate(zip(axes, direction, strict=True), start=-len(axes)):
            if step and axis.periodic:  # across a corner too
                wrap(e.movedim(k, 0), axis)
        edges[direction] = e
    reaction = torch.rand(*lead, *[a.n for a in axes], generator=rng).double()
    return Diffusion([a.n for a in axes], edges, reaction, periodic=[a.periodic for a in axes])


def wrap(line: torch.Tensor, axis: Axis) -> None:
    if axis.periodic:
        line[-1] = line[0]
    for end, side in zip((0, -1), axis.sides, strict=True):
        if side == "neumann":
            line[end] = 0


def layouts_of(axes: list[Axis], which: tuple[int, ...]) -> list[Layout | None]:
    return [
        Layout(k - len(axes), a.n, a.first, a.periodic) if k in which and a.n > 1 else None for k, a in enumerate(axes)
    ]


def matrix(transfer: torch.nn.Module, shape: tuple[int, ...]) -> sp.csr_array:
    size = math.prod(shape)
    eye = torch.eye(size, dtype=torch.float64).reshape(size, 1, *shape)
    return sp.csr_array(transfer(eye).reshape(size, -1).numpy().T)


def check(axes: list[Axis], A: Diffusion) -> None:
    """R A P in edges, of all choices of axes, and constants."""
    for which in itertools.product((False, True), repeat=len(axes)):
        layouts = layouts_of(axes, tuple(np.flatnonzero(which)))
        if layouts.count(None) == len(axes):
            continue
        box = box_weights(A, layouts)
        coarse = product(A, box)
        P, R = matrix(BoxProlongation(box), box.coarse), matrix(BoxRestriction(box), A.shape)
        assert abs(R - P.T * box.half).max() < 1e-15
        bare = Diffusion(A.shape, A.edges, periodic=A.periodic).to_scipy()
        c = np.broadcast_to(A.reaction.numpy(), (1, *A.shape)).ravel()
        want = R @ bare @ P + sp.diags_array(R @ c)
        assert coarse.shape == box.coarse
        assert abs(coarse.to_scipy() - want).max() < 1e-13 * abs(want).max()
        sums = P.sum(axis=1).reshape(A.shape)
        touching = [
            (slice(a.sides[0] == "dirichlet", a.n - (a.sides[1] == "dirichlet"))) if y else slice(None)
            for a, y in zip(axes, layouts, strict=True)
        ]
        assert abs(sums[tuple(touching)] - 1).max(initial=0) < 1e-14


@pytest.mark.parametrize("sides", SIDES, ids="-".join)
@pytest.mark.parametrize("n", [2, 3, 4, 5, 8, 9])
def test_one_dimension(n: int, sides: Sides) -> None:
    axes = [Axis.uniform(n, 1.0, sides)]
    check(axes, random_operator(axes))


@pytest.mark.parametrize("pair", list(itertools.product(SIDES, SIDES)), ids=lambda p: "-".join([*p[0], *p[1]]))
def test_two_dimensions(pair: tuple[Sides, Sides]) -> None:
    for n, m, compact in ((2, 3, True), (4, 5, True), (5, 1, False)):
        axes = [Axis.uniform(n, 1.0, pair[0]), Axis.uniform(m, 1.0, pair[1])]
        check(axes, random_operator(axes, compact=compact))


@pytest.mark.parametrize("order", [(0, 1, 4), (4, 0, 2), (3, 4, 0), (4, 4, 4)])
def test_three_dimensions(order: tuple[int, ...]) -> None:
    axes = [Axis.uniform(n, 1.0, SIDES[k]) for n, k in zip((5, 4, 3), order, strict=True)]
    check(axes, random_operator(axes))


def test_a_batch_is_its_operators_side_by_side() -> None:
    axes = [Axis.uniform(5, 1.0, ("dirichlet", "neumann")), Axis.uniform(4, 1.0, ("periodic", "periodic"))]
    layouts = layouts_of(axes, (0, 1))
    A = random_operator(axes, (3, 1))
    box = box_weights(A, layouts)
    coarse, x = product(A, box), torch.rand(3, 2, *box.coarse, dtype=torch.float64)
    y = BoxProlongation(box)(x)
    for k in range(3):
        one = Diffusion(
            A.shape, {d: e[k : k + 1] for d, e in A.edges.items()}, A.reaction[k : k + 1], periodic=A.periodic
        )
        alone = box_weights(one, layouts)
        assert torch.allclose(product(one, alone)(x[k : k + 1]), coarse(x)[k : k + 1])
        assert torch.allclose(BoxProlongation(alone)(x[k : k + 1]), y[k : k + 1])
        assert torch.allclose(BoxRestriction(alone)(y[k : k + 1]), BoxRestriction(box)(y)[k : k + 1])


def test_one_number_an_axis() -> None:
    one = torch.ones((), dtype=torch.float64)
    A = Diffusion((7, 6), {(0, 1): one, (1, 0): 2 * one}, periodic=(False, True))
    layouts = [Layout(-2, 7, 1), Layout(-1, 6, 0, True)]
    box = box_weights(A, layouts)
    left, right = box.weights[1, 0].values()
    assert torch.equal(left[..., 1:-1, :], right[..., 1:-1, :])
    coarse = product(A, box)
    assert coarse.shape == (3, 3)
    assert all(torch.allclose(e, e.flatten()[0]) for e in coarse.edges.values())
