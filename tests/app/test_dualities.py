"""The two dualities, by running: a network that is the solver, and a ResNet that is the network."""

import pytest
import torch

import pde
import vision
from unified.app.dualities import as_network, resnet_difference, solver_difference
from unified.errors import ArgumentError
from unified.program import backslash

SMOOTHERS = {
    "chebyshev4": ("chebyshev4", 2),
    "chebyshev1": ("chebyshev1", 3),
    "optimised4": ("optimised4", 4),
    "jacobi": ("jacobi", 1),
    "real roots": ([0.3, 0.7], 2),
    "complex roots": ([0.9, 0.3 + 0.2j, 0.3 - 0.2j], 3),
}
MODELS = {
    "B^l": lambda **o: vision.mgnet((2, 2, 2), 6, **o),
    "B^{l,i}": lambda **o: vision.mgnet((1, 3, 2), 6, share_B=False, **o),
    "c_u > c_f": lambda **o: vision.mgnet((2, 2), 8, data_channels=5, **o),
    "c_u < c_f": lambda **o: vision.mgnet((2, 1, 2), 5, data_channels=8, share_B=False, **o),
    "one level": lambda **o: vision.mgnet((3,), 6, **o),
    "poly": lambda **o: vision.polymgnet((2, 2, 2), (4, 8, 8), **o),
}


@pytest.fixture(params=MODELS)
def model(request):
    return MODELS[request.param](classes=7, in_channels=1)


def images(dtype, n=6):
    return torch.randn(n, 1, 12, 12, dtype=dtype)


@pytest.mark.parametrize("shape", [(31, 31), (15, 63), (23, 11)])
@pytest.mark.parametrize("smoother", SMOOTHERS)
@pytest.mark.parametrize("scheme", ["correction", "fas"])
def test_network_with_the_solvers_stencils_is_the_solver(scheme, smoother, shape):
    roots, degree = SMOOTHERS[smoother]
    mg = pde.multigrid(pde.Poisson(shape), smoother=roots, degree=degree, scheme=scheme, level="composed")
    f = torch.randn(3, 1, *shape, dtype=torch.float64)
    differences = solver_difference(mg, f)
    assert len(differences) == len(mg.levels) >= 2
    assert max(differences) < 1e-14


def test_one_level_is_compared_too():
    mg = pde.multigrid(pde.Poisson((3, 3)), level="composed")
    assert len(solver_difference(mg, torch.ones(1, 1, 3, 3, dtype=torch.float64))) == 1


def test_the_two_networks_run_the_same_program():
    mg = pde.multigrid(pde.Poisson((15, 15)), level="composed")
    assert as_network(mg).program == mg.with_program(backslash(3)).program == vision.mgnet((2, 2, 2), 4).program


@pytest.mark.parametrize("options", [{"a": (1.0, 30.0)}, {"c": 9.0}, {"order": 4}], ids=["flat", "reaction", "compact"])
def test_other_stencils_and_strides(options):
    mg = pde.multigrid(pde.Poisson((31, 31), **options))
    assert max(solver_difference(mg, torch.randn(2, 1, 31, 31, dtype=torch.float64))) < 1e-14


@pytest.mark.parametrize(
    ("shape", "options"),
    [((7, 7, 7), {}), ((15, 15), {"bc": "neumann"}), ((16, 16), {"bc": "periodic"}), ((18, 18), {})],
    ids=["3d", "neumann", "periodic", "even"],
)
def test_what_is_no_convolution_is_refused(shape, options):
    with pytest.raises(ArgumentError, match=r"(?s)mg: got .*expected composed 2-D levels.*; use constant coefficients"):
        as_network(pde.multigrid(pde.Poisson(shape, **options)))


@pytest.mark.parametrize(
    "options", [{"smoother": "chebyshev4", "pre": 2}, {"smoother": "redblack", "degree": 1}], ids=["twice", "redblack"]
)
def test_a_smoother_that_is_no_polynomial_is_refused(options):
    mg = pde.multigrid(pde.Poisson((7, 7)), **options)
    with pytest.raises(ArgumentError, match="expected a polynomial smoother; use smoother"):
        as_network(mg)


@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-13), (torch.float32, 1e-5)], ids=str)
def test_data_space_form_gives_the_same_logits(model, dtype, bound, training):
    model = model.to(dtype).train(training)
    assert resnet_difference(model, images(dtype)) < bound


def test_data_space_form_gives_the_same_gradients(model):
    model = model.double().train()
    x, labels = images(torch.float64), torch.arange(6)

    def gradients(network):
        model.zero_grad()
        torch.nn.functional.cross_entropy(network(x), labels).backward()
        return {name: p.grad for name, p in model.named_parameters()}

    one, other = gradients(model), gradients(vision.data_space(model))
    largest = max(float(g.abs().max()) for g in one.values())
    for name, gradient in one.items():
        torch.testing.assert_close(other[name], gradient, rtol=1e-9, atol=1e-12 * largest)


def test_data_space_form_shares_the_weights(model):
    assert {id(p) for p in vision.data_space(model).parameters()} == {id(p) for p in model.parameters()}


def test_data_space_form_of_a_data_space_form_is_refused(model):
    with pytest.raises(ArgumentError, match="network: got a data-space form; expected the u-form; use it as it is"):
        vision.data_space(vision.data_space(model))
