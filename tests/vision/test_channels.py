"""Multigrid in channels, and the smoothing step as a module of other networks."""

import pytest
import torch
from torch import nn

import vision
from tests.vision.runs import descend
from unified import ArgumentError, Factor, Relaxation, testing
from vision.blocks import conv


@pytest.mark.parametrize(("channels", "size"), [(8, 8), (16, 8), (64, 8), (64, 4), (32, 2)])
def test_channel_hierarchy_weights_follow_the_formula(channels, size):
    model = vision.channel_multigrid(channels, channels, size=size)
    assert vision.count_weights(model) == 20 * channels * size - 11 * size**2


def test_channel_hierarchy_is_linear_and_couples_all_channels():
    A = vision.channel_multigrid(16, 16, size=4).double()
    x = torch.randn(2, 16, 5, 5, dtype=torch.float64)
    testing.check_linear(A, x)
    impulse = torch.zeros(16, 16, 3, 3, dtype=torch.float64)
    impulse[range(16), range(16), 1, 1] = 1
    assert (A(impulse).flatten(2).abs().amax(2) > 0).all()


def test_channel_hierarchy_starts_with_the_variance_of_a_full_convolution():
    torch.manual_seed(0)
    x = torch.randn(4, 128, 32, 32)
    full, grouped = (
        A(x)[..., 1:-1, 1:-1].var().item() for A in (conv(128, 128), vision.channel_multigrid(128, 128, size=8))
    )
    assert grouped == pytest.approx(full, rel=0.25)


def test_channels_may_differ():
    assert vision.channel_multigrid(16, 32, size=4)(torch.randn(1, 16, 4, 4)).shape == (1, 32, 4, 4)


@pytest.mark.parametrize(
    ("inputs", "outputs", "size", "message"),
    [
        (20, 20, 8, "channels: got 20 -> 20 in groups of 8; expected even groups"),
        (16, 15, 8, "channels: got 16 -> 15 in groups of 8; expected even groups"),
        (9, 9, 3, "channels: got 9 -> 9 in groups of 3; expected even groups"),
        (9, 9, 1, "size: got 1; expected a whole number >= 2"),
        (24, 24, 8, "channels: got 12 -> 12 in groups of 8; expected even groups"),
    ],
)
def test_odd_channels_are_refused(inputs, outputs, size, message):
    with pytest.raises(ArgumentError) as error:
        vision.channel_multigrid(inputs, outputs, size=size)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    "options", [{}, {"factors": ("quadratic",), "roots": "spectrum"}, {"placement": "plain"}], ids=str
)
def test_a_smoothing_block_is_the_step_in_data_space(options):
    block = vision.smoothing_block(4, 2, **options).double().eval()
    A, smoother = block.level.A, block.level.level.pre_smoother
    x = torch.randn(3, 4, 6, 6, dtype=torch.float64)
    want = x - A(smoother(A, None, x))  # the residual that the smoother leaves of x, from u = 0
    torch.testing.assert_close(block(x), want, rtol=1e-12, atol=1e-12)


def test_a_smoothing_block_has_the_weights_of_its_docstring():
    assert vision.count_weights(vision.smoothing_block(8, 3)) == 9 * 8**2 + 3 * (4 * 8 + 1)


def test_a_smoothing_block_with_given_parts_is_a_polynomial():
    A = nn.Conv2d(1, 1, 1, bias=False).double()
    A.weight.data.fill_(0.5)
    x = torch.randn(2, 1, 3, 3, dtype=torch.float64)
    got = vision.SmoothingBlock(A, Relaxation(2, Factor.root(2.0)))(x)
    torch.testing.assert_close(got, (1 - 0.25) ** 2 * x, rtol=1e-14, atol=1e-14)


def test_a_small_resnet_with_smoothing_blocks_trains():
    """In place of ResNet-20's blocks that keep the shape: fewer weights, every one with a gradient, and it learns."""
    torch.manual_seed(0)
    resnet = vision.preact_resnet((2, 2), (4, 8), shortcut="padding", classes=2)
    before = vision.count_weights(resnet)
    for i, block in enumerate(resnet.blocks):
        if block.shortcut is None:
            resnet.blocks[i] = vision.smoothing_block(block.conv1.in_channels)
    assert vision.count_weights(resnet) < 0.8 * before
    x, labels = torch.randn(8, 3, 8, 8), torch.arange(8) % 2
    losses = descend(resnet, x, labels, lr=0.1, steps=25)
    assert all(p.grad.any() for p in resnet.parameters())
    assert losses[-1] < 0.3 * losses[0]


def test_a_smoother_with_tau_is_refused():
    with pytest.raises(ArgumentError, match="expected a Relaxation without tau"):
        vision.smoothing_block(4, placement="outside")
