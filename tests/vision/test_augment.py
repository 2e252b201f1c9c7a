"""Augmentation: every output is a shifted, possibly mirrored input, and the generator decides which."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unified.errors import ArgumentError
from vision.augment import augment, cutout, normalise


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(*shape, seed=0):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeded(seed))


def candidates(image, pad, flip):
    """Every crop of the reflected image, and of its mirror image: the slow definition."""
    h, w = image.shape[1:]
    found = []
    for version in [image, image[:, :, ::-1]] if flip else [image]:
        wide = np.pad(version, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
        found += [wide[:, i : i + h, j : j + w] for i in range(2 * pad + 1) for j in range(2 * pad + 1)]
    return found


@settings(deadline=None, max_examples=40)
@given(
    st.integers(1, 3),
    st.integers(3, 7),
    st.integers(3, 7),
    st.integers(0, 2),
    st.booleans(),
    st.integers(0, 99),
)
def test_every_output_is_a_crop_or_its_mirror(c, h, w, pad, flip, seed):
    images = random_images(4, c, h, w, seed=seed)
    out = augment(images, pad=pad, flip=flip, generator=seeded(seed))
    assert out.shape == images.shape
    assert out.dtype == torch.uint8
    for image, result in zip(images.numpy(), out.numpy(), strict=True):
        assert any(np.array_equal(result, candidate) for candidate in candidates(image, pad, flip))


def test_all_shifts_and_both_mirror_images_are_equally_likely():
    n, pad = 18_000, 1
    image = random_images(1, 1, 5, 4)
    out = augment(image.expand(n, -1, -1, -1), pad=pad, flip=True, generator=seeded())
    counts = [
        int((out == torch.from_numpy(candidate.copy())).flatten(1).all(1).sum())
        for candidate in candidates(image[0].numpy(), pad, True)
    ]
    assert sum(counts) == n  # the 18 candidates are distinct
    np.testing.assert_allclose(counts, n / 18, rtol=0.15)  # 4.8 standard deviations


def test_half_of_the_images_are_mirrored():
    images = torch.arange(4, dtype=torch.uint8).expand(10_000, 1, 4, 4)
    out = augment(images, pad=0, flip=True, generator=seeded())
    assert abs((out[:, 0, 0, 0] == 3).float().mean().item() - 0.5) < 0.02


def test_the_generator_decides_everything():
    images = random_images(16, 3, 8, 8)
    first, same, other = (augment(images, pad=2, flip=True, generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_off_is_the_identity():
    images = random_images(4, 3, 8, 8)
    assert torch.equal(augment(images, pad=0, flip=False, generator=seeded()), images)


def test_the_input_is_not_changed():
    images = random_images(4, 3, 8, 8)
    copy = images.clone()
    augment(images, pad=3, flip=True, generator=seeded())
    assert torch.equal(images, copy)


def test_a_filled_crop_is_a_crop_of_the_padded_image():
    images, pad = random_images(60, 2, 6, 5), 2
    out = augment(images, pad=pad, flip=False, generator=seeded(), fill=128)
    for image, result in zip(images.numpy(), out.numpy(), strict=True):
        wide = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), constant_values=128)
        crops = [wide[:, i : i + 6, j : j + 5] for i in range(2 * pad + 1) for j in range(2 * pad + 1)]
        assert any(np.array_equal(result, crop) for crop in crops)


def test_a_fill_draws_the_same_shifts():
    images = random_images(50, 1, 9, 9)
    filled, reflected = (augment(images, pad=3, flip=True, generator=seeded(), fill=f) for f in (0, None))
    assert torch.equal(filled[..., 3:6, 3:6], reflected[..., 3:6, 3:6])
    assert not torch.equal(filled, reflected)


def test_given_images_are_mirrored():
    images, which = random_images(8, 3, 4, 5), torch.arange(8) % 3 == 0
    out = augment(images, pad=0, flip=which, generator=seeded())
    assert torch.equal(out[which], images[which].flip(3))
    assert torch.equal(out[~which], images[~which])


def test_cutout_is_a_square_around_any_pixel():
    n, h, w, side = 3_000, 6, 5, 3
    holes = cutout(torch.ones(n, 2, h, w), side, seeded()) == 0
    assert torch.equal(holes[:, 0], holes[:, 1])
    grid = np.indices((h, w))
    centres = [(i, j) for i in range(h) for j in range(w)]
    counts = [
        int((holes[:, 0].numpy() == (abs(grid[0] - i) <= 1) & (abs(grid[1] - j) <= 1)).all((1, 2)).sum())
        for i, j in centres
    ]
    assert sum(counts) == n  # each hole is one of the 30
    np.testing.assert_allclose(counts, n / 30, rtol=0.5)


@pytest.mark.parametrize("pad", [-1, 8])
def test_a_pad_that_does_not_fit_is_refused(pad):
    with pytest.raises(ArgumentError, match=f"pad: got {pad}; expected 0 to 7"):
        augment(random_images(1, 1, 9, 8), pad=pad, flip=False, generator=seeded())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_normalise_subtracts_and_divides(dtype):
    images, mean, std = (
        random_images(4, 3, 5, 6),
        torch.tensor([0.4, 0.5, 0.6]),
        torch.tensor([0.2, 0.3, 0.1]),
    )
    expected = (images.double() / 255 - mean.double().view(3, 1, 1)) / std.double().view(3, 1, 1)
    out = normalise(images, mean, std, dtype)
    assert out.dtype == dtype
    torch.testing.assert_close(out, expected.to(dtype), rtol=1e-5 if dtype == torch.float32 else 8e-3, atol=1e-5)
