"""Training: it learns, it is a function of its arguments, it resumes exactly and stops when it must."""

import itertools
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from unified.errors import ArgumentError, DataError
from vision import train
from vision.augment import batches
from vision.checkpoint import load_checkpoint
from vision.config import TrainConfig, learning_rate
from vision.data import load
from vision.models import create_model
from vision.run import Diverged
from vision.train import fit

QUICK = TrainConfig(epochs=3, batch_size=32, lr=0.05)


@pytest.fixture(scope="module")
def digits():
    return load("digits").subset(200)


def net(seed=0, classes=10, channels=1, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(128, classes),
    )


def run(model, data, config=QUICK, **kwargs):
    return fit(model, data, config, **{"progress": False, **kwargs})


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


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


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("channels_last", ["on", "off"])
def test_a_resumed_run_is_the_uninterrupted_run_bit_for_bit(digits, tmp_path, channels_last, dropout):
    config = replace(QUICK, epochs=4, channels_last=channels_last)
    whole = run(net(dropout=dropout), digits, config)

    class Interrupted(Exception):  # noqa: N818
        pass

    def stop(record):
        if record["epoch"] == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(net(dropout=dropout), digits, config, folder=tmp_path, callback=stop)
    resumed = run(net(seed=9, dropout=dropout), digits, config, folder=tmp_path, resume=True)
    assert same(whole.model, resumed.model)
    keys = ("epoch", "loss", "accuracy", "lr")
    assert [[r[k] for k in keys] for r in resumed.history] == [[r[k] for k in keys] for r in whole.history]
    assert resumed.test_accuracy == whole.test_accuracy
    assert [line["event"] for line in lines(tmp_path)] == [
        "start",
        "epoch",
        "epoch",
        "resume",
        "epoch",
        "epoch",
        "end",
    ]


def test_resuming_a_finished_run_only_evaluates_it(digits, tmp_path):
    first = run(net(), digits, folder=tmp_path)
    again = run(net(seed=3), digits, folder=tmp_path, resume=True)
    assert again.test_accuracy == first.test_accuracy
    assert same(first.model, again.model)


def test_resume_without_a_checkpoint_starts_from_the_beginning(digits, tmp_path):
    assert same(run(net(), digits, folder=tmp_path / "new", resume=True).model, run(net(), digits).model)


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


def test_a_folder_with_a_run_is_not_overwritten(digits, tmp_path):
    run(net(), digits, folder=tmp_path)
    before = (tmp_path / "last.safetensors").read_bytes()
    with pytest.raises(ArgumentError, match=r"folder: got .*holds a run.*use resume=True"):
        run(net(), digits, folder=tmp_path)
    assert (tmp_path / "last.safetensors").read_bytes() == before


def test_another_run_is_not_resumed(digits, tmp_path):
    run(net(), digits, folder=tmp_path)
    for changed, said in [({"lr": 0.2}, r"lr=0\.05 \(now 0\.2\)"), ({"epochs": 9}, r"epochs=3 \(now 9\)")]:
        with pytest.raises(ArgumentError, match=f"resume: got .*{said}"):
            run(net(), digits, replace(QUICK, **changed), folder=tmp_path, resume=True)
    with pytest.raises(ArgumentError, match=r"resume: got .*images=200 \(now 100\)"):
        run(net(), digits.subset(100), folder=tmp_path, resume=True)
    flipped = replace(digits, train_images=digits.train_images.flip(3))
    with pytest.raises(ArgumentError, match=r"resume: got .*checksum="):
        run(net(), flipped, folder=tmp_path, resume=True)
    wider = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    with pytest.raises(ArgumentError, match=r"checkpoint: got .*with also 0\.weight"):
        run(wider, digits, folder=tmp_path, resume=True)
    named = create_model("mgnet-16", steps=(1, 1), in_channels=1)
    with pytest.raises(ArgumentError, match=r"resume: got .*Sequential.*now .*mgnet-16"):
        run(named, digits, folder=tmp_path, resume=True)


def test_resume_needs_a_folder(digits):
    with pytest.raises(ArgumentError, match="resume: got True without a folder"):
        run(net(), digits, resume=True)


def test_a_folder_that_is_a_file_is_named(digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file: got .*expected a folder to write to"):
        run(net(), digits, folder=tmp_path / "file")


class Explodes(nn.Module):
    """Gives NaN from its n-th training step on."""

    def __init__(self, n):
        super().__init__()
        self.inner, self.n, self.seen = net(), n, 0

    def forward(self, x):
        self.seen += self.training
        return self.inner(x) * (float("nan") if self.seen >= self.n else 1.0)


def test_divergence_says_where_and_what_to_try(digits, tmp_path):
    steps = 200 // 32
    with pytest.raises(Diverged, match=r"epoch 2, by step 6; the last good checkpoint is .*lr.*clip_norm") as caught:
        run(Explodes(steps + 3), digits, folder=tmp_path)
    assert (caught.value.epoch, caught.value.checkpoint) == (2, tmp_path / "last.safetensors")
    assert load_checkpoint(caught.value.checkpoint).meta["epoch"] == 1
    assert lines(tmp_path)[-1]["event"] == "diverged"


def test_divergence_is_noticed_within_an_epoch(monkeypatch, digits):
    monkeypatch.setattr(train, "_LOOK", 2)
    with pytest.raises(Diverged, match="epoch 1, by step 4; there is no checkpoint"):
        run(Explodes(3), digits)


def test_weights_that_the_last_step_breaks_are_not_saved(digits, tmp_path):
    config = replace(QUICK, epochs=1, batch_size=200, lr=1e38, weight_decay=1e30)
    with pytest.raises(Diverged):
        run(net(), digits, config, folder=tmp_path)
    assert not (tmp_path / "last.safetensors").exists()


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (net(channels=3), r"data: got images \(1, 8, 8\) on which Sequential fails: .*3 channels"),
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
        run(net(), digits, replace(QUICK, crop=8))


def test_an_unknown_device_is_refused(digits):
    with pytest.raises(ArgumentError, match="device: got 'warp'"):
        run(net(), digits, replace(QUICK, device="warp"))


def test_fewer_images_than_a_batch_are_one_batch(digits):
    result = run(net(), digits.subset(20), replace(QUICK, batch_size=64))
    assert result.history[0]["steps"] == 1


def test_a_normalisation_over_one_pixel_needs_two_images(digits):
    model = create_model("mgnet-16", in_channels=1)
    with pytest.raises(ArgumentError, match="batch_size: got one image"):
        run(model, digits, replace(QUICK, batch_size=1))


@pytest.mark.parametrize(
    ("change", "got"), [(nn.Module.double, r"torch\.float64"), (lambda m: m.to("meta"), "tensors on 'meta'")]
)
def test_weights_that_cannot_be_trained_are_named(digits, change, got):
    with pytest.raises(ArgumentError, match=f"model: got {got}"):
        run(change(net()), digits)


def test_weight_decay_spares_normalisations_biases_and_roots():
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3))
    model.root, model.roots = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(4, 1, 1))
    model.frozen = nn.Parameter(torch.ones(3, 3), requires_grad=False)
    decayed, spared = train._optimizer(model, QUICK).param_groups
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight), id(model[2].weight)]
    assert decayed["weight_decay"] == QUICK.weight_decay
    assert spared["weight_decay"] == 0
    assert len(spared["params"]) == 6


@pytest.mark.parametrize("changed", [{"precision": "bfloat16"}, {"clip_norm": 1.0}, {"label_smoothing": 0.1},
                                     {"momentum": 0.0}, {"nesterov": False}])  # fmt: skip
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
    assert "test" in err.splitlines()[-1]
    run(net(), digits)
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_on_a_terminal(digits, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    run(net(), digits, progress=True)
    err = capsys.readouterr().err
    assert "epoch 3/3: 100%" in err
    assert "epoch 3/3  loss" in err
    assert "loss=" in err


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "step"])
@pytest.mark.parametrize("total", [1, 2, 10, 1000])
def test_the_learning_rate_stays_within_its_peak(schedule, total):
    config = TrainConfig(schedule=schedule, lr=0.3)
    rates = [learning_rate(config, step, total) for step in range(total)]
    assert max(rates) == pytest.approx(0.3)
    assert min(rates) > 0
    peak = rates.index(max(rates))
    assert all(a >= b for a, b in itertools.pairwise(rates[peak:]))
    assert all(a < b for a, b in itertools.pairwise(rates[: peak + 1]))


def test_the_step_schedule_divides_by_ten_at_each_third():
    rates = [learning_rate(TrainConfig(schedule="step", lr=1.0), step, 9) for step in range(9)]
    assert rates == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("epochs", 0),
        ("epochs", True),
        ("batch_size", 2.5),
        ("lr", float("nan")),
        ("lr", 0),
        ("lr", "0.1"),
        ("momentum", 1.0),
        ("weight_decay", -1e-4),
        ("schedule", "linear"),
        ("warmup", 1.5),
        ("label_smoothing", -0.1),
        ("crop", -1),
        ("flip", "yes"),
        ("seed", -1),
        ("precision", "float16"),
        ("channels_last", True),
        ("compile", 1),
        ("checkpoint_every", 0),
        ("evaluate_every", -1),
        ("clip_norm", float("inf")),
        ("device", 0),
        ("nesterov", None),
    ],
)
def test_a_bad_setting_is_named(name, value):
    with pytest.raises(ArgumentError, match=f"^{name}: got .*; expected .*; use {name}="):
        TrainConfig(**{name: value})


def test_every_epoch_has_a_shuffling_of_its_own(digits, monkeypatch):
    seeds = []

    def noted(*args, seed, **kwargs):
        seeds.append(seed)
        return batches(*args, seed=seed, **kwargs)

    monkeypatch.setattr(train, "batches", noted)
    for seed in (0, 1):
        run(net(), digits, replace(QUICK, seed=seed))
    assert len(set(seeds)) == 6


def test_the_settings_come_without_torch_and_from_the_command_line():
    code = (
        "import sys, tyro; from vision.config import TrainConfig; assert 'torch' not in sys.modules;"
        "print(tyro.cli(TrainConfig, args='--epochs 5 --schedule cosine --crop 4 --flip True'.split()))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    assert done.stdout.strip() == repr(TrainConfig(epochs=5, schedule="cosine", crop=4, flip=True)), done.stderr
