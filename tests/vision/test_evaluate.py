"""Evaluation follows from the logits."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from unified.errors import ArgumentError
from vision.augment import normalise
from vision.data import load
from vision.device import resolve_device, resolve_precision
from vision.evaluate import evaluate, evaluate_images, score


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


def test_evaluate_takes_any_part_of_a_data_set():
    data = load("digits").subset(100)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    assert evaluate(model, data).confusion.sum() == len(data.test_images)
    assert evaluate(model, data, split="train").confusion.sum() == 100
    assert evaluate(model, data.split(20), split="valid").confusion.sum() == 20
    with pytest.raises(ArgumentError, match="split: got 'valid' of"):
        evaluate(model, data, split="valid")
    with pytest.raises(ArgumentError, match="split: got 'validation'"):
        evaluate(model, data, split="validation")


def test_flip_averages_the_logits_of_an_image_and_its_mirror_image():
    data = replace(load("digits").subset(100), mirror=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    both = evaluate(model, data, flip=True, precision="float32")
    assert both.loss != evaluate(model, data, precision="float32").loss
    x = normalise(torch.cat([data.test_images, data.test_images.flip(3)]), data.mean, data.std)
    logits = model(x).detach().view(2, -1, 10).mean(0)
    expected = score(logits, data.test_labels, data.classes)
    assert both.loss == pytest.approx(expected.loss, rel=1e-6)
    assert torch.equal(both.confusion, expected.confusion)


def test_flip_is_refused_where_mirror_images_are_of_another_class():
    with pytest.raises(ArgumentError, match="flip: got True for digits"):
        evaluate(nn.Flatten(), load("digits"), flip=True)


def test_the_most_frequent_errors_come_first():
    guesses = torch.tensor([1, 1, 1, 0, 2, 0, 2])
    labels = torch.tensor([0, 0, 1, 0, 1, 2, 2])
    found = score(5.0 * nn.functional.one_hot(guesses, 3), labels, "abc")
    assert found.confused(2) == [("a", "b", 2), ("b", "c", 1)]
    assert found.confused(9) == [("a", "b", 2), ("b", "c", 1), ("c", "a", 1)]


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


def test_meta_is_no_device_to_run_on():
    with pytest.raises(ArgumentError, match="device: got 'meta'"):
        resolve_device("meta")


def test_answers_that_are_no_numbers_are_refused():
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    model[1].weight.data[3] = torch.nan
    with pytest.raises(ArgumentError, match="model: got logits that are NaN or infinite, for 359 of 359 images"):
        evaluate(model, load("digits"))
    model[1].weight.data[3], model[1].bias.data[3] = 0.0, -torch.inf  # a class that is ruled out
    assert evaluate(model, load("digits"), precision="float32").confusion[:, 3].sum() == 0
