"""mixup and CutMix: every image is a mixture of two of the batch, and its target says how much of each."""

import pytest
import torch

from vision.mixing import _beta, mix

CLASSES = 20


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def batch(n=CLASSES, side=16):
    """Constant images 0..n - 1 of classes 0..n - 1: a mean tells the shares."""
    labels = torch.arange(n)
    return labels.float().view(n, 1, 1, 1).expand(n, 2, side, side).clone(), labels


@pytest.mark.parametrize(("mixup", "cutmix"), [(0.2, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_the_target_is_the_share_of_each_image(mixup, cutmix):
    images, labels = batch()
    out, target = mix(images, labels, CLASSES, mixup=mixup, cutmix=cutmix, generator=seeded())
    assert out.dtype == target.dtype == torch.float32
    torch.testing.assert_close(target.sum(1), torch.ones(len(labels)))
    assert (target >= 0).all()
    assert ((target > 0).sum(1) <= 2).all()
    torch.testing.assert_close(out.mean((1, 2, 3)), target @ torch.arange(CLASSES).float())


def test_mixup_mixes_every_pixel_alike_and_cutmix_none():
    images, labels = batch()
    blended, _ = mix(images, labels, CLASSES, mixup=1.0, cutmix=0.0, generator=seeded())
    torch.testing.assert_close(blended, blended[:, :1, :1, :1].expand_as(blended))
    cut, target = mix(images, labels, CLASSES, mixup=0.0, cutmix=1.0, generator=seeded())
    assert torch.equal(cut, cut.round())
    for label, image, shares in zip(labels, cut, target, strict=True):
        other = (image[0] != label).nonzero()
        if len(other):  # one box
            height, width = (other.amax(0) - other.amin(0) + 1).tolist()
            assert len(other) == height * width
            assert shares[label].item() == pytest.approx(1 - len(other) / 256)


def test_with_both_on_each_image_draws_one():
    images, labels = batch(400)
    out, target = mix(images, labels, 400, mixup=1.0, cutmix=1.0, generator=seeded())
    mixed = target.amax(1) < 1
    blended = (out != out.round()).flatten(1).any(1)[mixed]
    assert 0.4 < blended.float().mean() < 0.65  # a few boxes are empty


@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.0, 4.0])
def test_shares_have_the_beta_distribution(alpha):
    draws = _beta(alpha, 200_000, seeded())
    exact = torch.distributions.Beta(torch.tensor(alpha, dtype=torch.float64), torch.tensor(alpha, dtype=torch.float64))
    assert ((draws >= 0) & (draws <= 1)).all()
    assert draws.mean().item() == pytest.approx(0.5, abs=0.005)
    assert draws.var().item() == pytest.approx(exact.variance.item(), rel=0.02)
    fourth = 3 / (4 * (2 * alpha + 1) * (2 * alpha + 3)) / 4  # central, of Beta(α, α)
    assert ((draws - 0.5) ** 4).mean().item() == pytest.approx(fourth, rel=0.03)


def test_the_generator_decides_everything():
    images, labels = batch()
    first, same, other = (mix(images, labels, CLASSES, mixup=1.0, cutmix=1.0, generator=seeded(s)) for s in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
    assert not torch.equal(first[0], other[0])
