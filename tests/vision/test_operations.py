"""Every operation of a policy gives Pillow's pixels, image by image."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance, ImageOps

from vision.affine import MATRICES
from vision.operations import PIXELS, operate

FILL = 9


def seen(image, matrix):
    return image.transform(image.size, Image.Transform.AFFINE, matrix, fillcolor=paint(image))


def paint(image):
    return FILL if image.mode == "L" else (FILL,) * 3


PILLOW = {
    "identity": lambda image, value: image,
    "invert": lambda image, value: ImageOps.invert(image),
    "autocontrast": lambda image, value: ImageOps.autocontrast(image),
    "equalise": lambda image, value: ImageOps.equalize(image),
    "posterise": lambda image, value: ImageOps.posterize(image, int(value)),
    "solarise": lambda image, value: ImageOps.solarize(image, value),
    "brightness": lambda image, value: ImageEnhance.Brightness(image).enhance(value),
    "colour": lambda image, value: ImageEnhance.Color(image).enhance(value),
    "contrast": lambda image, value: ImageEnhance.Contrast(image).enhance(value),
    "sharpness": lambda image, value: ImageEnhance.Sharpness(image).enhance(value),
    "rotate": lambda image, value: image.rotate(value, fillcolor=paint(image)),
    "shear_x": lambda image, value: seen(image, (1, value, 0, 0, 1, 0)),
    "shear_y": lambda image, value: seen(image, (1, 0, 0, value, 1, 0)),
    "translate_x": lambda image, value: seen(image, (1, 0, value, 0, 1, 0)),
    "translate_y": lambda image, value: seen(image, (1, 0, 0, 0, 1, value)),
}


def values(name, n, rng):
    """Strengths of every kind, the ends included."""
    low, high, whole = {
        "posterise": (1, 8, True),
        "solarise": (0, 256, True),
        "rotate": (-180, 180, True),
        "shear_x": (-1, 1, False),
        "shear_y": (-1, 1, False),
        "translate_x": (-33, 33, True),
        "translate_y": (-33, 33, True),
    }.get(name, (0, 2, False))
    drawn = rng.integers(low, high + 1, n).astype(float) if whole else rng.uniform(low, high, n)
    drawn[:3] = low, high, (low + high) // 2
    return drawn


def pictures(n, c, h, w):
    """Noise: of all values, of few, dark, and one constant image."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (n, c, h, w), dtype=torch.uint8, generator=generator)
    images[n // 4 : n // 2] = images[n // 4 : n // 2] // 4 + 60
    images[n // 2 :] = (torch.rand(n - n // 2, c, h, w, generator=generator) ** 3 * 255).to(torch.uint8)
    images[-1] = 77
    return images


def test_every_operation_has_a_reference():
    assert PILLOW.keys() == PIXELS.keys() | MATRICES.keys()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, 17, 40), (1, 2, 5)])
@pytest.mark.parametrize("name", PILLOW)
def test_an_operation_is_pillows(name, shape, device):
    images = pictures(40, *shape)
    strengths = values(name, len(images), np.random.default_rng(0))
    out = operate(name, images.to(device), torch.from_numpy(strengths).to(device), FILL).cpu()
    assert out.dtype == torch.uint8
    for image, strength, result in zip(images, strengths, out, strict=True):
        pixels = image.permute(1, 2, 0).squeeze(2).numpy() if shape[0] == 1 else image.permute(1, 2, 0).numpy()
        expected = np.asarray(PILLOW[name](Image.fromarray(pixels), float(strength)))
        np.testing.assert_array_equal(result.permute(1, 2, 0).numpy().reshape(expected.shape), expected)


@pytest.mark.parametrize("name", PILLOW)
def test_an_operation_leaves_its_input_alone(name):
    images = pictures(4, 3, 8, 8)
    copy = images.clone()
    operate(name, images, torch.full((4,), 1.0, dtype=torch.float64), FILL)
    assert torch.equal(images, copy)
