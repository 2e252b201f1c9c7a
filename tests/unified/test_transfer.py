"""Stencils and interpolations against PyTorch's convolutions and exact polynomials."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from unified import ArgumentError, StencilConv, StencilTranspose, full_weighting
from unified.testing import check_adjoint, check_linear

CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSE = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def grid(n, ndim):
    return tuple(n + i for i in range(ndim))  # not square


def per_channel(stencil, channels):
    return stencil.expand(channels, 1, *stencil.shape)


@given(
    ndim=st.integers(1, 3),
    k=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 3),
    n=st.integers(1, 9),
)
def test_stencil_equals_a_convolution(ndim, k, stride, padding, n):
    stencil = torch.randn((k,) * ndim, dtype=torch.float64)
    x = torch.randn(2, 3, *grid(n, ndim), dtype=torch.float64)
    conv = StencilConv(stencil, stride=stride, padding=padding)
    if n + 2 * padding < k:
        with pytest.raises(ArgumentError, match="x: got a grid"):
            conv(x)
        return
    want = CONV[ndim](x, per_channel(stencil, 3), stride=stride, padding=padding, groups=3)
    torch.testing.assert_close(conv(x), want, rtol=1e-13, atol=1e-13)


@given(
    ndim=st.integers(1, 3),
    k=st.integers(1, 5),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    n=st.integers(2, 6),
)
def test_transpose_equals_a_transposed_convolution(ndim, k, stride, padding, n):
    stencil = torch.randn((k,) * ndim, dtype=torch.float64)
    x = torch.randn(2, 3, *grid(n, ndim), dtype=torch.float64)
    if stride * (n - 1) + k <= 2 * padding:
        return  # nothing is left
    want = TRANSPOSE[ndim](x, per_channel(stencil, 3), stride=stride, padding=padding, groups=3)
    got = StencilTranspose(stencil, stride=stride, padding=padding, scale=3.0)(x)
    torch.testing.assert_close(got, 3 * want, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("k", [3, 5])
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (1, 1), (2, 0), (2, 1), (3, 2)])
def test_transpose_is_the_adjoint(ndim, k, stride, padding):
    stencil = torch.randn((k,) * ndim, dtype=torch.float64)
    R = StencilConv(stencil, stride=stride, padding=padding)
    P = StencilTranspose(stencil, stride=stride, padding=padding, scale=2.0)
    coarse = torch.zeros(2, 3, *grid(4, ndim), dtype=torch.float64)
    check_adjoint(R, P, P(coarse), coarse, scale=2.0)
    check_linear(R, P(coarse))
    check_linear(P, coarse)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_interpolation_is_two_to_the_d_times_the_transpose(ndim):
    R = StencilConv(full_weighting(ndim), stride=2)
    P = StencilTranspose(full_weighting(ndim), stride=2, scale=2.0**ndim)
    fine, coarse = (7,) * ndim, (3,) * ndim
    eye = torch.eye(3**ndim, dtype=torch.float64).reshape(-1, 1, *coarse)
    matrix = R(torch.eye(7**ndim, dtype=torch.float64).reshape(-1, 1, *fine)).reshape(7**ndim, -1).T
    assert torch.equal(P(eye).reshape(3**ndim, -1), 2**ndim * matrix)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_full_weighting_sums_to_one(ndim):
    assert full_weighting(ndim).shape == (3,) * ndim
    assert float(full_weighting(ndim).sum()) == 1


def points(n, ndim):
    """The interior points of the unit cube, (ndim, *grid)."""
    x = torch.arange(1, n + 1, dtype=torch.float64) / (n + 1)
    return torch.stack(torch.meshgrid(*[x] * ndim, indexing="ij"))


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_interpolation_is_exact_for_multilinear_functions(n, ndim):
    """Inside; beside the boundary, where the function is taken as zero, half the neighbour."""
    P = StencilTranspose(full_weighting(ndim), scale=2.0**ndim)

    def g(x):
        return (1 + torch.arange(1, ndim + 1).reshape(-1, *[1] * ndim) * x).prod(0)[None, None]

    inside = (..., *[slice(1, -1)] * ndim)
    torch.testing.assert_close(P(g(points(n, ndim)))[inside], g(points(2 * n + 1, ndim))[inside], rtol=1e-14, atol=0)
    first = (0,) * (ndim + 2)
    assert P(torch.ones(1, 1, *(n,) * ndim))[first] == 0.5**ndim


@pytest.mark.parametrize("ndim", [1, 2])
@pytest.mark.parametrize("n", [1, 2, 3])
def test_gradients(n, ndim):
    x = torch.randn(1, 1, *(n,) * ndim, dtype=torch.float64, requires_grad=True)
    stencil = torch.randn((3,) * ndim, dtype=torch.float64)
    for module in (
        StencilConv(stencil, padding=1),
        StencilConv(stencil, stride=2, padding=1),
        StencilTranspose(stencil, scale=2.0),
    ):
        assert torch.autograd.gradcheck(module, x)
    if n >= 3:
        assert torch.autograd.gradcheck(StencilConv(stencil, stride=2), x)


MODULES = [
    StencilConv(full_weighting(2), stride=2),
    StencilConv(full_weighting(2), stride=2, padding=1),
    StencilTranspose(full_weighting(2), scale=4.0),
]


@pytest.mark.parametrize("module", MODULES, ids=["conv", "padded", "transpose"])
def test_memory_layout_does_not_matter(module):
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64)
    want = module(x)
    others = [
        x.to(memory_format=torch.channels_last),
        x.mT.contiguous().mT,
        torch.stack([x, -x], -1)[..., 0],
        x[:, :1].expand(-1, 3, -1, -1),
    ]
    for other in others[:3]:
        assert not other.is_contiguous()
        assert torch.equal(module(other), want)
    assert torch.equal(module(others[3])[:, 2], want[:, 0])
    assert torch.equal(module(x[0]), want[0])  # without a batch
    assert torch.equal(module(x[0, 0]), want[0, 0])  # a grid alone


@pytest.mark.parametrize("module", MODULES, ids=["conv", "padded", "transpose"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_is_kept(module, dtype):
    x = torch.randn(2, 3, 7, 5, dtype=torch.float64).to(dtype)
    got, want = module(x), module(x.double())
    assert got.dtype == dtype
    error = float((got.double() - want).abs().max() / want.abs().max())
    assert error <= 4 * torch.finfo(dtype).eps


def test_input_is_left_alone():
    x = torch.randn(1, 1, 7, 7)
    before = x.clone()
    for module in MODULES:
        module(x)
    assert torch.equal(x, before)


def test_modules_have_no_state():
    """Taps are Python numbers: exact whatever dtype the module is cast to, and in no state dict."""
    for module in MODULES:
        assert not module.state_dict()
    third = StencilConv(torch.tensor([1 / 3], dtype=torch.float64)).half()
    assert float(third(torch.ones(1, 1, 1, dtype=torch.float64))) == 1 / 3


def test_zero_taps_cost_nothing():
    five_point = torch.tensor([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]])
    assert len(StencilConv(five_point).taps) == 5


@pytest.mark.parametrize(
    "stencil",
    [torch.zeros(3), torch.tensor([1.0, float("nan")]), torch.ones(2, 2, 2, 2), torch.tensor(1.0)],
    ids=["zero", "nan", "4-D", "0-D"],
)
def test_bad_stencils(stencil):
    for kind in (StencilConv, StencilTranspose):
        with pytest.raises(ArgumentError, match="stencil: got"):
            kind(stencil)


@pytest.mark.parametrize("steps", [{"stride": 0}, {"stride": 1.5}, {"padding": -1}], ids=str)
def test_bad_steps(steps):
    for kind in (StencilConv, StencilTranspose):
        with pytest.raises(ArgumentError, match=rf"{next(iter(steps))}: got .+; expected a whole number"):
            kind(full_weighting(1), **steps)


@pytest.mark.parametrize("module", MODULES, ids=["conv", "padded", "transpose"])
def test_too_few_dimensions(module):
    with pytest.raises(ArgumentError, match=r"x: got shape \(5,\); expected at least 2 dimensions"):
        module(torch.ones(5))


@pytest.mark.parametrize("n", [1, 2])
def test_a_grid_smaller_than_the_stencil(n):
    with pytest.raises(ArgumentError, match=rf"x: got a grid \({n}, 5\); expected with padding 0 at least"):
        StencilConv(full_weighting(2), stride=2)(torch.ones(1, 1, n, 5))


def test_strided_shapes_of_images_and_of_grids():
    R = StencilConv(full_weighting(1), stride=2, padding=1)
    assert [R(torch.ones(1, 1, n)).shape[-1] for n in (32, 16, 7, 1)] == [16, 8, 4, 1]
    R = StencilConv(full_weighting(1), stride=2)
    assert [R(torch.ones(1, 1, n)).shape[-1] for n in (31, 15, 7, 3)] == [15, 7, 3, 1]
    P = StencilTranspose(full_weighting(1))
    assert [P(torch.ones(1, 1, n)).shape[-1] for n in (15, 7, 3, 1)] == [31, 15, 7, 3]
    assert list(itertools.chain(P.parameters(), R.parameters())) == []
