"""Symbols of linear maps of images at half of a grid's frequencies, and the eigenvalues at all of them.

With periodic boundary they are exact: see `unified.symbol`.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from unified.spectrum import symbol

LIMIT = 6e8  # frequencies times channels³: eigenvalues of more take a core longer than some seconds
REACH = 3  # pixels from the centre of the widest kernel, 7x7


class Frequencies(NamedTuple):
    """One of each pair ±θ of frequencies of a periodic grid: at -θ, the symbol of a real map is the conjugate."""

    grid: tuple[int, int]
    index: Tensor  # (F,) int64, into the flattened grid of frequencies
    twice: Tensor  # (F,) bool: -θ is another frequency than θ


def frequencies(grid: tuple[int, int], channels: int) -> Frequencies:
    """Those of `grid`; where C x C matrices at all of them are too many, of a grid of half its sides, or a quarter."""
    h, w = grid
    while (h * w // 2 + 2) * channels**3 > LIMIT and max(h, w) > 2:
        h, w = -(-h // 2), -(-w // 2)
    number = torch.arange(h * w).view(h, w)
    opposite = number[-torch.arange(h) % h][:, -torch.arange(w) % w].flatten()
    index = number.flatten()[number.flatten() <= opposite]
    return Frequencies((h, w), index, index < opposite[index])


@torch.no_grad()
def kernel(map: nn.Module, channels: int) -> Tensor | None:
    """(C_out, channels, 7, 7), float64: what a linear map, grouped or composed, answers to an impulse in each channel.

    Activations in a row of modules are left out. None where the map is still not linear, or changes the grid.
    """
    if isinstance(map, nn.Sequential):
        map = nn.Sequential(*(part for part in map if not isinstance(part, nn.ReLU)))
    map = copy.deepcopy(map).to("cpu", torch.float64).eval()  # a GPU's convolutions may round the weights
    if type(map) is nn.Conv2d and (map.stride, map.dilation, map.groups, map.bias) == ((1, 1), (1, 1), 1, None):
        reach = map.kernel_size[0] // 2  # what the impulses below find, without their C³ products
        if map.kernel_size == (2 * reach + 1,) * 2 and map.padding == (reach, reach) and reach <= REACH:
            return F.pad(map.weight, [REACH - reach] * 4)
    side = 2 * REACH + 1
    impulse = torch.zeros(channels, channels, side, side, dtype=torch.float64)
    impulse[:, :, REACH, REACH] = torch.eye(channels, dtype=torch.float64)
    answer = map(impulse)
    linear = answer.shape[2:] == impulse.shape[2:] and torch.equal(map(-impulse), -answer)
    return answer.transpose(0, 1).flip(2, 3) if linear else None


def symbols(kernel: Tensor, at: Frequencies) -> Tensor:
    """(F, C_out, C_in), complex: the map's matrix at each frequency."""
    return symbol(kernel, at.grid).flatten(0, 1)[at.index]


def eigenvalues(matrices: Tensor, at: Frequencies) -> NDArray[np.complex128]:
    """Of matrices (F, C, C) at these frequencies and at the opposite ones: C for each point of the grid."""
    values = torch.linalg.eigvals(matrices).numpy()
    return np.concatenate([values.ravel(), values[at.twice.numpy()].conj().ravel()])
