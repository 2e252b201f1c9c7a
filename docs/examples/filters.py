"""Denoising without training: filters of scipy, non-local means, and total variation by the toolkit's own solver.

Pictures are (3, H, W) in [0, 1], float64, with independent normal noise of standard deviation sigma in each number.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from scipy import ndimage, signal
from torch import Tensor

import pde


def gaussian(picture: Tensor, sigma: float, width: float) -> Tensor:
    """Convolved with a Gaussian of that standard deviation, in pixels."""
    return torch.from_numpy(ndimage.gaussian_filter(picture.numpy(), width, axes=(1, 2)))


def median(picture: Tensor, sigma: float, size: int) -> Tensor:
    """The median of size x size pixels."""
    return torch.from_numpy(ndimage.median_filter(picture.numpy(), size, axes=(1, 2)))


def wiener(picture: Tensor, sigma: float, size: int) -> Tensor:
    """Towards the mean of size x size pixels, the more the less their variance exceeds that of the noise (Lee 1980)."""
    return torch.stack([torch.from_numpy(signal.wiener(channel.numpy(), size, sigma**2)) for channel in picture])


def total_variation(picture: Tensor, sigma: float, weight: float, steps: int = 10, edge: float = 0.02) -> Tensor:
    """The u that minimises `∫ (u - picture)²/2 + weight sigma √(|∇u|² + edge²)`, the channels sharing their edges.

    Rudin, Osher & Fatemi 1992, Physica D 60, 259-268; by lagged diffusivity (Vogel & Oman 1996, SIAM J. Sci. Comput.
    17, 227-238): `u - ∇·(a ∇u) = picture` with a of the last u, on Neumann sides. A step is one batch of multigrid.
    """
    u = picture
    for _ in range(steps):
        down, right = u.diff(dim=1), u.diff(dim=2)  # of the edges; a cell has two of each
        square = ((down[:, :, 1:] ** 2 + down[:, :, :-1] ** 2 + right[:, 1:] ** 2 + right[:, :-1] ** 2) / 2).sum(0)
        a = weight * sigma / (square + edge**2).sqrt()
        problem = pde.Poisson(picture.shape[1:], "neumann", a=a, c=1.0, spacing=1.0)
        u = pde.solve(problem, picture, u0=u, rtol=1e-3, method="mg").u
    return u


def nonlocal_means(picture: Tensor, sigma: float, decay: float, patch: int = 5, window: int = 21) -> Tensor:
    """The mean over a window, weighted by how alike patches are (Buades, Coll & Morel 2005, CVPR, 60-65).

    The weight is `exp(-max(d - 2 sigma², 0) / (decay sigma)²)`, d the mean square difference of the patches.
    """
    reach = window // 2
    padded = F.pad(picture[None], [reach] * 4, mode="reflect")[0]
    h, w = picture.shape[1:]
    total, weights = torch.zeros_like(picture), torch.zeros_like(picture[:1])
    for i in range(window):
        for j in range(window):
            other = padded[:, i : i + h, j : j + w]
            square = (picture - other).square().mean(0, keepdim=True)
            d = F.avg_pool2d(square, patch, 1, patch // 2, count_include_pad=False)
            weight = (-(d - 2 * sigma**2).clamp(min=0) / (decay * sigma) ** 2).exp()
            total += weight * other
            weights += weight
    return total / weights


FILTERS = {  # and the values that the training photograph chooses from
    "Gaussian": (gaussian, (0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2)),
    "median": (median, (3, 5)),
    "Wiener": (wiener, (3, 5, 7, 9)),
    "total variation": (total_variation, (0.6, 0.8, 1.0, 1.2)),
    "non-local means": (nonlocal_means, (0.45, 0.55, 0.7, 0.9, 1.15)),
}
