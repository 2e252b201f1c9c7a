"""Poly-MgNet: counts for every filling of its slots, blocks written out, and where roots start."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import vision
from unified import ArgumentError, Factor, Inside, Pair, residual_polynomial, symbol, testing
from unified.spectrum import symbol_radius
from vision.blocks import conv
from vision.factors import BLOCKS, FACTORS, ROOTS
from vision.placement import PLACEMENTS, RESIDUALS

PUBLISHED = {"q2": 1_386_706, "g4": 1_386_706, "g6": 1_389_526, "g8": 1_392_346}
PRODUCTS = [("linear",), ("quadratic",), ("quadratic-real",), ("double",), BLOCKS["g6"], ("linear", "quadratic")]


def fits(product, placement):
    return PLACEMENTS[placement].inside is None or "linear" not in product


CASES = [
    (product, placement, residual)
    for product, placement, residual in itertools.product(PRODUCTS, PLACEMENTS, RESIDUALS)
    if fits(product, placement)
]


def images(size=8, batch=4, dtype=torch.float64):
    return torch.randn(batch, 3, size, size, dtype=dtype)


@pytest.mark.parametrize("block", PUBLISHED)
def test_blocks_have_the_published_weights(block):
    """Less 1,152 that are never used, and one more for each of four truly complex pairs."""
    pairs = 4 * BLOCKS[block].count("quadratic")
    assert vision.count_weights(vision.create_model(f"polymgnet-{block}")) == PUBLISHED[block] - 1_152 + pairs
    real = [kind.replace("quadratic", "quadratic-real") for kind in BLOCKS[block]]
    published = vision.polymgnet((1, 1, 1, 1), factors=real)
    assert vision.count_weights(published) == PUBLISHED[block] - 1_152


@pytest.mark.parametrize(("product", "placement", "residual"), CASES)
@pytest.mark.parametrize(("share", "channel"), [(False, False), (True, False), (False, True), (True, True)])
def test_weights_follow_the_formula_of_the_docstring(product, placement, residual, share, channel):
    steps, c = (2, 1), (4, 8)
    model = vision.polymgnet(
        steps, c, classes=7, in_channels=2, factors=product, placement=placement, residual=residual,
        share_roots=share, channel_roots=channel,
    )  # fmt: skip
    inside = placement == "bn-inside"
    beta = (residual != "plain") + (placement != "plain") - inside
    rho = sum(2 if kind == "quadratic" else 1 for kind in product)
    expected = 9 * 2 * c[0] + 2 * c[0] + 18 * c[1] + 7 * (c[1] + 1)
    for n, width in zip(steps, c, strict=True):
        m = 1 if share else n
        expected += 9 * width**2 + n * len(product) * 2 * beta * width + m * rho * (width if channel else 1)
        expected += m * len(product) * 2 * width * inside
    assert vision.count_weights(model) == expected


@pytest.mark.parametrize(("product", "placement", "residual"), CASES)
def test_every_placement_trains(product, placement, residual):
    """Gradients for all weights, round trip of the state, finite in bfloat16."""
    model = vision.polymgnet((1, 2), (4, 8), factors=product, placement=placement, residual=residual, roots="uniform")
    testing.check_multigrid(model.double(), images())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model.float()(images(dtype=torch.float32)).float().square().mean()
    loss.backward()
    assert loss.isfinite()
    assert all(p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_data_space_form_gives_the_same_logits(placement):
    model = vision.polymgnet((1, 2), (4, 8), factors=BLOCKS["g4"] + ("quadratic",), placement=placement)
    if placement in ("outside", "relu-outside"):  # tau acts on u
        with pytest.raises(ArgumentError, match="expected a Relaxation without tau"):
            vision.data_space(model)
        return
    x = images(dtype=torch.float32)
    torch.testing.assert_close(vision.data_space(model)(x), model(x), rtol=1e-5, atol=1e-5)


def step_by_hand(placement, phi, psi, tau, B, A, u, f, last):
    """One row of the table, written out."""
    bn1, _ = phi
    r = bn1(f - A(u)).relu()
    match placement:
        case "regular":
            return u + psi[0](B(A, r)).relu()
        case "outside":
            return tau[0](u + B(A, r)).relu()
        case "relu-outside":
            assert isinstance(psi, nn.BatchNorm2d)
            u = u + psi(B(A, r))
            return u.relu() if last else u
        case "plain":
            return u + B(A, r)
        case "inside":
            assert isinstance(psi, nn.BatchNorm2d)
            return u + psi((2 * B.correction.a * r - A(r).relu()) / (B.correction.a**2 + B.correction.b**2))
        case "bn-inside":
            assert isinstance(B.map, nn.BatchNorm2d)
            return u + ((2 * B.correction.a * r - B.map(A(r))) / (B.correction.a**2 + B.correction.b**2)).relu()
    raise AssertionError(placement)


@pytest.mark.parametrize("placement", PLACEMENTS)
def test_placements_are_the_rows_of_the_table(placement):
    A = conv(4, 4).double()
    smoother = vision.polynomial_smoother(A, 4, 3, factors=("quadratic",), placement=placement).double()
    u, f = torch.randn(2, 5, 4, 6, 6, dtype=torch.float64)
    want = u
    for i in range(3):
        parts = [s[i] if len(s) else None for s in (smoother.phi, smoother.psi, smoother.tau)]
        want = step_by_hand(placement, *parts, smoother.B[i], A, want, f, i == 2)
    torch.testing.assert_close(smoother(A, u, f), want, rtol=1e-12, atol=1e-12)


def test_a_plain_product_multiplies_the_residual_by_its_polynomial():
    lam = torch.linspace(0.1, 2, 50, dtype=torch.float64)
    options = {"placement": "plain", "residual": "plain", "roots": "uniform"}
    product = ("linear", "quadratic", "double")
    smoother = vision.polynomial_smoother(conv(4, 4), 4, 2, factors=product, **options).double()
    f = torch.ones_like(lam)
    roots = []
    for B in smoother.B:
        if isinstance(B, Pair):
            roots += [complex(B.a.item(), B.b.item()), complex(B.a.item(), -B.b.item())]
        elif B.c2 is None:
            roots.append(1 / B.c1.item())
        else:
            rho = math.sqrt(-1 / B.c2.item())
            roots += [rho, -rho]
    got = f - lam * smoother(lambda x: lam * x, None, f)
    np.testing.assert_allclose(got.detach().numpy(), residual_polynomial(roots, lam.numpy()), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("rule", ROOTS)
@pytest.mark.parametrize("product", PRODUCTS)
def test_roots_start_finite_and_pairs_truly_complex(rule, product):
    smoother = vision.polynomial_smoother(conv(6, 6, gain=1.0), 6, 2, factors=product, roots=rule)
    assert all(p.isfinite().all() and p.any() for p in smoother.B.parameters())
    assert all(B.b is None or B.b > 0 for B in smoother.B if isinstance(B, Pair))


def test_roots_from_the_spectrum_are_of_the_symbol():
    A = conv(8, 8, gain=1.0).double()
    hi = symbol_radius(A.weight, (3, 3))
    product = ("linear", "double", "quadratic", "quadratic")
    smoother = vision.polynomial_smoother(A, 8, factors=product, roots="spectrum")
    linear, double, *pairs = smoother.B
    assert 1 / linear.c1.item() == pytest.approx(0.75 * hi, rel=1e-5)  # sin²(π/3)
    assert double.c2.item() == pytest.approx(-1 / hi**2, rel=1e-5)
    values = torch.linalg.eigvals(symbol(A.weight, (3, 3))).flatten().numpy()
    for pair in pairs:
        assert abs(values - complex(pair.a.item(), pair.b.item())).min() < 1e-5
    assert pairs[0].a.item() != pairs[1].a.item()


def test_shared_roots_are_one_product_a_level():
    smoother = vision.polynomial_smoother(conv(4, 4), 4, 3, factors="g6", share_roots=True)
    assert (smoother.steps, len(smoother.B), len(smoother.phi)) == (9, 3, 9)


def test_roots_of_each_channel_have_their_shape():
    smoother = vision.polynomial_smoother(conv(4, 4), 4, factors=("linear", "quadratic"), channel_roots=True)
    assert {tuple(p.shape) for B in smoother.B for p in B.parameters()} == {(4, 1, 1)}


def test_inside_wraps_the_factor():
    smoother = vision.polynomial_smoother(conv(4, 4), 4, factors=("double",), placement="bn-inside")
    assert isinstance(smoother.B[0], Inside)
    assert isinstance(smoother.B[0].correction, Factor)
    assert isinstance(smoother.B[0].map, nn.BatchNorm2d)


@pytest.mark.parametrize("width", [0.25, 0.5, 1, 2])
@pytest.mark.parametrize("block", BLOCKS)
def test_width_factors(block, width):
    suffix = {0.25: "-quarter", 0.5: "-half", 1: "", 2: "-twice"}[width]
    model = vision.create_model(f"polymgnet-{block}{suffix}")
    assert [level.A.weight.shape[0] for level in model.levels] == [round(width * c) for c in (64, 128, 256, 256)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"placement": "between"}, "placement: got 'between'; expected one of regular, outside, relu-outside"),
        ({"residual": "relu"}, "residual: got 'relu'; expected one of relu-bn, bn, plain"),
        ({"roots": "random"}, "roots: got 'random'; expected one of unit, spectrum, uniform, xavier"),
        ({"factors": "g5"}, "factors: got 'g5'; expected one of q2, g4, g6, g8"),
        ({"factors": ("cubic",)}, "factors: got 'cubic'; expected one of linear, quadratic"),
        ({"factors": ()}, "factors: got (); expected at least one factor"),
        ({"placement": "inside"}, "placement: got 'inside' of linear factors; expected factors with A r"),
        ({"transfers": "pooled"}, "transfers: got 'pooled'; expected one of learned, fixed"),
        ({"conv": "sparse"}, "conv: got 'sparse'; expected one of full, mgiad-4"),
        ({"channels": (4, 6, 6, 6)}, "channels: got 4 -> 6; expected a multiple"),
        ({"steps": (1, 0, 1, 1)}, "steps: got (1, 0, 1, 1); expected at least one level of at least one step"),
    ],
    ids=str,
)
def test_bad_input_is_named(options, message):
    with pytest.raises(ArgumentError) as error:
        vision.polymgnet(**options)
    assert str(error.value).startswith(message)


def test_a_spectrum_without_complex_eigenvalues_has_no_pairs():
    A = conv(2, 2)
    nn.init.dirac_(A.weight)
    with pytest.raises(ArgumentError, match="roots: got a real spectrum; expected complex eigenvalues"):
        vision.polynomial_smoother(A, 2, factors=("quadratic",), roots="spectrum")


def test_every_factor_of_a_block_is_known():
    assert {kind for product in BLOCKS.values() for kind in product} <= set(FACTORS)
