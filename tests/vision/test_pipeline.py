"""Settings and epochs: what is on is done, and (seed, epoch) decides everything."""

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from unified.errors import ArgumentError
from vision.augment import augment, normalise
from vision.augmentation import Augmentation
from vision.data import ImageData, load
from vision.pipeline import epoch_batches, epoch_seed

PLAIN = Augmentation(crop=0, flip=False)
ALL = Augmentation(crop=2, fill=128, flip="alternating", policy="trivial", cutout=3, mixup=0.2, cutmix=1.0)


@pytest.fixture(scope="module")
def colour():
    """64 images 3x12x10 of 5 classes."""
    images = torch.randint(0, 256, (64, 3, 12, 10), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(64) % 5
    half = torch.full((3,), 0.5)
    return ImageData("noise", tuple("abcde"), images, labels, images[:5], labels[:5], half, half, mirror=True)


def epoch(data, settings, number=1, seed=0, size=16):
    return list(epoch_batches(data, size, settings, seed=seed, epoch=number))


@pytest.mark.parametrize(("crop", "flip"), [(0, False), (1, False), (0, True), (2, True)])
def test_shuffles_shifts_and_mirror_images_are_drawn_in_this_order(crop, flip):
    """A run that continues from an older checkpoint depends on it."""
    data, seed = load("digits"), epoch_seed(3, 7)
    assert seed == 2580024465
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(1438, generator=generator)
    found = epoch(data, Augmentation(crop=crop, flip=flip), 7, seed=3, size=100)
    assert len(found) == 14
    for batch, index in zip(found, order.split(100), strict=False):
        moved = augment(data.train_images[index], pad=crop, flip=flip, generator=generator)
        assert torch.equal(batch.images, normalise(moved, data.mean, data.std))
        assert torch.equal(batch.target, data.train_labels[index])
        assert batch.labels is batch.target


def test_an_epoch_visits_every_image_once_with_its_label():
    data = load("digits")
    found = epoch(data, PLAIN, size=64)
    assert len(found) == 1438 // 64
    images, labels = (torch.cat([getattr(batch, part) for batch in found]) for part in ("images", "labels"))
    everything = normalise(data.train_images, data.mean, data.std)
    where = {image.numpy().tobytes(): int(label) for image, label in zip(everything, data.train_labels, strict=True)}
    assert len({image.numpy().tobytes() for image in images}) == len(images)
    assert all(where[image.numpy().tobytes()] == int(label) for image, label in zip(images, labels, strict=True))


@pytest.mark.parametrize("settings", [Augmentation(), ALL, replace(ALL, policy="autoaugment", flip=True, fill=None)])
def test_seed_and_epoch_decide_everything(colour, settings, device):
    colour = colour.to(device)
    before = colour.train_images.clone()
    first, same, epoch2, seed1 = (epoch(colour, settings, n, seed=s) for n, s in ((1, 0), (1, 0), (2, 0), (1, 1)))
    for a, b in zip(first, same, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
    assert not torch.equal(first[0].images, epoch2[0].images)
    assert not torch.equal(first[0].images, seed1[0].images)
    assert torch.equal(colour.train_images, before)


def test_a_batch_is_what_a_loss_takes(colour):
    for settings in (PLAIN, ALL):
        for batch in epoch(colour, settings):
            assert batch.images.shape == (16, 3, 12, 10)
            assert batch.images.dtype == torch.float32
            assert batch.labels.shape == (16,)
            assert batch.labels.dtype == torch.int64
            assert F.cross_entropy(torch.zeros(16, 5), batch.target, label_smoothing=0.1) > 1
    assert batch.target.shape == (16, 5)
    assert torch.equal(batch.labels, batch.target.argmax(1))


@pytest.mark.parametrize(
    "on", [{"crop": 2}, {"flip": True}, {"policy": "trivial"}, {"policy": "autoaugment"}, {"cutout": 4}, {"mixup": 1.0}]
)
def test_each_setting_changes_the_images_and_nothing_else(colour, on):
    plain, changed = epoch(colour, PLAIN, size=64)[0], epoch(colour, replace(PLAIN, **on), size=64)[0]
    assert not torch.equal(plain.images, changed.images)
    if "mixup" not in on:
        assert torch.equal(plain.target, changed.target)


def test_cutout_paints_the_mean_colour(colour):
    plain, cut = (epoch(colour, s, size=64)[0].images for s in (PLAIN, replace(PLAIN, cutout=4)))
    hole = (cut != plain).any(1)
    assert (cut.permute(0, 2, 3, 1)[hole] == 0).all()
    assert hole.sum((1, 2)).max() == 16
    assert 1 <= hole.sum((1, 2)).min() < 16  # some holes are cut by an edge


def test_alternating_mirror_images_show_both_sides_in_two_epochs(colour):
    def mirrored(number, seed=0):
        """Which of the 64 images, in their own order."""
        settings = replace(PLAIN, flip="alternating")
        plain, found = (epoch(colour, s, number, seed, 64)[0].images for s in (PLAIN, settings))
        same, other = ((found == x).flatten(1).all(1) for x in (plain, plain.flip(3)))
        assert (same ^ other).all()
        order = torch.randperm(64, generator=torch.Generator().manual_seed(epoch_seed(seed, number)))
        return torch.zeros(64, dtype=torch.bool).scatter(0, order, other)

    first = mirrored(1)
    assert 20 < first.sum() < 44
    assert torch.equal(mirrored(2), ~first)
    assert torch.equal(mirrored(3), first)
    assert not torch.equal(mirrored(1, seed=1), first)


def test_automatic_settings_follow_the_data(colour):
    assert Augmentation().resolved(colour) == Augmentation(crop=1, flip=True)
    assert Augmentation().resolved(load("digits")) == Augmentation(crop=1, flip=False)
    assert ALL.resolved(colour) == ALL


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Augmentation(crop=10), "crop: got 10; expected less than the 10 pixels"),
        (Augmentation(cutout=10), "cutout: got 10; expected less than the 10 pixels"),
    ],
)
def test_settings_that_do_not_fit_the_images_are_refused(colour, settings, said):
    with pytest.raises(ArgumentError, match=said):
        epoch(colour, settings)


def test_a_policy_wants_grey_or_colour(colour):
    four = replace(
        colour,
        train_images=torch.zeros(64, 4, 12, 10, dtype=torch.uint8),
        test_images=torch.zeros(5, 4, 12, 10, dtype=torch.uint8),
        mean=torch.zeros(4),
        std=torch.ones(4),
    )
    assert epoch(four, replace(ALL, policy="none"))[0].images.shape == (16, 4, 12, 10)
    with pytest.raises(ArgumentError, match="policy: got 4 channels; expected images of 1 or 3"):
        epoch(four, ALL)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop", -1),
        ("crop", 1.5),
        ("fill", 256),
        ("fill", True),
        ("flip", "yes"),
        ("flip", 1),
        ("policy", "random"),
        ("policy", None),
        ("cutout", -1),
        ("mixup", -0.1),
        ("mixup", float("nan")),
        ("cutmix", "1"),
    ],
)
def test_a_bad_setting_is_named(name, value):
    with pytest.raises(ArgumentError, match=f"^{name}: got .*; expected .*; use {name}="):
        Augmentation(**{name: value})


def test_settings_are_plain_values():
    assert Augmentation(**json.loads(json.dumps(asdict(ALL)))) == ALL
    code = (
        "import sys, tyro; from vision.augmentation import Augmentation; assert 'torch' not in sys.modules;"
        "print(tyro.cli(Augmentation, args='--crop 4 --flip alternating --policy trivial --mixup 0.2'.split()))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    expected = Augmentation(crop=4, flip="alternating", policy="trivial", mixup=0.2)
    assert done.stdout.strip() == repr(expected), done.stderr
