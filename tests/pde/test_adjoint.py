"""Derivatives of `solve`: one more solve each, of every order, in both modes; through the cycles for trained roots."""

import warnings

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap

import pde
from unified import ArgumentError, polynomial

# torch's own, at the first use of forward mode
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

METHODS = ["fmg", "mg", "pcg"]
PROBLEM = pde.Poisson((3, 5), spacing=(0.2, 0.3))
MG = pde.multigrid(PROBLEM, coarsest=2)  # two levels
INVERSE = torch.linalg.inv(torch.from_numpy(PROBLEM.to_scipy().toarray()))


def random(*shape, wanted=False):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=wanted)


def solver(method="auto", **options):
    return lambda f, g=None: (
        pde.solve(PROBLEM, f, boundary=g, **{"mg": MG, "method": method, "rtol": 1e-12, **options}).u
    )


def trained(problem, trainable=True):
    return pde.multigrid(problem, smoother=lambda p: polynomial([0.4 * p.radius, 0.9 * p.radius], trainable=trainable))


def distance(a, b):
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize(("method", "batch"), [*((method, ()) for method in METHODS), ("mg", (2,)), ("mg", (2, 1))])
def test_first_and_second_derivatives(method, batch):
    inputs = random(*batch, 3, 5, wanted=True), random(*batch[:1], 5, 7, wanted=True)
    assert gradcheck(solver(method), inputs, fast_mode=True, check_forward_ad=True)
    assert gradgradcheck(solver(method), inputs, fast_mode=True, check_fwd_over_rev=True)
    nonlinear = lambda f, g: solver(method)(f.exp(), g.sin()).square().sum()  # noqa: E731
    assert gradgradcheck(nonlinear, inputs, fast_mode=True)


@pytest.mark.slow
def test_every_entry_of_the_jacobians():
    inputs = random(3, 5, wanted=True), random(5, 7, wanted=True)
    assert gradcheck(solver("mg"), inputs)
    assert gradgradcheck(solver("mg"), inputs)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("batch", [(), (2,), (2, 1)])
def test_the_gradient_is_that_of_the_dense_inverse(method, batch):
    f, w = random(*batch, 3, 5, wanted=True), random(*batch, 3, 5)
    (solver(method)(f) * w).sum().backward()
    assert f.grad.shape == f.shape
    assert distance(f.grad, (w.reshape(-1, 15) @ INVERSE).reshape(f.shape)) < 1e-11


@pytest.mark.parametrize("method", METHODS)
def test_the_gradient_is_that_of_the_cycles(method):
    problem = pde.Poisson((15, 15))
    f, w = random(15, 15, wanted=True), random(15, 15)
    g = random(17, 17, wanted=True)
    grads = []
    for mg in (trained(problem), trained(problem).requires_grad_(False)):
        u = pde.solve(problem, f, boundary=g, mg=mg, method=method, rtol=1e-12).u
        grads.append(torch.autograd.grad((u * w).sum(), (f, g)))
    for through, implicit in zip(*grads, strict=True):
        assert distance(implicit, through) < 1e-10


def saved(mg, rtol):
    """Numbers that autograd keeps for the way back."""
    count = []
    f = mg.problem.zeros().add(1).requires_grad_()
    with torch.autograd.graph.saved_tensors_hooks(lambda x: count.append(x.numel()) or x, lambda x: x):
        solution = pde.solve(mg.problem, f, mg=mg, rtol=rtol)
    return sum(count), solution.cycles


def test_memory_does_not_grow_with_the_cycles():
    problem = pde.Poisson((31, 31))
    (loose, few), (tight, many) = (saved(pde.multigrid(problem), rtol) for rtol in (1e-2, 1e-12))
    assert many >= few + 5
    assert loose == tight < problem.unknowns
    (loose, few), (tight, many) = (saved(trained(problem), rtol) for rtol in (1e-2, 1e-12))
    assert tight > loose + (many - few) * problem.unknowns


def test_trained_roots_get_their_gradient_through_the_cycles():
    problem = pde.Poisson((7, 7))
    mg, f = trained(problem), random(7, 7)
    u0 = random(7, 7, wanted=True)
    solution = pde.solve(problem, f, u0=u0, mg=mg, rtol=0, max_cycles=2)
    solution.u.square().sum().backward()
    assert all(x.grad is not None and x.grad.any() for x in mg.levels[0].parameters())
    assert u0.grad.any()
    with torch.no_grad():
        assert pde.solve(problem, f, mg=mg).u.grad_fn is None


def test_a_buffer_that_requires_gradients_counts_as_trained():
    mg = trained(PROBLEM, trainable=False)
    root = mg.levels[0].pre_smoother.B[0]
    root.c1 = root.c1.clone().requires_grad_()
    pde.solve(PROBLEM, random(3, 5), mg=mg, rtol=0, max_cycles=1).u.sum().backward()
    assert root.c1.grad != 0


def test_the_start_gets_no_gradient():
    u0 = random(3, 5, wanted=True)
    assert not pde.solve(PROBLEM, random(3, 5), u0=u0, mg=MG).u.requires_grad
    f = random(3, 5, wanted=True)
    u = pde.solve(PROBLEM, f, u0=u0, mg=MG).u.sum()
    assert torch.autograd.grad(u, (f, u0), allow_unused=True)[1] is None


def test_an_early_end_does_not_reach_the_gradient():
    f = random(3, 5, wanted=True)
    u = pde.solve(PROBLEM, f, u0=random(3, 5), mg=MG, rtol=1e-12, callback=lambda _: True).u
    u.sum().backward()
    assert distance(f.grad.ravel(), INVERSE.sum(0)) < 1e-11


@pytest.mark.parametrize(
    ("options", "scale", "told"),
    [
        ({"max_cycles": 1, "method": "mg"}, 1.0, "adjoint solve .* maximum_cycles, .* the cycles ran out"),
        ({"rtol": 0}, 1.0, "adjoint solve .* stagnated, .* rounding floor"),
        ({}, float("nan"), "adjoint solve .* diverged, .* what came in is not finite"),
    ],
)
def test_an_adjoint_solve_that_does_not_converge_is_told(options, scale, told):
    f = random(3, 5, wanted=True)
    loss = (scale * solver(**options)(f)).sum()
    with pytest.warns(pde.GradientWarning, match=told):
        loss.backward()
    assert f.grad is not None
    loss = (scale * solver(**options)(f)).sum()
    with warnings.catch_warnings():
        warnings.simplefilter("error", pde.GradientWarning)
        with pytest.raises(pde.GradientWarning):
            loss.backward()


def test_a_tangent_solve_too():
    with pytest.warns(pde.GradientWarning, match="tangent solve .* maximum_cycles"):
        jvp(solver("mg", max_cycles=1), (random(3, 5),), (random(3, 5),))


def test_float32():
    problem = pde.Poisson((31, 31), dtype=torch.float32)
    f = torch.randn(2, 1, 31, 31, requires_grad=True)
    pde.solve(problem, f, rtol=1e-4).u.sum().backward()
    assert f.grad.dtype == torch.float32
    assert distance(f.grad, pde.solve(problem, torch.ones(2, 1, 31, 31), rtol=1e-4).u) < 1e-3


def test_strided_input_and_gradient():
    f = random(5, 3, wanted=True)
    w = random(5, 3)
    (solver()(f.T).T * w).sum().backward()
    assert distance(f.grad.T.ravel(), INVERSE @ w.T.ravel()) < 1e-11


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_no_graph_where_none_is_wanted(mode):
    f = random(3, 5, wanted=True)
    with mode():
        u = solver()(f, 1.0)
    assert not u.requires_grad


def test_jacobians_and_the_hessian():
    f = random(3, 5)
    for jacobian in (jacrev, jacfwd):
        assert distance(jacobian(solver())(f).reshape(15, 15), INVERSE) < 1e-11
    second = hessian(lambda f: solver()(f).square().sum() / 2)(f)
    assert distance(second.reshape(15, 15), INVERSE @ INVERSE) < 1e-10


def test_a_map_is_a_batch():
    f, g = random(4, 3, 5), random(4, 5, 7)
    want = solver()(f, g)
    assert distance(vmap(solver())(f, g), want) < 1e-11
    assert distance(vmap(solver(), in_dims=(1, 0), out_dims=1)(f.movedim(0, 1), g), want.movedim(0, 1)) < 1e-11
    assert distance(vmap(vmap(solver()))(f[None], g[None])[0], want) < 1e-11
    assert distance(vmap(solver(), in_dims=(None, 0))(f[0], g), solver()(f[:1].expand(4, 3, 5), g)) < 1e-11
    each = vmap(grad(lambda f, g: solver()(f, g).sum()))(f, g)
    assert distance(each.reshape(4, 15), INVERSE.sum(0).expand(4, 15)) < 1e-11


def test_bad_input_is_told_in_a_map():
    with pytest.raises(ArgumentError, match="f: got NaN"):
        vmap(solver())(random(2, 3, 5) * torch.nan)
    with pytest.raises(ArgumentError, match="boundary: got NaN"):
        vmap(solver())(random(2, 3, 5), random(2, 5, 7) * torch.nan)


def test_what_cannot_be_mapped_says_so():
    advice = "torch.func.vmap, and {}; .* give the batch itself"
    for options, what in (({"mg": trained(PROBLEM)}, "trained roots"), ({"callback": print}, "a callback")):
        with pytest.raises(ArgumentError, match=advice.format(what)):
            vmap(solver(**options))(random(2, 3, 5))


# --- coefficients

SIDES = ["dirichlet", ("dirichlet", "neumann"), "neumann", "periodic"]


def fields(problem, *batch):
    a = random(*batch, *problem.cells).exp().requires_grad_()
    return a, torch.rand(*batch, *problem.shape, dtype=torch.float64, requires_grad=True)


@pytest.mark.parametrize("sides", SIDES)
@pytest.mark.parametrize("batch", [(), (2,)])
def test_derivatives_by_coefficients(sides, batch):
    shape = {"shape": (4, 5), "bc": [sides, "dirichlet"], "spacing": 0.3}
    inputs = *fields(pde.Poisson(**shape), *batch), random(4, 5, wanted=True)
    solve = lambda a, c, f: pde.solve(pde.Poisson(**shape, a=a, c=c), f, rtol=1e-13, coarsest=2).u  # noqa: E731
    assert gradcheck(solve, inputs, fast_mode=True, check_forward_ad=True)
    assert gradgradcheck(solve, inputs, fast_mode=True)


@pytest.mark.parametrize("method", METHODS)
def test_derivatives_of_a_singular_problem(method):
    shape = {"shape": (4, 5), "bc": ["neumann", "periodic"]}
    a, _ = fields(pde.Poisson(**shape))
    f = random(4, 5, wanted=True)

    def solve(a, f):
        problem = pde.Poisson(**shape, a=a)
        balanced = f - (f * problem.weights).sum() / problem.weights.sum()
        return pde.solve(problem, balanced, rtol=1e-13, method=method).u

    assert gradcheck(solve, (a, f), fast_mode=True)
    assert gradgradcheck(solve, (a, f), fast_mode=True)


def test_derivatives_by_fluxes():
    problem = pde.Poisson((4, 5), bc=[("neumann", "dirichlet"), "neumann"], a=(2.0, 0.5))
    solve = lambda f, g, h: pde.solve(problem, f, boundary=[(g, None), (None, h)], rtol=1e-13).u  # noqa: E731
    assert gradcheck(solve, (random(4, 5, wanted=True), random(7, wanted=True), random(6, wanted=True)))


def test_derivatives_of_order_four():
    problem = pde.Poisson((4, 5), bc=[("neumann", "dirichlet"), "neumann"], order=4)
    solve = lambda f, g, h: pde.solve(problem, f, boundary=[(g, None), (None, h)], rtol=1e-13).u  # noqa: E731
    assert gradcheck(solve, (random(4, 5, wanted=True), random(7, wanted=True), random(6, wanted=True)))


def test_a_batch_of_coefficients_is_its_members():
    shape = {"shape": (6, 7), "bc": ["neumann", "dirichlet"]}
    a, c = (x.detach() for x in fields(pde.Poisson(**shape), 3))
    f = random(6, 7)
    together = pde.solve(pde.Poisson(**shape, a=a, c=c), f, rtol=1e-12).u
    assert together.shape == (3, 6, 7)
    for k in range(3):
        alone = pde.solve(pde.Poisson(**shape, a=a[k], c=c[k]), f, rtol=1e-12).u
        assert distance(together[k], alone) < 1e-10
    mapped = vmap(lambda f: pde.solve(pde.Poisson(**shape, a=a, c=c), f, rtol=1e-12).u)(torch.stack([f, 2 * f]))
    assert distance(mapped[1], 2 * together) < 1e-10


def test_mapped_coefficients_are_told_what_to_use():
    a, _ = fields(PROBLEM, 2)
    with pytest.raises(ArgumentError, match=r"a: got a tensor inside torch.func.vmap.* give the batch itself"):
        vmap(lambda a: pde.solve(pde.Poisson((3, 5), a=a), random(3, 5)).u)(a)


def test_memory_of_a_gradient_by_coefficients():
    a = fields(pde.Poisson((31, 31)))[0]
    counts = []
    for rtol in (1e-2, 1e-12):
        count = []
        with torch.autograd.graph.saved_tensors_hooks(lambda x, c=count: c.append(x.numel()) or x, lambda x: x):
            pde.solve(pde.Poisson((31, 31), a=a), torch.ones(31, 31, dtype=torch.float64), rtol=rtol)
        counts.append(sum(count))
    assert counts[0] == counts[1]
