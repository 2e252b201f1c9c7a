"""Spectra of linear maps of images: all eigenvalues of the periodic map, from half of the frequencies."""

import math

import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment
from torch import nn

from vision.blocks import averaged, conv
from vision.channels import ChannelMultigrid
from vision.symbols import LIMIT, eigenvalues, frequencies, kernel, symbols

MAPS = {
    "full": lambda: conv(4, 4),
    "grouped": lambda: nn.Conv2d(4, 4, 3, padding=1, bias=False, groups=2),
    "depthwise": lambda: nn.Conv2d(4, 4, 3, padding=1, bias=False, groups=4),
    "pointwise": lambda: nn.Conv2d(4, 4, 1, bias=False),
    "dilated": lambda: nn.Conv2d(4, 4, 3, padding=2, dilation=2, bias=False),
    "wide": lambda: nn.Conv2d(4, 4, 7, padding=3, bias=False),
    "mgiad": lambda: ChannelMultigrid(4, 4, size=2),
    "identity": nn.Identity,
    "activated": lambda: nn.Sequential(conv(4, 4), nn.ReLU()),  # its relu is left out
}


def periodic_matrix(weight, grid):
    """(n, n), dense, of the convolution with a kernel (C, C, 7, 7) on a torus, term by term."""
    c, h, w = weight.shape[0], *grid
    x = torch.eye(c * h * w, dtype=torch.float64).view(-1, c, h, w)
    out = torch.zeros_like(x)
    for i in range(7):
        for j in range(7):
            moved = x.roll((3 - i, 3 - j), dims=(2, 3))
            out += torch.einsum("oc,nchw->nohw", weight[:, :, i, j], moved)
    return out.flatten(1).T


def distance(a, b):
    """The largest distance in the best pairing of two sets of eigenvalues."""
    apart = abs(a[:, None] - b[None, :])
    assert apart.shape[0] == apart.shape[1]
    return apart[linear_sum_assignment(apart)].max()


@pytest.mark.parametrize("name", MAPS)
def test_a_kernel_is_the_whole_map(name):
    part, x = MAPS[name]().double(), torch.randn(2, 4, 6, 5, dtype=torch.float64)
    linear = part[0] if name == "activated" else part
    torch.testing.assert_close(F.conv2d(x, kernel(part, 4), padding=3), linear(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("grid", [(4, 6), (5, 3), (1, 4), (1, 1), (2, 2)], ids=str)
@pytest.mark.parametrize("name", ["full", "grouped", "mgiad", "wide"])
def test_half_of_the_frequencies_give_every_eigenvalue(name, grid):
    weight, at = kernel(MAPS[name](), 4), frequencies(grid, 4)
    assert len(at.index) + int(at.twice.sum()) == math.prod(grid)
    want = torch.linalg.eigvals(periodic_matrix(weight, grid)).numpy()
    assert distance(eigenvalues(symbols(weight, at), at), want) <= 1e-10 * abs(want).max()


SAMPLES = [
    ((32, 32), 64, (32, 32)),
    ((8, 8), 256, (8, 8)),
    ((32, 32), 256, (8, 8)),
    ((7, 9), 300, (4, 5)),
    ((8, 8), 4096, (2, 2)),
]


@pytest.mark.parametrize(("grid", "channels", "used"), SAMPLES, ids=str)
def test_many_channels_get_the_frequencies_of_a_smaller_grid(grid, channels, used):
    at = frequencies(grid, channels)
    assert at.grid == used
    assert len(at.index) * channels**3 <= LIMIT or max(used) == 2


def test_frequencies_of_a_smaller_grid_are_some_of_all():
    weight = kernel(conv(3, 3), 3)
    some, every = (eigenvalues(symbols(weight, at), at) for at in (frequencies((4, 4), 3), frequencies((8, 8), 3)))
    assert abs(some[:, None] - every[None, :]).min(1).max() < 1e-12


@pytest.mark.parametrize(
    "part",
    [nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, padding=1), nn.GELU(), conv(4, 4, stride=2), averaged(4, 4)],
    ids=["bn", "bias", "activation", "strided", "full weighting"],
)
def test_what_is_not_linear_or_changes_the_grid_has_no_kernel(part):
    if isinstance(part, nn.BatchNorm2d):
        nn.init.ones_(part.bias)
    assert kernel(part, 4) is None


def test_a_kernel_leaves_the_map_as_it_is():
    part = conv(4, 4)
    kernel(part, 4)
    assert part.weight.dtype == torch.float32
