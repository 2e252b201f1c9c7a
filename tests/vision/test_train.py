"""Training: it learns, it is a function of its arguments, it chooses by validation and stops when it must."""

import sys
import types
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.vision.runs import QUICK, lines, net, run, same, some_digits
from unified.errors import ArgumentError
from vision import epoch, train
from vision.augmentation import Augmentation
from vision.checkpoint import load_checkpoint
from vision.data import load
from vision.evaluate import evaluate
from vision.models import create_model
from vision.run import Diverged
from vision.step import Step


@pytest.fixture(scope="module")
def digits():
    return some_digits()


def test_it_learns_the_digits():
    result = run(net(), load("digits"), replace(QUICK, epochs=5))
    assert result.test_accuracy > 0.93
    assert result.history[-1]["loss"] < result.history[0]["loss"] / 3
    assert result.device == "cpu" or result.device.startswith("cuda")
    assert result.images_per_second > 0
    assert not result.model.training


def test_a_run_is_a_function_of_its_arguments(digits):
    one, same_again, other = (run(net(), digits, replace(QUICK, seed=seed)).model for seed in (0, 0, 1))
    assert same(one, same_again)
    assert not same(one, other)


def test_the_callers_random_numbers_are_left_alone(digits):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run(net_made := net(), digits, replace(QUICK, epochs=1))
    torch.manual_seed(5)
    run(net_made, digits, replace(QUICK, epochs=1))
    assert torch.equal(torch.rand(1), expected)


def test_the_checkpoint_describes_its_run(digits, tmp_path):
    model = create_model("mgnet-16", steps=(1, 1), in_channels=1, classes=10)
    run(model, digits, replace(QUICK, epochs=1), folder=tmp_path)
    meta = load_checkpoint(tmp_path / "last.safetensors").meta
    assert meta["model"] == {
        "name": "mgnet-16",
        "options": {"steps": [1, 1], "in_channels": 1, "classes": 10},
    }
    assert meta["classes"] == list("0123456789")
    assert meta["mean"] == digits.mean.tolist()
    assert meta["image"] == [1, 8, 8]
    assert meta["config"]["lr"] == 0.05
    assert meta["epoch"] == 1
    start = lines(tmp_path)[0]
    assert start["environment"]["torch"] == torch.__version__
    assert start["environment"]["precision"] in ("float32", "bfloat16")
    assert start["config"]["epochs"] == 1


def test_checkpoint_every_writes_seldom_and_at_the_end(digits, tmp_path):
    found = []
    path = tmp_path / "last.safetensors"
    config = replace(QUICK, checkpoint_every=2)
    run(net(), digits, config, folder=tmp_path, callback=lambda _: found.append(path.exists()))
    assert found == [False, True, True]
    assert load_checkpoint(path).meta["epoch"] == 3


def test_nothing_is_written_without_a_folder(digits, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(net(), digits)
    assert not list(tmp_path.iterdir())


class Explodes(nn.Module):
    """Gives NaN from its n-th training step on."""

    def __init__(self, n):
        super().__init__()
        self.inner, self.n, self.seen = net(), n, 0

    def forward(self, x):
        self.seen += self.training
        return self.inner(x) * (float("nan") if self.seen >= self.n else 1.0)


def test_divergence_says_where_and_what_to_try(digits, tmp_path):
    steps = 180 // 32
    with pytest.raises(Diverged, match=r"epoch 2, by step 5; the last good checkpoint is .*lr.*clip_norm") as caught:
        run(Explodes(steps + 3), digits, folder=tmp_path)
    assert (caught.value.epoch, caught.value.checkpoint) == (2, tmp_path / "last.safetensors")
    assert load_checkpoint(caught.value.checkpoint).meta["epoch"] == 1
    assert lines(tmp_path)[-1]["event"] == "diverged"


def test_divergence_is_noticed_within_an_epoch(monkeypatch, digits):
    monkeypatch.setattr(epoch, "_LOOK", 2)
    with pytest.raises(Diverged, match="epoch 1, by step 4; there is no checkpoint"):
        run(Explodes(3), digits)


class Overflows(nn.Module):
    """Finite while it trains, infinite when it is looked at."""

    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        return self.inner(x) if self.training else self.inner(x) / 0


def test_answers_that_overflow_in_validation_are_divergence(digits, tmp_path):
    with pytest.raises(Diverged, match="in epoch 1"):
        run(Overflows(), digits, folder=tmp_path)
    assert lines(tmp_path)[-1]["event"] == "diverged"
    with pytest.raises(Diverged, match=r"in epoch 3, .*there is no checkpoint"):  # none of other weights
        run(Overflows(), digits, replace(QUICK, validation=0.0), folder=tmp_path / "tested")


def test_weights_that_the_last_step_breaks_are_not_saved(digits, tmp_path):
    config = replace(QUICK, epochs=1, batch_size=180, lr=1e38, weight_decay=1e30)
    with pytest.raises(Diverged):
        run(net(), digits, config, folder=tmp_path)
    assert not (tmp_path / "last.safetensors").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (net(channels=3), r"data: got 2 images \(1, 8, 8\) on which Sequential fails: .*3 channels"),
        (net(classes=7), r"model: got an output of shape \(2, 7\); expected \(B, 10\)"),
        (nn.Flatten(), "model: got no trainable parameter"),
        (create_model("mgnet-16", in_channels=1, steps=(1,) * 5), "images: got shape"),
    ],
)
def test_a_model_that_does_not_fit_the_data_is_refused(digits, model, said):
    with pytest.raises(ArgumentError, match=said):
        run(model, digits)


def test_a_crop_wider_than_the_images_is_refused(digits):
    with pytest.raises(ArgumentError, match="crop: got 8; expected less than the 8 pixels"):
        run(net(), digits, replace(QUICK, augmentation=Augmentation(crop=8)))


def test_an_unknown_device_is_refused(digits):
    with pytest.raises(ArgumentError, match="device: got 'warp'"):
        run(net(), digits, replace(QUICK, device="warp"))


def test_fewer_images_than_a_batch_are_one_batch(digits):
    result = run(net(), digits.subset(20), replace(QUICK, batch_size=64, validation=0.0))
    assert result.history[0]["steps"] == 1


def test_a_normalisation_over_one_pixel_needs_two_images(digits):
    model = create_model("mgnet-16", in_channels=1)
    with pytest.raises(ArgumentError, match=r"data: got 1 images .*fails: Expected more than 1 value.*two images or"):
        run(model, digits, replace(QUICK, batch_size=1))


@pytest.mark.parametrize(
    ("change", "got"), [(nn.Module.double, r"torch\.float64"), (lambda m: m.to("meta"), "tensors on 'meta'")]
)
def test_weights_that_cannot_be_trained_are_named(digits, change, got):
    with pytest.raises(ArgumentError, match=f"model: got {got}"):
        run(change(net()), digits)


@pytest.mark.parametrize("changed", [{"precision": "bfloat16"}, {"clip_norm": 1.0}, {"label_smoothing": 0.1},
                                     {"momentum": 0.0}, {"nesterov": False}, {"schedule": "cosine"}, {"warmup": 0.0},
                                     {"augmentation": Augmentation(cutmix=1.0)},
                                     {"optimizer": "adamw", "lr": 0.01}])  # fmt: skip
def test_the_settings_reach_the_training(digits, changed):
    result, plain = run(net(), digits, replace(QUICK, **changed)), run(net(), digits)
    assert not same(result.model, plain.model)
    assert result.test_accuracy > 0.2  # chance is 0.1
    assert result.precision == changed.get("precision", plain.precision)


def test_a_compiled_run_trains_and_saves_the_bare_model(digits, tmp_path, monkeypatch):
    compiled = torch.compile
    monkeypatch.setattr(torch, "compile", lambda model: compiled(model, backend="eager"))
    model = net()
    result = run(model, digits, replace(QUICK, compile=True), folder=tmp_path)
    assert result.model is model
    assert same(model, run(net(), digits).model)
    assert "model.0.weight" in load_checkpoint(tmp_path / "last.safetensors").tensors


def test_progress_is_a_line_an_epoch_where_there_is_no_terminal(digits, capsys):
    run(net(), digits, replace(QUICK, evaluate_every=3), progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split()[1] for line in err.splitlines()] == ["1/3", "2/3", "3/3"]
    assert ["valid" in line for line in err.splitlines()] == [False, False, True]
    run(net(), digits)
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_on_a_terminal(digits, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run(net(), digits, progress=True)
    err = capsys.readouterr().err
    assert "epoch 3/3: 100%" in err
    assert "epoch 3/3  loss" in err
    assert "loss=" in err
    assert "acc=" in err
    assert "img/s" in err


def test_the_test_images_are_read_once_after_the_last_epoch(digits, monkeypatch):
    read = []

    def noted(model, data, *, split="test", **kwargs):
        read.append(split)
        return evaluate(model, data, split=split, **kwargs)

    monkeypatch.setattr(train, "evaluate", noted)
    result = run(net(), digits)
    others = ["test"] if result.best_epoch in (None, 3) else ["test", "test"]  # the last epoch's model, and the best
    assert read == ["valid"] * 3 + others
    read.clear()
    assert run(net(), digits, replace(QUICK, validation=0.0)).best_epoch is None
    assert run(net(), digits, replace(QUICK, evaluate_every=0)).best_test_accuracy is None
    assert read == ["test"] * 2


@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_the_best_epoch_is_the_first_with_the_highest_validation_accuracy(digits, tmp_path, ema):
    config = replace(QUICK, epochs=5, ema=ema, lr=0.8)  # a rate at which the accuracy goes up and down
    result = run(net(), digits, config, folder=tmp_path)
    accuracies = [record["valid_accuracy"] for record in result.history]
    assert result.best_epoch == accuracies.index(max(accuracies)) + 1
    for name, test_epoch, accuracy in (
        ("best", result.best_epoch, result.best_test_accuracy),
        ("last", 5, result.test_accuracy),
    ):
        model, checkpoint = net(), load_checkpoint(tmp_path / f"{name}.safetensors")
        model.load_state_dict(checkpoint.part("model."))  # the average, if there is one
        assert checkpoint.meta["epoch"] == test_epoch
        assert evaluate(model, digits, precision=config.precision).accuracy == accuracy
    end = lines(tmp_path)[-1]
    assert (end["event"], end["best_epoch"]) == ("end", result.best_epoch)
    assert (end["test_accuracy"], end["best_test_accuracy"]) == (result.test_accuracy, result.best_test_accuracy)


def test_a_split_of_the_datas_own_is_kept(digits, tmp_path):
    run(net(), digits.split(0.25), folder=tmp_path)
    assert "150 training, 50 validation" in lines(tmp_path)[0]["data"]


def test_images_and_weights_keep_one_memory_format(digits, monkeypatch):
    three = {name: getattr(digits, name).expand(-1, 3, -1, -1) for name in ("train_images", "test_images")}
    data = replace(digits, **three, mean=digits.mean.expand(3), std=digits.std.expand(3))
    for setting, layout in (("on", torch.channels_last), ("off", torch.contiguous_format)):
        seen, model = [], net(channels=3)
        model[0].register_forward_pre_hook(lambda layer, x, to=seen: to.extend(x) if layer.training else None)
        run(model, data, replace(QUICK, epochs=1, channels_last=setting))
        assert len(seen) == 6
        assert all(x.is_contiguous(memory_format=layout) for x in seen[1:])  # the first are two images to check by
        assert model[0].weight.is_contiguous(memory_format=layout)


class Hungry(nn.Module):
    """Asks for more memory than there is, in batches of more than two images."""

    def __init__(self):
        super().__init__()
        self.inner = net()

    def forward(self, x):
        if len(x) > 2:
            torch.empty(10**17)
        return self.inner(x)


def test_memory_that_runs_out_is_said_with_what_to_try(digits):
    said = r"batch_size: got 32 images \(1, 8, 8\) in float32 on cpu, .*use batch_size=16, precision='bfloat16', a sm"
    with pytest.raises(ArgumentError, match=said):
        run(Hungry(), digits, replace(QUICK, precision="float32", device="cpu"))


class TooLarge(Hungry):
    """A model that two images are too many for."""

    def forward(self, x):
        torch.empty(10**17)


def test_images_too_large_for_any_batch_are_not_taken_for_wrong_ones(digits):
    with pytest.raises(ArgumentError, match=r"batch_size: got 2 images \(1, 8, 8\) .*memory ran out; .* use a smaller"):
        run(TooLarge(), digits)


def test_no_look_at_a_model_takes_more_images_than_its_steps(digits, tmp_path):
    sizes, model = [], net()
    model.register_forward_pre_hook(lambda _, x: sizes.append(len(x[0])))
    run(model, digits, QUICK)
    assert max(sizes) == QUICK.batch_size


def test_memory_that_runs_out_in_an_evaluation_is_said(digits):
    with pytest.raises(ArgumentError, match=r"batch_size: got 50 images \(1, 8, 8\) .*use batch_size=25"):
        evaluate(Hungry(), digits, batch_size=50, precision="float32")


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError()])
def test_every_kind_of_lacking_memory_is_known(digits, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Step, "__call__", fail)
    with pytest.raises(ArgumentError, match=r"batch_size: got 1 images .*use a smaller model"):
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), digits, replace(QUICK, batch_size=1, precision="bfloat16"))


def test_other_errors_are_not_taken_for_lacking_memory(digits, monkeypatch):
    def fail(*_):
        raise RuntimeError("something else")

    monkeypatch.setattr(Step, "__call__", fail)
    with pytest.raises(RuntimeError, match=r"^something else$"):
        run(net(), digits)


def test_tensorboard_gets_the_records(digits, tmp_path, monkeypatch):
    written = []

    class SummaryWriter:
        def __init__(self, folder, purge_step):
            written.append((folder, purge_step))

        def add_scalar(self, name, value, epoch):
            written.append((name, value, epoch))

        def flush(self):
            pass

        def close(self):
            written.append("closed")

    fake = types.SimpleNamespace(SummaryWriter=SummaryWriter)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", fake)
    config = replace(QUICK, tensorboard=True)
    result = run(net(), digits, config, folder=tmp_path)
    assert written[0] == (str(tmp_path / "tensorboard"), 1)
    assert ("valid_accuracy", result.history[1]["valid_accuracy"], 2) in written
    assert written[-1] == "closed"
    with pytest.raises(ArgumentError, match="tensorboard: got True without a folder"):
        run(net(), digits, config)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ArgumentError, match="tensorboard: got True, but the package is not installed"):
        run(net(), digits, config, folder=tmp_path / "other")
