"""`pde.solve` against other solvers: SciPy's sparse direct one, fast transforms, Newton's method by sparse matrices."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.sparse as sp
import torch
from scipy.sparse.linalg import spsolve

import pde
from unified.errors import ArgumentError

D, N, P = "dirichlet", "neumann", "periodic"


def positive(shape):
    return 0.2 + torch.rand(shape, dtype=torch.float64)


def data(problem):
    """Random numbers for each side: u or the flux."""
    return [
        None
        if pair[0] == P
        else tuple(torch.randn([n + 2 for j, n in enumerate(problem.shape) if j != i]).double() for _ in pair)
        for i, pair in enumerate(problem.sides)
    ]


def direct(problem, load):
    """`A u = load`, (*grid); of a singular problem the u of mean zero."""
    matrix, b, w = problem.to_scipy(), load.numpy().ravel(), problem.weights.numpy().ravel()
    if problem.singular:  # with a multiplier: A u + λ w = b, wᵀ u = 0
        matrix = sp.block_array([[matrix, w[:, None]], [w[None], None]])
        b = np.append(b, 0.0)
    u = spsolve(matrix.tocsc(), b)
    return u[: len(w)].reshape(problem.shape)


def compatible(problem, f, boundary):
    """f less the constant that makes the load's sum zero."""
    excess = problem.load(f, boundary).sum() / problem.load(torch.ones_like(f)).sum()
    return f - excess if problem.singular else f


def same(got, want, rel=1e-8):
    assert abs(np.asarray(got) - want).max() <= rel * abs(want).max()


PROBLEMS = {
    "line, Dirichlet": ((9,), D, {}),
    "line, Neumann": ((8,), N, {}),
    "line, periodic": ((7,), P, {}),
    "line, mixed": ((10,), [(N, D)], {"c": 2.0}),
    "Dirichlet": ((9, 14), D, {}),
    "Dirichlet, spacing": ((9, 14), D, {"spacing": (0.1, 0.3), "a": (1.0, 2.5)}),
    "Neumann": ((10, 13), N, {}),
    "Neumann, c": ((10, 13), N, {"c": 0.5}),
    "periodic": ((9, 12), P, {}),
    "mixed": ((8, 11), [(D, N), (N, D)], {}),
    "Neumann and periodic": ((8, 9), [N, P], {}),
    "Dirichlet and periodic": ((8, 9), [D, P], {"c": 3.0}),
    "the smallest": ((3, 3), [(N, D), P], {}),
    "box, Dirichlet": ((5, 6, 7), D, {}),
    "box, Neumann": ((6, 5, 7), N, {}),
    "box, all kinds": ((5, 6, 4), [(D, N), N, P], {"c": 1.0, "a": (1.0, 0.5, 2.0)}),
}
FOURTH = ["line, mixed", "Dirichlet, spacing", "Neumann", "periodic", "mixed", "box, Neumann", "box, all kinds"]
FIELDS = ["line, Neumann", "Dirichlet", "Neumann", "mixed", "Neumann and periodic", "the smallest", "box, all kinds"]


def check(problem):
    boundary = data(problem)
    f = compatible(problem, torch.randn(problem.shape, dtype=torch.float64), boundary)
    solution = pde.solve(problem, f, boundary=boundary, rtol=1e-11, max_cycles=100)
    assert solution.result.ok
    same(solution.u, direct(problem, problem.load(f, boundary)))


@pytest.mark.parametrize("name", PROBLEMS)
def test_constant_coefficients(name):
    shape, bc, options = PROBLEMS[name]
    check(pde.Poisson(shape, bc, **options))


@pytest.mark.parametrize("name", FOURTH)
def test_order_four(name):
    shape, bc, options = PROBLEMS[name]
    check(pde.Poisson(shape, bc, order=4, **options))


@pytest.mark.parametrize("name", FIELDS)
def test_a_field(name):
    shape, bc, _ = PROBLEMS[name]
    check(pde.Poisson(shape, bc, a=positive(pde.Poisson(shape, bc).cells) ** 3))


@pytest.mark.parametrize("name", ["Neumann", "box, all kinds"])
def test_two_fields(name):
    shape, bc, _ = PROBLEMS[name]
    c = torch.rand(shape, dtype=torch.float64)
    check(pde.Poisson(shape, bc, a=positive(pde.Poisson(shape, bc).cells) ** 3, c=c))


@pytest.mark.parametrize("order", [2, 4])
@pytest.mark.parametrize("bc", [D, N, [(D, N), P]], ids=["Dirichlet", "Neumann", "mixed and periodic"])
def test_a_batch_of_right_hand_sides_and_data(bc, order):
    problem = pde.Poisson((7, 10), bc, order=order)
    each = [data(problem) for _ in range(3)]
    f = torch.randn(3, 7, 10, dtype=torch.float64)
    f = torch.stack([compatible(problem, x, boundary) for x, boundary in zip(f, each, strict=True)])
    stacked = [
        None if pairs[0] is None else tuple(torch.stack(side).unsqueeze(1) for side in zip(*pairs, strict=True))
        for pairs in zip(*each, strict=True)
    ]
    u = pde.solve(problem, f, boundary=stacked, rtol=1e-11).u
    for got, x, boundary in zip(u, f, each, strict=True):
        same(got, direct(problem, problem.load(x, boundary)))


def test_a_batch_of_fields():
    a, c = positive((3, 8, 9)), torch.rand(3, 7, 9, dtype=torch.float64)
    bc = [D, (N, D)]
    f = torch.randn(7, 9, dtype=torch.float64)
    u = pde.solve(pde.Poisson((7, 9), bc, a=a, c=c), f, rtol=1e-11).u
    for got, a_i, c_i in zip(u, a, c, strict=True):
        one = pde.Poisson((7, 9), bc, a=a_i, c=c_i)
        same(got, direct(one, one.load(f)))


TRANSFORMS = {  # of -δ²: the transform, its type, and the angles of its waves on n points
    D: (scipy.fft.dst, scipy.fft.idst, 1, lambda n: math.pi * np.arange(1, n + 1) / (n + 1)),
    N: (scipy.fft.dct, scipy.fft.idct, 1, lambda n: math.pi * np.arange(n) / (n - 1)),
    P: (scipy.fft.fft, scipy.fft.ifft, None, lambda n: 2 * math.pi * np.arange(n) / n),
}


def by_transform(problem, f):
    """`-Δ_h u + c u = f`, homogeneous data: u is Σ of waves, eigenvalue by eigenvalue; that of the constant is 0."""
    kinds, ndim = [pair[0] for pair in problem.sides], problem.ndim
    symbol, wave = np.full((1,) * ndim, problem.c), f.numpy().astype(complex)
    for i, (kind, n, h) in enumerate(zip(kinds, problem.shape, problem.h, strict=True)):
        forward, _, number, angles = TRANSFORMS[kind]
        part = 2 * (1 - np.cos(angles(n))) / h**2
        symbol = symbol + part.reshape([-1 if j == i else 1 for j in range(ndim)])
        wave = forward(wave, axis=i, **({"type": number} if number else {}))
    free = symbol < 1e-12
    wave = np.where(free, 0, wave / np.where(free, 1, symbol))
    for i, kind in enumerate(kinds):
        _, inverse, number, _ = TRANSFORMS[kind]
        wave = inverse(wave, axis=i, **({"type": number} if number else {}))
    return wave.real


def test_the_sine_transform_on_the_unit_square():
    """SciPy's own in all dimensions at once."""
    problem = pde.Poisson((63, 63))
    f = torch.randn(63, 63, dtype=torch.float64)
    part = 2 * (1 - np.cos(math.pi * np.arange(1, 64) / 64)) * 64**2
    want = scipy.fft.idstn(scipy.fft.dstn(f.numpy(), type=1) / (part[:, None] + part), type=1)
    same(pde.solve(problem, f, rtol=1e-13).u, want, rel=1e-10)
    same(by_transform(problem, f), want, rel=1e-13)


WAVES = [(kinds, 0.0) for kinds in [(D,), (N,), (P,), (D, N), (N, N), (P, P), (N, P), (D, N, P)]]
WAVES += [((N, N), 2.0), ((P, D), 2.0)]


@pytest.mark.parametrize(("kinds", "c"), WAVES, ids=lambda x: "-".join(x) if isinstance(x, tuple) else f"c = {x}")
def test_sine_cosine_and_fourier_transforms(kinds, c):
    shape = (21, 18, 10)[: len(kinds)]
    problem = pde.Poisson(shape, kinds, c=c)
    f = torch.randn(shape, dtype=torch.float64)
    f = compatible(problem, f, None)
    u = pde.solve(problem, f, rtol=1e-13).u
    want = by_transform(problem, f)
    if problem.singular:
        want = want - (want * problem.weights.numpy()).sum() / problem.weights.numpy().sum()
    same(u, want, rel=1e-10)


def newton(problem, load, u):
    """`A u + w g(u) = load` by Newton's method from u, each step halved until the residual falls."""
    A, w = problem.to_scipy(), problem.weights.numpy().ravel()

    def g(x):
        x = torch.from_numpy(x).requires_grad_()
        y = problem.g(x)
        return y.detach().numpy(), torch.autograd.grad(y.sum(), x)[0].numpy()

    b, u = load.numpy().ravel(), u.numpy().ravel()
    for _ in range(50):
        value, slope = g(u)
        r = b - A @ u - w * value
        if abs(r).max() <= 1e-11 * (abs(b).max() + abs(A.diagonal()).max() * abs(u).max()):
            break
        d = spsolve((A + sp.diags_array(w * slope)).tocsc(), r)
        while np.linalg.norm(b - A @ (u + d) - w * g(u + d)[0]) > np.linalg.norm(r):
            d = d / 2
        u = u + d
    else:
        pytest.fail("Newton's method did not converge")
    return u.reshape(problem.shape)


NONLINEAR = {"u³": lambda u: u**3, "sinh": torch.sinh, "10 u³ + u": lambda u: 10 * u**3 + u}


@pytest.mark.parametrize(
    ("name", "bc"),
    [("u³", D), ("u³", P), ("sinh", N), ("10 u³ + u", [(D, N), P])],
    ids=["u³, Dirichlet", "u³, periodic", "sinh, Neumann", "10 u³ + u, mixed and periodic"],
)
def test_nonlinear(name, bc):
    problem = pde.Poisson((17, 14), bc, g=NONLINEAR[name])
    boundary = data(problem)
    # a mean: where f oscillates about zero so does u, and coarse grids see g' at the mean of u alone
    f = 20 + 20 * torch.randn(17, 14, dtype=torch.float64)
    solution = pde.solve(problem, f, boundary=boundary, rtol=1e-11)
    assert solution.result.ok
    same(solution.u, newton(problem, problem.load(f, boundary), problem.zeros()))


@pytest.mark.parametrize("parameter", [1.0, 5.0, 6.5])
def test_bratu_lower_branch(parameter):
    """`-Δu = λ exp(u)` on the unit square: two solutions below λ = 6.808; from zero the smaller one."""
    problem = pde.Poisson((31, 31), g=lambda u: -parameter * torch.exp(u))
    f = problem.zeros()
    solution = pde.solve(problem, f, rtol=1e-10)
    assert solution.result.ok
    want = newton(problem, problem.load(f), problem.zeros())
    same(solution.u, want, rel=1e-7)
    assert want.max() < 1.4  # the branches meet at 1.39


CLOSED = pytest.mark.parametrize(
    ("bc", "order"),
    [(N, 2), (P, 2), ([N, P], 2), (N, 4)],
    ids=["Neumann", "periodic", "Neumann and periodic", "Neumann, order 4"],
)


@CLOSED
def test_a_load_of_sum_zero_has_a_solution_of_mean_zero(bc, order):
    problem = pde.Poisson((24, 21), bc, order=order)
    boundary = data(problem)
    f = compatible(problem, torch.randn(24, 21, dtype=torch.float64), boundary)
    load = problem.load(f, boundary)
    solution = pde.solve(problem, f, boundary=boundary, rtol=1e-11)
    assert solution.result.ok
    assert solution.imbalance < 1e-14
    assert abs((solution.u * problem.weights).sum()) < 1e-13 * solution.u.abs().sum()
    # what flows through the sides is what f makes inside: A conserves
    assert abs(problem.operator()(solution.u[None, None]).sum()) < 1e-12 * load.abs().sum()


@CLOSED
def test_what_does_not_balance_is_told_and_spread(bc, order):
    problem = pde.Poisson((24, 21), bc, order=order)
    f = compatible(problem, torch.randn(24, 21, dtype=torch.float64), None)
    load = problem.load(f + 1e-3)
    solution = pde.solve(problem, f + 1e-3, rtol=1e-11)
    assert solution.imbalance == pytest.approx(float(load.sum().abs() / load.abs().sum()), rel=1e-6)
    assert 1e-4 < solution.imbalance < 1e-2
    same(solution.u, pde.solve(problem, f, rtol=1e-11).u.numpy())


@CLOSED
def test_an_f_without_a_solution_is_refused(bc, order):
    problem = pde.Poisson((24, 21), bc, order=order)
    with pytest.raises(ArgumentError, match=r"^f: got an imbalance of 1:"):
        pde.solve(problem, problem.zeros() + 1)
