"""Residual networks: counts, blocks, and the pre-activation ones as MgNet's data-space form."""

import itertools

import pytest
import torch
from torch import nn

import vision
from unified import ArgumentError, DataSpaceLevel


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("resnet-18", 11_173_962),
        ("resnet-20", 269_722),
        ("preact-resnet-18", 11_172_170),
        ("preact-resnet-20", 269_722),
    ],
)
def test_the_named_ones_have_their_weights(name, weights):
    assert vision.count_weights(vision.create_model(name)) == weights


@pytest.mark.parametrize("shortcut", ["projection", "padding"])
@pytest.mark.parametrize(("steps", "w"), [((1,), (5,)), ((2, 1, 3), (4, 6, 6)), ((1, 2), (3, 8))])
def test_weights_follow_the_formulas_of_the_docstrings(steps, w, shortcut):
    k, c = 7, 2
    options = {"classes": k, "in_channels": c, "shortcut": shortcut}
    both = 9 * c * w[0] + sum((18 * v**2 + 4 * v) * n for n, v in zip(steps, w, strict=True)) + k * (w[-1] + 1)
    pairs = list(itertools.pairwise(w))
    both += sum(9 * p * v - 9 * v**2 for p, v in pairs)
    projected = shortcut == "projection"
    after = 2 * w[0] + projected * sum(p * v + 2 * v for p, v in pairs)
    before = sum(2 * p - 2 * v + projected * p * v for p, v in pairs) + 2 * w[-1]
    assert vision.count_weights(vision.resnet(steps, w, **options)) == both + after
    assert vision.count_weights(vision.preact_resnet(steps, w, **options)) == both + before


@torch.no_grad()
@pytest.mark.parametrize("shortcut", ["projection", "padding"])
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5)], ids=str)
def test_a_preactivation_resnet_is_mgnets_data_space_form(shortcut, training, dtype, bound):
    resnet = vision.preact_resnet((2, 3, 1), (4, 8, 8), shortcut=shortcut).to(dtype).train(training)
    network = vision.as_mgnet(resnet).train(training)
    residuals = vision.data_space(network)
    assert all(isinstance(level, DataSpaceLevel) for level in residuals.levels)
    x = torch.randn(4, 3, 8, 8, dtype=dtype)
    want = resnet(x)
    for form in (network, residuals):
        assert float((form(x) - want).abs().max() / want.abs().max()) < bound
    assert vision.count_weights(network) == vision.count_weights(resnet)


def test_mgnet_with_one_step_a_level_is_preactivation_blocks():
    """The other way round: a level in data space, written out as He et al. 2016 do, its outer weight shared."""
    model = vision.mgnet((3,), 5, share_B=False).double()
    r = model.stem(torch.randn(2, 3, 8, 8, dtype=torch.float64))
    images, (level,) = r, model.levels
    s = level.pre_smoother
    for i in range(3):
        r = r + nn.functional.conv2d(s.psi[i](s.B[i].map(s.phi[i](r))), -level.A.weight, padding=1)
    form = vision.MgNet(nn.Identity(), model.levels, nn.Identity())
    level = DataSpaceLevel(form.levels[0])
    assert torch.allclose(level.pre(form.encode(images)).f, r, rtol=1e-12, atol=1e-12)


def test_a_block_after_activation_is_the_published_one():
    model = vision.resnet((1, 1), (4, 6)).double()
    x = torch.randn(3, 4, 8, 8, dtype=torch.float64)
    block = model.blocks[1]
    conv1, bn1, _ = block.first
    conv2, bn2 = block.second
    shortcut, bn = block.shortcut
    want = (bn2(conv2(bn1(conv1(x)).relu())) + bn(shortcut(x))).relu()
    torch.testing.assert_close(block(x), want, rtol=1e-12, atol=1e-12)


def test_padding_keeps_every_second_pixel_and_adds_zeros():
    block = vision.preact_resnet((1, 1), (2, 3), shortcut="padding").blocks[1]
    x = torch.randn(1, 2, 5, 4)
    padded = block.shortcut(x)
    assert torch.equal(padded[:, :2], x[..., ::2, ::2])
    assert padded.shape == (1, 3, 3, 2)
    assert not padded[:, 2:].any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vision.resnet((2, 2), (4, 8, 8)), "channels: got 3 levels; expected 2, as steps"),
        (lambda: vision.resnet((2, 0), (4, 8)), "steps: got (2, 0); expected at least one level"),
        (
            lambda: vision.resnet((1,), (4,), shortcut="none"),
            "shortcut: got 'none'; expected one of projection, padding",
        ),
        (lambda: vision.preact_resnet((1,), (4,), classes=0), "classes: got 0"),
        (
            lambda: vision.resnet()(torch.zeros(1, 3, 4, 4)),
            "images: got shape (1, 3, 4, 4); expected (B, C, H, W) with",
        ),
        (lambda: vision.as_mgnet(vision.resnet((1,), (4,))), "network: got blocks of another kind; expected a preact"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ArgumentError) as error:
        call()
    assert str(error.value).startswith(message)
