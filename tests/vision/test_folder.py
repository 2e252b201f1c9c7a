"""Folders of images: what is read, in which order, and what is refused by name."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from unified.errors import ArgumentError, DataError
from vision.data import load, statistics
from vision.folder import load_folder
from vision.images import read_image

RNG = np.random.default_rng(0)


def picture(path, size=(6, 5), mode="RGB", **options):
    """Noise as an image file of (H, W); what its pixels are."""
    h, w = size
    pixels = RNG.integers(0, 256, (h, w) if mode == "L" else (h, w, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return torch.from_numpy(pixels.reshape(h, w, -1)).permute(2, 0, 1)


@pytest.fixture
def halves(tmp_path):
    """root with train/ and test/ of classes ant and bee, and {file: pixels}."""
    root = tmp_path / "insects"
    names = ["train/bee/1.png", "train/bee/2.PNG", "train/ant/x.bmp", "test/ant/1.png", "test/bee/1.png"]
    return root, {name: picture(root / name) for name in names}


def classes_of(root, n, per_class, size=(4, 4)):
    for k in range(n):
        for i in range(per_class):
            picture(root / f"class{k:02}" / f"{i:03}.png", size)
    return root


def test_images_and_labels_come_in_the_order_of_their_names(halves):
    root, files = halves
    data = load("folder", root)
    assert data.name == "insects"
    assert data.classes == ("ant", "bee")
    assert data.mirror
    expected = [files[name] for name in ("train/ant/x.bmp", "train/bee/1.png", "train/bee/2.PNG")]
    assert torch.equal(data.train_images, torch.stack(expected))
    assert data.train_labels.tolist() == [0, 1, 1]
    assert torch.equal(data.test_images, torch.stack([files["test/ant/1.png"], files["test/bee/1.png"]]))
    assert data.test_labels.tolist() == [0, 1]
    assert data.valid_images is None
    mean, std = statistics(data.train_images)
    assert torch.equal(data.mean, mean)
    assert torch.equal(data.std, std)


def test_a_folder_for_validation_is_read_too(halves):
    root, _ = halves
    pixels = [picture(root / f"valid/{name}/v.png") for name in ("ant", "bee")]
    data = load_folder(root)
    assert torch.equal(data.valid_images, torch.stack(pixels))
    assert data.valid_labels.tolist() == [0, 1]


def test_other_files_and_hidden_ones_do_not_count(halves):
    root, _ = halves
    for name in ("train/ant/notes.txt", "train/Thumbs.db", "train/ant/.hidden.png", "train/.git/a.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"nothing to see")
    deep = picture(root / "train/bee/more/0.png")
    data = load_folder(root)
    assert data.classes == ("ant", "bee")
    assert len(data.train_images) == 4
    assert any(torch.equal(image, deep) for image in data.train_images)


@pytest.mark.parametrize(("threads", "progress"), [(1, False), (7, True)])
def test_threads_change_nothing(tmp_path, threads, progress, capsys):
    classes_of(tmp_path, 3, 12)
    one, two = load_folder(tmp_path), load_folder(tmp_path, threads=threads, progress=progress)
    assert torch.equal(one.train_images, two.train_images)
    assert torch.equal(one.test_labels, two.test_labels)
    assert ("36/36" in capsys.readouterr().err) == progress


@pytest.mark.parametrize(("test", "expected"), [(0.2, 6), (0.5, 15), (9, 9)])
def test_without_halves_a_share_of_each_class_is_set_aside(tmp_path, test, expected):
    classes_of(tmp_path, 3, 10)
    data, again, other = (load_folder(tmp_path, test=test, seed=seed) for seed in (0, 0, 1))
    assert len(data.test_images) == expected
    assert data.test_labels.bincount().tolist() == [expected // 3] * 3
    assert len(data.train_images) == 30 - expected
    assert not {i.numpy().tobytes() for i in data.test_images} & {i.numpy().tobytes() for i in data.train_images}
    assert torch.equal(data.test_images, again.test_images)
    assert not torch.equal(data.test_images, other.test_images)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("size", "shape"), [(8, (8, 8)), ((4, 7), (4, 7))])
def test_sizes_and_modes_are_made_one_as_for_predictions(tmp_path, channels, size, shape):
    noise = RNG.integers(0, 256, (9, 5), dtype=np.uint8)
    made = {
        "palette.png": Image.fromarray(noise).convert("P"),
        "alpha.png": Image.fromarray(np.stack([noise] * 4, -1)),
        "deep.png": Image.fromarray(noise.astype(np.uint16) * 257),
        "grey.jpg": Image.fromarray(noise),
        "bits.tif": Image.fromarray(noise > 128),
        "ink.jpg": Image.fromarray(np.stack([noise] * 3, -1)).convert("CMYK"),
        "one.png": Image.new("RGB", (1, 1), "red"),
    }
    for name, image in made.items():
        for label in ("a", "b"):
            (tmp_path / label).mkdir(exist_ok=True)
            image.save(tmp_path / label / name)
    data = load_folder(tmp_path, size=size, channels=channels, test=2)
    assert data.image_shape == (channels, *shape)
    expected = {read_image(tmp_path / "a" / name, data.image_shape).numpy().tobytes() for name in made}
    assert {image.numpy().tobytes() for image in torch.cat([data.train_images, data.test_images])} <= expected


def test_turned_photographs_agree_in_their_size_once_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    for label in ("a", "b"):
        picture(tmp_path / label / "upright.jpg", (8, 4))
        picture(tmp_path / label / "turned.jpg", (4, 8), exif=exif)
    assert load_folder(tmp_path, test=2).image_shape == (3, 8, 4)


def test_different_sizes_want_a_size(halves):
    root, _ = halves
    picture(root / "test/bee/large.png", (60, 50))
    with pytest.raises(ArgumentError, match=r"size: got None, for .*x.bmp of 6x5 and .*large.png of 60x50; .*size=32"):
        load_folder(root)
    assert load_folder(root, size=9).image_shape == (3, 9, 9)


def broken(root, what):
    """Damage a good folder; what the message must say."""
    if what == "missing class":
        shutil.rmtree(root / "test/bee")
        return r"test: got folders without bee; expected the 2 classes of train"
    if what == "more classes":
        picture(root / "test/cat/1.png")
        return r"test: got folders with also cat"
    if what == "other classes":
        (root / "test/bee").rename(root / "test/Bee")
        return r"test: got folders without bee and with also Bee"
    if what == "empty class":
        (root / "train/cat").mkdir()
        return r"train: got no images in cat; expected .*\.png"
    if what == "one class":
        (root / "test").rename(root / "images")
        shutil.rmtree(root / "train")
        return r"insects: got one, images; expected two or more"
    if what == "no test":
        shutil.rmtree(root / "test")
        return r"insects: got train/ without test/"
    if what == "empty":
        shutil.rmtree(root)
        root.mkdir()
        return r"insects: got no folders; expected one folder a class"
    shutil.rmtree(root)
    return r"insects: got no such folder"


@pytest.mark.parametrize(
    "what",
    ["missing class", "more classes", "other classes", "empty class", "one class", "no test", "empty", "nothing"],
)
def test_folders_that_do_not_fit_are_named(halves, what):
    root, _ = halves
    said = broken(root, what)
    with pytest.raises(DataError, match=said):
        load_folder(root, size=4)


@pytest.mark.parametrize("size", [None, 4])
@pytest.mark.parametrize("content", [b"", b"no image at all", "cut"])
def test_a_damaged_image_is_named(halves, size, content):
    root, _ = halves
    bad = root / "test/bee/bad.png"
    bad.write_bytes((root / "test/bee/1.png").read_bytes()[:60] if content == "cut" else content)
    with pytest.raises(DataError, match=r"bad\.png: got .*expected a readable image file"):
        load_folder(root, size=size)


def test_an_image_of_gigantic_size_is_refused_unread(halves, monkeypatch):
    root, _ = halves
    picture(root / "train/ant/bomb.png", (90, 90))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(DataError, match=r"bomb\.png: got DecompressionBomb"):
        load_folder(root, size=4)


def test_more_than_the_memory_holds_is_refused(halves):
    with pytest.raises(ArgumentError, match=r"size: got 1000000x1000000: 5 images .* use a smaller size"):
        load_folder(halves[0], size=10**6)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "size: got 0"),
        ({"size": (4, 4, 3)}, "size: got"),
        ({"size": 4.5}, "size: got 4.5"),
        ({"size": 4, "channels": 2}, "channels: got 2; expected 1"),
    ],
)
def test_bad_arguments_are_named(halves, options, said):
    with pytest.raises(ArgumentError, match=said):
        load_folder(halves[0], **options)


@pytest.mark.parametrize("test", [0, 1.0, -0.5, 3, True, float("nan")])
def test_a_share_that_cannot_be_set_aside_is_refused(tmp_path, test):
    classes_of(tmp_path, 2, 2)
    with pytest.raises(ArgumentError, match=r"test: got .* of 4 images in 2 classes; .* use test=0.1"):
        load_folder(tmp_path, test=test)


def test_a_folder_wants_a_root():
    with pytest.raises(DataError, match="folder: got root=None"):
        load("folder")


@pytest.mark.parametrize("parts", [("training", "testing"), ("val", "test")])
def test_parts_under_other_names_are_not_taken_for_classes(tmp_path, parts):
    for part in parts:
        for name in ("cat", "dog"):
            for i in range(5):
                picture(tmp_path / part / name / f"{i}.png")
    with pytest.raises(
        DataError, match=r"got (testing, training|test, val), with folders in it; .* give the parts these names"
    ):
        load_folder(tmp_path)


def test_classes_may_have_folders_of_their_own(tmp_path):
    for name in ("benign", "malignant"):
        for i in range(6):
            picture(tmp_path / name / ("40X", "100X")[i % 2] / f"{i}.png")
    data = load_folder(tmp_path)
    assert (data.classes, len(data.train_labels) + len(data.test_labels)) == (("benign", "malignant"), 12)
