"""The scene of the demo: the dahlia of one of scikit-learn's photographs, into the trees of the other.

china.jpg (by danielbuechele) and flower.jpg (by vultilion), 427 x 640, both CC BY 2.0, come with scikit-learn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SHAPE = (417, 609)  # of the scene: 416 = 13·2^5 and 608 = 19·2^5, so the solver halves it five times
WINDOW = (slice(60, 361), slice(156, 460))  # the dahlia in its photograph
STRENGTH = 0.85  # of the dahlia's gradients: at 1 its petals would leave the range of the screen


class Blossom(NamedTuple):
    row: int  # centre, in pixels of the scene
    column: int
    scale: float  # of the dahlia's size
    tilt: float = 1.0  # height over width
    mirrored: bool = False


BLOSSOMS = (  # from back to front
    Blossom(330, 408, 0.25, 0.92, True),
    Blossom(326, 484, 0.22, 0.88),
    Blossom(362, 362, 0.27, 0.95),
    Blossom(359, 449, 0.36, 0.97),
    Blossom(377, 158, 0.20, 0.90, True),
    Blossom(364, 78, 0.31, 0.97),
    Blossom(249, 566, 0.23, 0.93, True),
    Blossom(376, 548, 0.18, 0.95),
)


class Scene(NamedTuple):
    target: Tensor  # (3, H, W) in [0, 1], float64
    source: Tensor  # (3, H, W), zero away from the blossoms
    own: Tensor  # (H, W) bool: the blossoms, by their colour
    mixed: Tensor  # (H, W) bool: a rough ellipse around each
    pasted: Tensor  # (3, H, W): the ellipses copied


def photographs() -> tuple[Tensor, Tensor]:
    """china and flower, (3, 427, 640) in [0, 1], float64."""
    from sklearn.datasets import load_sample_images

    china, flower = (torch.tensor(image).permute(2, 0, 1).double() / 255 for image in load_sample_images().images)
    return china, flower


def scene(reduction: int = 1) -> Scene:
    """The scene, `reduction` (1, 2, 4 or 8) times smaller."""
    china, flower = photographs()
    h, w = ((n - 1) // reduction + 1 for n in SHAPE)
    target = _resize(china, 427 // reduction, 640 // reduction)[:, -h:, -w:]
    source, pasted = torch.zeros_like(target), target.clone()
    own = torch.zeros(h, w, dtype=torch.bool)
    mixed = own.clone()
    for blossom in BLOSSOMS:
        patch = _patch(flower[:, *WINDOW], blossom, reduction)
        petals, ellipse = _petals(patch), _ellipse(*patch.shape[1:])
        at = _place(patch, blossom, reduction)
        fresh = petals | (ellipse & ~own[at])  # petals hide what is behind them, the air around them does not
        source[:, *at] = torch.where(fresh, patch, source[:, *at])
        pasted[:, *at] = torch.where(ellipse, patch, pasted[:, *at])
        own[at] |= petals
        mixed[at] |= ellipse
    return Scene(target, STRENGTH * source, own, mixed, pasted)


def _resize(image: Tensor, h: int, w: int) -> Tensor:
    if image.shape[1:] == (h, w):
        return image
    return F.interpolate(image[None], (h, w), mode="bicubic", antialias=True)[0].clamp(0, 1)


def _patch(flower: Tensor, blossom: Blossom, reduction: int) -> Tensor:
    _, h, w = flower.shape
    scale = blossom.scale / reduction
    patch = _resize(flower, max(round(h * scale * blossom.tilt), 3), max(round(w * scale), 3))
    return patch.flip(-1) if blossom.mirrored else patch


def _place(patch: Tensor, blossom: Blossom, reduction: int) -> tuple[slice, slice]:
    h, w = patch.shape[1:]
    top, left = blossom.row // reduction - h // 2, blossom.column // reduction - w // 2
    return slice(top, top + h), slice(left, left + w)


def _petals(patch: Tensor) -> Tensor:
    """The dahlia, by its colour: more red than blue, the largest such patch, without holes."""
    from scipy import ndimage

    labels, _ = ndimage.label((patch[0] - patch[2] > 0.12).numpy())
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0  # the label of what is not
    return torch.from_numpy(ndimage.binary_fill_holes(labels == sizes.argmax()))


def _ellipse(h: int, w: int) -> Tensor:
    y, x = torch.meshgrid(torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return x**2 + y**2 < 1
