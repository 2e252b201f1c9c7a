"""Evaluation follows from the logits; prediction reads what people have and names what it cannot read."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from unified.errors import ArgumentError, DataError
from vision.data import load
from vision.device import resolve_device, resolve_precision
from vision.evaluate import evaluate, evaluate_images, predict, read_image


class Table(nn.Module):
    """Logits looked up by the first pixel of an image: a model whose answers are known."""

    def __init__(self, logits):
        super().__init__()
        self.logits = nn.Parameter(logits)
        self.bn = nn.BatchNorm2d(1)

    def forward(self, x):
        return self.logits[(x[:, 0, 0, 0] * 255).round().long()]


PLAIN = {"mean": torch.zeros(1), "std": torch.ones(1)}


def table(n, k):
    logits = torch.randn(n, k, generator=torch.Generator().manual_seed(0))
    images = torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 1, 2, 2)
    labels = torch.randint(0, k, (n,), generator=torch.Generator().manual_seed(1))
    return Table(logits), logits, images, labels


@pytest.mark.parametrize("batch_size", [1, 7, 500])
def test_the_figures_follow_from_the_logits(batch_size):
    model, logits, images, labels = table(100, 8)
    found = evaluate_images(
        model, images, labels, classes=list("abcdefgh"), **PLAIN, batch_size=batch_size, precision="float32"
    )
    ranks = (logits > logits.gather(1, labels[:, None])).sum(1)  # how many classes are likelier
    guess = logits.argmax(1)
    assert found.accuracy == pytest.approx((ranks == 0).double().mean().item())
    assert found.top5 == pytest.approx((ranks < 5).double().mean().item())
    assert found.loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), rel=1e-5)
    assert found.confusion.sum() == 100
    assert found.confusion[2, 3] == ((labels == 2) & (guess == 3)).sum()
    assert found.per_class["c"] == pytest.approx((guess[labels == 2] == 2).double().mean().item())


def test_few_classes_and_a_class_without_images():
    model, _, images, labels = table(10, 3)
    found = evaluate_images(model, images, labels.clamp(max=1), classes=["a", "b", "c"], **PLAIN)
    assert found.top5 == 1
    assert np.isnan(found.per_class["c"])


@pytest.mark.parametrize("training", [True, False])
def test_the_training_modes_are_left_as_they_were(training):
    model, _, images, labels = table(10, 3)
    model.train(training)
    model.bn.eval()  # a frozen part stays frozen
    evaluate_images(model, images, labels, classes="abc", **PLAIN)
    assert model.training is training
    assert not model.bn.training
    with pytest.raises(ArgumentError):
        evaluate_images(model, images, labels, classes="abcd", **PLAIN)
    assert model.training is training


def test_evaluate_takes_either_half_of_a_data_set():
    data = load("digits").subset(100)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert evaluate(model, data).confusion.sum() == len(data.test_images)
    assert evaluate(model, data, split="train").confusion.sum() == 100
    with pytest.raises(ArgumentError, match="split: got 'validation'"):
        evaluate(model, data, split="validation")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"labels": torch.zeros(3, dtype=torch.int64)}, r"labels: got \(3,\); expected \(10,\)"),
        ({"labels": torch.full((10,), 3)}, "labels: got 3 to 3; expected 0 to 2"),
        (
            {"classes": "ab", "labels": torch.zeros(10, dtype=torch.int64)},
            r"model: got .*\(10, 3\); expected \(B, 2\)",
        ),
        ({"batch_size": 0}, "batch_size: got 0"),
    ],
)
def test_bad_input_is_named(changed, said):
    model, _, images, labels = table(10, 3)
    arguments = {"images": images, "labels": labels, "classes": "abc", **PLAIN, **changed}
    with pytest.raises(ArgumentError, match=said):
        evaluate_images(model, **arguments)


def picture(mode):
    """8x8, the left half red (or dark), the right half white."""
    image = Image.new("RGB", (8, 8), "white")
    image.paste((255, 0, 0), (0, 0, 4, 8))
    if mode == "RGBA":  # the right half is transparent black: white, once it is on white
        image = image.convert("RGBA")
        image.paste((0, 0, 0, 0), (4, 0, 8, 8))
        return image
    if mode == "P transparent":
        image = Image.new("P", (8, 8), 1)
        image.putpalette([255, 0, 0, 0, 0, 0])
        image.paste(0, (0, 0, 4, 8))
        image.info["transparency"] = 1
        return image
    if mode == "I;16":
        return Image.fromarray(np.where(np.arange(8) < 4, 0x4C00, 0xFFFF).astype(np.uint16)[None].repeat(8, 0))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "P transparent", "L", "LA", "CMYK", "I;16", "1"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_image_is_read_on_white(tmp_path, mode, channels):
    kind = "tiff" if mode == "CMYK" else "png"
    picture(mode).save(tmp_path / f"a.{kind}")
    pixels = read_image(tmp_path / f"a.{kind}", (channels, 8, 8))
    assert pixels.shape == (channels, 8, 8)
    assert pixels.dtype == torch.uint8
    assert (pixels[:, :, 5:] >= 254).all()
    if mode != "1":  # black and white dithers
        grey = 0.299 * 255  # red, in grey
        expected = (
            [grey]
            if channels == 1
            else [255, 0, 0]
            if mode in ("RGB", "RGBA", "P", "P transparent", "CMYK")
            else [grey] * 3
        )
        np.testing.assert_allclose(pixels[:, 3, 1].numpy(), expected, atol=2)


def test_a_large_image_is_resized_whole(tmp_path):
    Image.fromarray(np.linspace(0, 255, 640).astype(np.uint8)[None].repeat(100, 0)).save(tmp_path / "a.png")
    row = read_image(tmp_path / "a.png", (1, 8, 8))[0, 0].int()
    assert row[0] < 30
    assert row[-1] > 225
    assert (row.diff() > 0).all()


def test_the_files_pixels_are_the_data_sets_pixels(tmp_path):
    data = load("digits")
    Image.fromarray(data.test_images[0, 0].numpy()).save(tmp_path / "a.png")
    assert torch.equal(read_image(tmp_path / "a.png", data.image_shape), data.test_images[0])


def meta(**changed):
    return {"classes": ["dark", "light"], "mean": [0.5], "std": [0.25], "image": [1, 4, 4], **changed}


class Brightness(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(3.0))

    def forward(self, x):
        light = self.scale * x.mean((1, 2, 3))
        return torch.stack([-light, light], 1)


def test_predict_ranks_the_classes_of_each_file(tmp_path):
    for name, grey in (("a", 250), ("b", 3)):
        Image.new("L", (9, 9), grey).save(tmp_path / f"{name}.png")
    model = Brightness().train()
    found = predict(model, [tmp_path / "a.png", str(tmp_path / "b.png")], meta())
    assert [p.label for p in found] == ["light", "dark"]
    assert found[0].file == str(tmp_path / "a.png")
    assert found[0].top[0] == ("light", found[0].probability)
    assert sum(p for _, p in found[0].top) == pytest.approx(1)
    assert len(predict(model, [tmp_path / "a.png"], meta(), top=1)[0].top) == 1
    assert model.training


@pytest.mark.parametrize("what", ["missing", "folder", "text", "truncated", "empty"])
def test_a_file_that_cannot_be_read_is_named(tmp_path, what):
    path = tmp_path / "a.png"
    if what == "folder":
        path.mkdir()
    elif what == "truncated":
        Image.effect_noise((64, 64), 50).save(path)
        path.write_bytes(path.read_bytes()[:500])
    elif what != "missing":
        path.write_bytes(b"" if what == "empty" else b"hello")
    with pytest.raises(DataError, match=r"a\.png: got .*; expected a readable image file"):
        predict(Brightness(), [path], meta())


def test_predict_needs_a_full_note(tmp_path):
    with pytest.raises(ArgumentError, match="meta: got a note without mean, image"):
        predict(Brightness(), [], {"classes": [], "std": []})
    with pytest.raises(ArgumentError, match="top: got 0"):
        predict(Brightness(), [], meta(), top=0)


def test_auto_precision_is_bfloat16_only_where_the_hardware_has_it(monkeypatch):
    cpu = torch.device("cpu")
    for has, expected in ((True, torch.bfloat16), (False, torch.float32)):
        for probe in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, probe, lambda has=has: has, raising=False)
        assert resolve_precision("auto", cpu) is expected
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert resolve_precision("auto", cpu) is torch.float32
    assert resolve_precision("bfloat16", cpu) is torch.bfloat16


def test_auto_device_exists():
    assert resolve_device("auto").type in ("cpu", "cuda")
    with pytest.raises(ArgumentError, match="device: got 'cuda:99'"):
        resolve_device("cuda:99")


@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_floating_point_images_keep_their_greys(tmp_path, scale):
    grey = np.array([[0.0, 0.5], [0.75, 1.0]], np.float32) * scale
    Image.fromarray(grey).save(tmp_path / "grey.tif")
    expected = grey * (255 if scale == 1 else 1)
    np.testing.assert_allclose(read_image(tmp_path / "grey.tif", (1, 2, 2))[0], expected, atol=0.5)


def test_meta_is_no_device_to_run_on():
    with pytest.raises(ArgumentError, match="device: got 'meta'"):
        resolve_device("meta")
