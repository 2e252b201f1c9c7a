"""The compact fourth-order discretisation: its order by manufactured solutions, its matrix, its load's derivatives."""

import itertools
import math

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import cg, spsolve
from torch.autograd import gradcheck

from pde import compact
from pde.axes import Axis
from pde.operators import Diffusion

SIDES = {"D": "dirichlet", "N": "neumann", "P": "periodic"}
LENGTHS = [1.0, 1.3, 0.8]
A = [0.7, 1.9, 1.2]
NAN = float("nan")


def axes_of(kinds, intervals):
    """DN, say, is Dirichlet at the low end and Neumann at the high one."""
    out = []
    for kind, m, length in zip(kinds, intervals, LENGTHS, strict=False):
        n = m if kind == "PP" else m - 1 + kind.count("N")
        out.append(Axis.uniform(n, length / m, (SIDES[kind[0]], SIDES[kind[1]])))
    return out


def operator(axes, c):
    edges, reaction = compact.edges(axes, A[: len(axes)], c)
    return Diffusion([axis.n for axis in axes], edges, reaction, periodic=[axis.periodic for axis in axes])


def generic(x, axes):
    """Without any symmetry, and periodic where the axis is."""
    s = [
        0.5 * torch.sin(2 * math.pi * p / length + 0.4) if axis.periodic else p
        for p, axis, length in zip(x, axes, LENGTHS, strict=False)
    ]
    s += [torch.zeros(())] * (3 - len(s))
    return torch.exp(torch.sin(1 + s[0]) + s[1] / 2 - 0.3 * s[2]) * torch.cos(2 * s[0] - s[1] + 0.7 * s[2] + 0.3)


def quartic(x, axes):
    x, y, z = x
    return (1 + x - 2 * y + 3 * z) ** 4 + (x * y - z) * (2 * x + z**2) + x**4 + y**3


def derivatives(u, x, axes):
    """u, and its first and second derivatives by each coordinate."""
    x = [p.clone().requires_grad_() for p in x]
    u = u(x, axes)
    first = torch.autograd.grad(u.sum(), x, create_graph=True)
    second = [torch.autograd.grad(g.sum(), p, retain_graph=True)[0] for g, p in zip(first, x, strict=True)]
    return u.detach(), [g.detach() for g in first], second


def manufactured(axes, c, exact=generic):
    """u at the unknowns, f on the closed grid, and the boundary data, NaN where it is not to be read."""
    points = [(torch.arange(axis.n + 2) - int(axis.sides[0] != "dirichlet")).double() * axis.unit for axis in axes]
    u, first, second = derivatives(exact, torch.meshgrid(*points, indexing="ij"), axes)
    f = c * u - sum(a * d for a, d in zip(A, second, strict=False))
    boundary = {}
    for i, end in itertools.product(range(len(axes)), (0, 1)):
        if axes[i].sides[end] == "dirichlet":
            face = u.select(i, -1 if end else 0).clone()
        elif axes[i].sides[end] == "neumann":
            face = (A[i] * first[i] * (1 if end else -1)).select(i, -2 if end else 1).clone()
        else:
            continue
        others = [axis for j, axis in enumerate(axes) if j != i]
        for j, e in itertools.product(range(len(others)), (0, 1)):
            if others[j].sides[e] != "dirichlet":
                face.select(j, -1 if e else 0).fill_(NAN)
        boundary[i, end] = face
    return u[inner(axes)], f, boundary


def inner(axes):
    return (slice(1, -1),) * len(axes)


def errors(kinds, intervals, c, closed=False):
    """Largest and rms error of the discrete solution."""
    axes = axes_of(kinds, intervals)
    u, f, boundary = manufactured(axes, c)
    matrix = operator(axes, c).to_scipy()
    load = compact.load(axes, A[: len(axes)], c, f if closed else f[inner(axes)], boundary).numpy().ravel()
    singular = c == 0 and not any("D" in kind for kind in kinds)
    if singular:
        load = load - load.mean()
    if singular or len(kinds) == 3:
        solution, info = cg(matrix, load, rtol=1e-11, M=sp.diags_array(1 / matrix.diagonal()))
        assert info == 0
    else:
        solution = spsolve(matrix.tocsc(), load)
    e = solution.reshape(u.shape) - u.numpy()
    if singular:
        e = e - e.mean()
    return np.array([abs(e).max(), np.sqrt((e**2).mean())])


KINDS = ["DD", "NN", "DN", "ND", "PP"]
BOX = ["DD-DD-DD", "NN-NN-NN", "DN-ND-NN", "DD-NN-PP"]
PAIRS = ["-".join(kinds) for kinds in itertools.product(KINDS, repeat=2)]


def order(kinds, grids, c, **options):
    """Of the largest and of the rms error."""
    kinds = kinds.split("-")
    coarse, fine = (errors(kinds, [m, m * 3 // 2, m * 5 // 4][: len(kinds)], c, **options) for m in grids)
    return np.log2(coarse / fine)


@pytest.mark.parametrize("kinds", [*KINDS, *PAIRS])
def test_fourth_order_for_every_pair_of_sides(kinds):
    assert order(kinds, (32, 64), 0.0) == pytest.approx([4.0, 4.0], abs=0.15)


@pytest.mark.parametrize("kinds", [*KINDS, "DD-DD", "NN-NN", "DN-ND", "NN-PP"])
def test_fourth_order_with_a_reaction(kinds):
    assert order(kinds, (32, 64), 3.0) == pytest.approx([4.0, 4.0], abs=0.15)


@pytest.mark.parametrize("kinds", BOX)
def test_fourth_order_in_a_box(kinds):
    # less 4 than between finer grids: 4.01 to 4.08 from 40 to 80
    assert order(kinds, (12, 24), 0.0, closed=True) == pytest.approx([4.25, 4.25], abs=0.3)


@pytest.mark.parametrize("first", KINDS[:4])
@pytest.mark.parametrize("closed", [False, True])
def test_polynomials_of_degree_four_are_exact_whatever_sides_meet(first, closed):
    """All that is left out has a fifth derivative of u."""
    for others in itertools.product(KINDS[:4], repeat=2):
        axes = axes_of([first, *others], [6, 7, 8])
        u, f, boundary = manufactured(axes, 0.0, quartic)
        load = compact.load(axes, A, 0.0, f if closed else f[inner(axes)], boundary)
        torch.testing.assert_close(operator(axes, 0.0)(u), load, rtol=0, atol=1e-9)  # of terms of size 1e3


@pytest.mark.parametrize("kinds", ["DD", "DD-ND", "DD-PP"])
def test_fourth_order_with_f_on_the_dirichlet_sides(kinds):
    assert order(kinds, (32, 64), 1.0, closed=True) == pytest.approx([4.0, 4.0], abs=0.15)


def kronecker(axes, c):
    """Σ_i a_i K_i ⊗ M, from matrices of each axis: with the product of all M but the triple terms."""
    second, width = [], []
    for axis in axes:
        n = axis.n
        d = -2 * np.eye(n) + np.eye(n, k=1) + np.eye(n, k=-1)
        if axis.periodic:
            d[0, -1] = d[-1, 0] = 1
        for end, beside in ((0, 1), (-1, -2)):
            if axis.sides[0 if end == 0 else 1] == "neumann":
                d[end, beside] = 2
        second.append(d)
        width.append(np.diag(axis.widths))

    def product(*at):
        out = np.eye(1)
        for i, (d, w) in enumerate(zip(second, width, strict=True)):
            out = np.kron(out, w @ d if i in at else w)
        return out

    out = c * product()
    for i, axis in enumerate(axes):
        out = out + c / 12 * product(i)
        out = out - A[i] / axis.unit**2 * (product(i) + sum(product(i, j) for j in range(len(axes)) if j != i) / 12)
    return out


@pytest.mark.parametrize("c", [0.0, 3.0, 1e4])
@pytest.mark.parametrize("kinds", [*KINDS, "DN-PP", "NN-ND", "DD-NN", *BOX])
def test_the_matrix_is_symmetric_and_positive(kinds, c):
    axes = axes_of(kinds.split("-"), [7, 5, 6])
    matrix = operator(axes, c).to_scipy().toarray()
    scale = abs(matrix).max()
    assert abs(matrix - matrix.T).max() <= 1e-14 * scale
    assert abs(matrix - kronecker(axes, c)).max() <= 1e-14 * scale
    values = np.linalg.eigvalsh(matrix)
    if c == 0 and "D" not in kinds:
        assert abs(values[0]) <= 1e-13 * scale
        values = values[1:]
    assert values[0] > 1e-3 * c


@pytest.mark.parametrize("kinds", ["DD", "DD-PP", "DD-DD-DD"])
def test_dirichlet_data_acts_like_points_of_the_closed_grid(kinds):
    axes = axes_of(kinds.split("-"), [7, 5, 6])
    ndim = len(axes)
    closed = torch.randn([axis.n + 2 for axis in axes], dtype=torch.float64)
    closed[inner(axes)] = 0
    for i, axis in enumerate(axes):
        if axis.periodic:
            closed.select(i, 0).copy_(closed.select(i, -2))
            closed.select(i, -1).copy_(closed.select(i, 1))
    boundary = {
        (i, end): closed.select(i, -1 if end else 0) for i in range(ndim) for end in (0, 1) if not axes[i].periodic
    }
    f = torch.zeros([axis.n for axis in axes], dtype=torch.float64)
    load = compact.load(axes, A[:ndim], 2.0, f, boundary)
    torch.testing.assert_close(load, -operator(axes, 2.0).closed(closed), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kinds", ["DN", "ND-NN", "DN-PP-NN"])
def test_the_load_is_differentiable_and_linear_and_takes_batches(kinds):
    axes = axes_of(kinds.split("-"), [3, 2, 3])
    ndim = len(axes)
    shape = [axis.n for axis in axes]
    sides = [(i, end) for i in range(ndim) for end in (0, 1) if not axes[i].periodic]
    faces = [[n + 2 for j, n in enumerate(shape) if j != i] for i, _ in sides]

    def load(f, *data):
        return compact.load(axes, A[:ndim], 2.0, f, dict(zip(sides, data, strict=True)))

    f = torch.randn(2, 1, *shape, dtype=torch.float64)
    data = [torch.randn(3, *face, dtype=torch.float64) for face in faces]
    out = load(f, *data)
    assert out.shape == (2, 3, *shape)
    for k, m in itertools.product(range(2), range(3)):
        torch.testing.assert_close(out[k, m], load(f[k, 0], *(v[m] for v in data)))
    torch.testing.assert_close(out, load(f, *map(torch.zeros_like, data)) + load(torch.zeros_like(f), *data))
    inputs = [x.clone().requires_grad_() for x in (f[0, 0], *(v[0] for v in data))]
    assert gradcheck(load, inputs, fast_mode=True)
    torch.testing.assert_close(
        torch.func.vmap(load)(f[[0, 1, 0], 0], *data),
        torch.stack([out[k, m] for k, m in zip((0, 1, 0), range(3), strict=True)]),
    )


def test_without_data_all_is_zero_on_the_boundary():
    axes = axes_of(["DN", "ND"], [5, 4])
    f = torch.randn([axis.n for axis in axes], dtype=torch.float64)
    zero = {(i, end): torch.zeros(axes[1 - i].n + 2, dtype=torch.float64) for i in (0, 1) for end in (0, 1)}
    assert torch.equal(compact.load(axes, A[:2], 0.0, f), compact.load(axes, A[:2], 0.0, f, zero))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("kind", ["DD", "ND", "PP"])
def test_a_constant_is_exact_on_the_smallest_axes(kind, n):
    axes = [Axis.uniform(n, 0.3, (SIDES[kind[0]], SIDES[kind[1]])) for _ in range(2)]
    one = torch.ones(n, n, dtype=torch.float64)
    boundary = {
        (i, end): torch.full((n + 2,), float(side == "dirichlet"), dtype=torch.float64)
        for i in (0, 1)
        for end, side in enumerate(axes[i].sides)
    }
    load = compact.load(axes, A[:2], 2.0, 2.0 * one, boundary)
    torch.testing.assert_close(operator(axes, 2.0)(one), load)
