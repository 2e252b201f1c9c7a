"""Data sets: what is read is what was written, and damaged files are named."""

import io
import tarfile
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import torch

from unified.errors import ArgumentError, DataError
from vision import cifar
from vision.cifar import LAYOUTS
from vision.data import ImageData, load, statistics


@pytest.fixture(params=["cifar10", "cifar100"])
def layout(request, monkeypatch):
    """An official layout with a few records a file."""
    small = replace(LAYOUTS[request.param], train_records=4, test_records=3)
    monkeypatch.setitem(LAYOUTS, request.param, small)
    return small


def contents(layout):
    """{file: bytes} of a valid data set with random pixels."""
    rng = np.random.default_rng(0)
    files = {}
    for file, size in layout.sizes.items():
        records = rng.integers(0, 256, (size // layout.record, layout.record), dtype=np.uint8)
        records[:, : layout.label_bytes] = 255  # a coarse label must not be looked at
        records[:, layout.label_bytes - 1] = np.arange(len(records)) + 5
        files[file] = records.tobytes()
    return files | {layout.names: "".join(f"class {i}\n" for i in range(layout.classes)).encode() + b"\n"}


def write_folder(folder, files):
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_bytes(content)


def write_archive(path, files, folder, extra=()):
    with tarfile.open(path, "w:gz") as tar:
        for member in extra:
            tar.addfile(member)
        for file, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def test_digits_split_is_stratified_disjoint_and_fixed():
    data, again = load("digits"), load("digits")
    assert data.image_shape == (1, 8, 8)
    assert (len(data.train_images), len(data.test_images)) == (1438, 359)
    assert int(data.train_images.max()) == 255
    assert int(data.train_images.min()) == 0
    share = torch.bincount(data.test_labels) / (torch.bincount(data.test_labels) + torch.bincount(data.train_labels))
    torch.testing.assert_close(share, torch.full((10,), 0.2), atol=0.003, rtol=0)
    assert torch.equal(data.train_images, again.train_images)
    assert torch.equal(data.test_labels, again.test_labels)
    assert not data.mirror


def test_digits_test_images_are_not_training_images():
    data = load("digits")
    train = {image.numpy().tobytes() for image in data.train_images}
    assert not any(image.numpy().tobytes() in train for image in data.test_images)


def test_statistics_are_those_of_the_float_images():
    images = torch.randint(0, 256, (50, 3, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    mean, std = statistics(images)
    values = images.double() / 255
    torch.testing.assert_close(mean, values.mean((0, 2, 3)).float())
    torch.testing.assert_close(std, values.std((0, 2, 3), correction=0).float())


def test_a_constant_channel_has_a_positive_std():
    assert statistics(torch.full((2, 1, 3, 3), 7, dtype=torch.uint8))[1].item() > 0


@pytest.mark.parametrize("where", ["folder", "parent", "archive", "archive in folder"])
def test_cifar_is_read_from_a_folder_or_an_archive(layout, tmp_path, where):
    files = contents(layout)
    if "archive" in where:
        write_archive(tmp_path / layout.archive, files, layout.folder)
    else:
        write_folder(tmp_path / layout.folder, files)
    root = {"folder": tmp_path / layout.folder, "archive": tmp_path / layout.archive}.get(where, tmp_path)
    data = load(layout.name, str(root))
    assert data.train_images.shape == (4 * len(layout.train), 3, 32, 32)
    assert data.test_images.shape == (3, 3, 32, 32)
    assert data.train_labels.tolist() == [5, 6, 7, 8] * len(layout.train)
    assert data.test_labels.tolist() == [5, 6, 7]
    assert data.classes[0] == "class 0"
    assert len(data.classes) == layout.classes
    assert data.mirror
    second = files[layout.test][layout.record + layout.label_bytes : 2 * layout.record]
    assert data.test_images[1].numpy().tobytes() == second  # red, green, blue planes, row by row


def damage(files, layout, what):
    """The files with one defect, and what the message must say."""
    first, names = layout.train[0], layout.names
    whole = bytearray(files[first])
    if what == "short":
        return files | {first: bytes(whole[:-100])}, [first, "3 records", "bytes"]
    if what == "too few records":
        return files | {first: bytes(whole[: layout.record])}, [first, "1 records", "4 records"]
    if what == "label":
        whole[2 * layout.record + layout.label_bytes - 1] = layout.classes
        return files | {first: bytes(whole)}, [first, f"label {layout.classes} in record 2"]
    if what == "missing":
        return {file: content for file, content in files.items() if file != layout.test}, [f"no {layout.test}"]
    if what == "no names":
        return {file: content for file, content in files.items() if file != names}, [f"no {names}"]
    return files | {names: b"one\ntwo\n"}, [names, "2 names"]


@pytest.mark.parametrize("what", ["short", "too few records", "label", "missing", "no names", "names"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_file_is_named_with_its_remedy(layout, tmp_path, what, packed):
    files, said = damage(contents(layout), layout, what)
    root = tmp_path / (layout.archive if packed else layout.folder)
    if packed:
        write_archive(root, files, layout.folder)
    else:
        write_folder(root, files)
    with pytest.raises(DataError) as caught:
        load(layout.name, root)
    for words in (*said, str(root), layout.archive, layout.md5):
        assert words in str(caught.value)


@pytest.mark.parametrize("keep", [0.5, 0.99])
def test_a_truncated_archive_is_refused(layout, tmp_path, keep):
    path = tmp_path / "a.tar.gz"
    write_archive(path, contents(layout), layout.folder)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])
    with pytest.raises(DataError, match=r"a\.tar\.gz"):
        load(layout.name, path)


def damaged(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 255]) + content[middle + 1 :]


@pytest.mark.parametrize("mode", ["gz", "bz2", "xz"])
def test_a_damaged_archive_is_refused_by_its_checksum(layout, tmp_path, mode):
    """tarfile stops reading at the archive's end mark, before the checksum of gzip."""
    path = tmp_path / "archive"
    with tarfile.open(path, f"w:{mode}") as tar:
        for file, content in contents(layout).items():
            member = tarfile.TarInfo(f"{layout.folder}/{file}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    load(layout.name, path)
    path.write_bytes(damaged(path.read_bytes()))
    with pytest.raises(DataError, match=r"archive: got .*expected complete, readable files"):
        load(layout.name, path)


@pytest.mark.parametrize("content", [b"", b"not an archive", bytes(range(256)) * 40])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.tar\.gz.*expected complete, readable files"):
        load("cifar10", path)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../evil.bin", tarfile.REGTYPE),
        ("/evil.bin", tarfile.REGTYPE),
        ("{folder}/../../evil", tarfile.REGTYPE),
        ("{folder}/link.bin", tarfile.SYMTYPE),
        ("{folder}/hard.bin", tarfile.LNKTYPE),
        ("{folder}/device", tarfile.CHRTYPE),
    ],
)
def test_an_archive_that_leaves_its_folder_is_refused(layout, tmp_path, name, kind):
    member = tarfile.TarInfo(name.format(folder=layout.folder))
    member.type, member.linkname = kind, "/etc/passwd"
    write_archive(tmp_path / "a.tar.gz", contents(layout), layout.folder, [member])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=r"leaves the archive's folder|link or device"):
        load(layout.name, tmp_path / "a.tar.gz")
    assert sorted(tmp_path.rglob("*")) == before


def test_an_oversized_member_is_refused_before_it_is_read(layout, tmp_path):
    files = contents(layout) | {layout.test: bytes(10_000_000)}
    write_archive(tmp_path / "a.tar.gz", files, layout.folder)
    with pytest.raises(DataError, match="10,000,000 bytes"):
        load(layout.name, tmp_path / "a.tar.gz")


def test_an_unreadable_file_is_named(layout, tmp_path):
    files = contents(layout)
    write_folder(tmp_path, files)
    (tmp_path / layout.names).unlink()
    (tmp_path / layout.names).mkdir()  # unreadable for root too
    with pytest.raises(DataError, match=r"IsADirectoryError|PermissionError"):
        load(layout.name, tmp_path)


def test_cifar_without_root_says_what_to_fetch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"cifar10: got root=None; .*c32a1d4ab5d03f1284b67883e8d87530"):
        load("cifar10")


@pytest.mark.parametrize(
    ("mirror", "address"),
    [
        (True, "https://www.cs.toronto.edu/~kriz/{archive}"),
        ("http://mirror.org/data", "http://mirror.org/data/{archive}"),
        ("http://mirror.org/data/", "http://mirror.org/data/{archive}"),
        ("https://mirror.org/other-name.tar.gz", "https://mirror.org/other-name.tar.gz"),
    ],
)
def test_what_is_not_there_is_downloaded_once(layout, tmp_path, monkeypatch, mirror, address):
    asked = []

    def fetch(url, path, *, md5, progress):
        asked.append((url, path, md5, progress))
        path.parent.mkdir()
        write_archive(path, contents(layout), layout.folder)
        return path

    monkeypatch.setattr(cifar, "fetch", fetch)
    root = tmp_path / "data"
    for _ in range(2):
        data = load(layout.name, root, download=mirror, progress=True)
        assert len(data.test_images) == 3
    assert asked == [(address.format(archive=layout.archive), root / layout.archive, layout.md5, True)]
    monkeypatch.chdir(tmp_path)
    load(layout.name, download=mirror)  # ./data
    assert len(asked) == 1
    assert len(load(layout.name).test_images) == 3  # there, too


@pytest.mark.parametrize("make", [False, True])
def test_a_root_without_the_data_is_named(tmp_path, make):
    root = tmp_path / "nowhere"
    if make:
        root.mkdir()
    with pytest.raises(DataError, match=r"nowhere: got (a folder without them|no such file or folder)"):
        load("cifar100", root)


def test_an_unknown_name_is_refused():
    with pytest.raises(ArgumentError, match=r"name: got 'mnist'; expected one of digits, cifar10, cifar100, folder"):
        load("mnist")


def good():
    data = load("digits")
    return {field: getattr(data, field) for field in data.__dataclass_fields__}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("train_images", torch.zeros(1438, 1, 8, 8), "uint8"),
        ("train_images", torch.zeros(0, 1, 8, 8, dtype=torch.uint8), "N >= 1"),
        ("test_images", torch.zeros(359, 3, 8, 8, dtype=torch.uint8), "as in train_images"),
        ("train_labels", torch.zeros(3, dtype=torch.int64), r"\(1438,\)"),
        ("test_labels", torch.full((359,), 10), "labels from 10 to 10; expected 0 to 9"),
        ("test_labels", torch.full((359,), -1), "labels from -1"),
        ("mean", torch.zeros(3), r"got \[0.0, 0.0, 0.0\]; expected 1 finite numbers"),
        ("mean", torch.tensor([torch.nan]), r"got \[nan\]; expected 1 finite numbers"),
        ("std", torch.zeros(1), r"got \[0.0\]; expected 1 numbers > 0"),
        ("std", torch.tensor([torch.inf]), r"got \[inf\]; expected 1 numbers > 0"),
    ],
)
def test_image_data_checks_its_tensors(field, value, said):
    with pytest.raises(ArgumentError, match=f"{field}: .*{said}"):
        ImageData(**good() | {field: value})


def test_subset_keeps_the_first_images_and_the_test_set():
    data = load("digits")
    part = data.subset(100)
    assert torch.equal(part.train_images, data.train_images[:100])
    assert part.test_images is data.test_images
    assert part.mean is data.mean
    assert len(part.train_labels.unique()) == 10  # the order is already shuffled
    with pytest.raises(ArgumentError, match="n: got 0"):
        data.subset(0)


@pytest.mark.parametrize(("validation", "expected"), [(0.1, 144), (100, 100), (0.5, 719), (1, 1)])
def test_a_split_holds_out_a_share_of_every_class(validation, expected):
    data = load("digits")
    part = data.split(validation)
    assert len(part.valid_images) == len(part.valid_labels) == expected
    assert len(part.train_images) == len(data.train_images) - expected
    share = expected / len(data.train_images)
    off = part.valid_labels.bincount(minlength=10) - share * data.train_labels.bincount()
    assert off.abs().max() <= 1
    together = torch.cat([part.train_images, part.valid_images]).flatten(1)
    assert sorted(map(bytes, together.numpy())) == sorted(map(bytes, data.train_images.flatten(1).numpy()))
    assert part.test_images is data.test_images
    assert part.mean is data.mean


def test_a_split_is_decided_by_its_seed():
    first, same, other = (load("digits").split(0.1, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.valid_images, same.valid_images)
    assert torch.equal(first.train_labels, same.train_labels)
    assert not torch.equal(first.valid_images, other.valid_images)


def test_a_split_leaves_an_image_in_every_class():
    images = torch.arange(8, dtype=torch.uint8).view(8, 1, 1, 1)
    labels = torch.tensor([0, 0, 0, 0, 0, 2, 2, 3])
    half = torch.full((1,), 0.5)
    data = ImageData("few", ("a", "b", "c", "d"), images, labels, images, labels, half, half)
    part = data.split(5)
    assert sorted(part.train_labels.tolist()) == [0, 2, 3]
    assert len(part.valid_images) == 5
    with pytest.raises(ArgumentError, match=r"validation: got 6 of 8 images in 3 classes; .*1 to 5 images"):
        data.split(6)


@pytest.mark.parametrize("validation", [0, 0.0, 1.0, -0.1, True, "0.1", 1438, float("nan")])
def test_a_share_that_cannot_be_held_out_is_refused(validation):
    with pytest.raises(ArgumentError, match=r"validation: got .*expected a share in"):
        load("digits").split(validation)


def test_parts_are_named():
    data = load("digits")
    assert data.part("train") == (data.train_images, data.train_labels)
    with pytest.raises(ArgumentError, match=r"'valid' of ImageData.*use data.split\(0.1\)"):
        data.part("valid")
    held = data.split(0.1)
    assert held.part("valid") == (held.valid_images, held.valid_labels)
    assert "144 validation" in repr(held)
    with pytest.raises(ArgumentError, match="split: got 'both'"):
        data.part("both")
    with pytest.raises(ArgumentError, match="no validation split yet"):
        held.split(0.1)
    with pytest.raises(ArgumentError, match="valid_images: got images or labels alone"):
        replace(held, valid_labels=None)


def test_to_moves_every_tensor():
    moved = load("digits").split(0.1).to("cpu")
    tensors = [value for value in vars(moved).values() if isinstance(value, torch.Tensor)]
    assert len(tensors) == 8
    assert "digits" in repr(moved)


def test_a_device_too_small_for_the_images_is_named(monkeypatch):
    def fail(*_):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    data = load("digits")
    monkeypatch.setattr(torch.Tensor, "to", fail)
    with pytest.raises(ArgumentError, match=r"device: got cuda, whose memory does not hold the 0.0 GiB of ImageData"):
        data.to("cuda")


def test_a_split_that_the_memory_does_not_hold_is_refused(monkeypatch):
    data = load("digits")
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    with pytest.raises(ArgumentError, match=r"validation: got a split, which copies 1,438 .* use validation=0"):
        data.split(0.1)
