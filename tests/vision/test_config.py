"""Settings: each is checked, they come without torch, and schedules keep their promises."""

import itertools
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from unified.errors import ArgumentError
from vision.augmentation import Augmentation
from vision.config import TrainConfig
from vision.recipes import RECIPES
from vision.schedule import learning_rate


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "step"])
@pytest.mark.parametrize("warmup", [None, 0.0, 0.3])
@pytest.mark.parametrize("total", [1, 2, 10, 1000])
def test_the_learning_rate_climbs_to_its_peak_then_falls(schedule, warmup, total):
    config = TrainConfig(schedule=schedule, lr=0.3, warmup=warmup)
    rates = [learning_rate(config, step, total) for step in range(total)]
    assert max(rates) == pytest.approx(0.3)
    assert min(rates) > 0
    peak = rates.index(max(rates))
    share = {None: 0.2 if schedule == "onecycle" else 0.0}.get(warmup, warmup)
    assert peak == max(0, round(share * total) - 1)
    assert all(a >= b for a, b in itertools.pairwise(rates[peak:]))
    assert all(a < b for a, b in itertools.pairwise(rates[: peak + 1]))


def test_the_step_schedule_divides_by_ten_at_each_third():
    rates = [learning_rate(TrainConfig(schedule="step", lr=1.0), step, 9) for step in range(9)]
    assert rates == pytest.approx([1] * 3 + [0.1] * 3 + [0.01] * 3)
    warm = [learning_rate(TrainConfig(schedule="step", lr=1.0, warmup=0.25), step, 12) for step in range(12)]
    assert warm == pytest.approx([1 / 3, 2 / 3, 1, 1] + [0.1] * 4 + [0.01] * 4)


def test_the_cosine_schedule_is_half_way_down_in_the_middle():
    assert learning_rate(TrainConfig(schedule="cosine", lr=1.0), 50, 100) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("epochs", 0),
        ("epochs", True),
        ("batch_size", 2.5),
        ("optimizer", "adam"),
        ("lr", float("nan")),
        ("lr", 0),
        ("lr", "0.1"),
        ("momentum", 1.0),
        ("beta2", 1.0),
        ("weight_decay", -1e-4),
        ("schedule", "linear"),
        ("warmup", 1.5),
        ("clip_norm", float("inf")),
        ("label_smoothing", -0.1),
        ("ema", 1.0),
        ("validation", 1),
        ("augmentation", {"crop": 2}),
        ("seed", -1),
        ("precision", "float16"),
        ("channels_last", True),
        ("compile", 1),
        ("cuda_graphs", "yes"),
        ("tensorboard", 0),
        ("checkpoint_every", 0),
        ("evaluate_every", -1),
        ("device", 0),
        ("nesterov", None),
    ],
)
def test_a_bad_setting_is_named(name, value):
    with pytest.raises(ArgumentError, match=f"^{name}: got .*; expected .*; use {name}="):
        TrainConfig(**{name: value})


def test_differences_are_of_what_is_computed():
    ours = TrainConfig()
    other = replace(ours, lr=0.2, device="cuda", compile=True, augmentation=Augmentation(crop=3))
    assert ours.differences(asdict(other)) == {"lr": (0.2, 0.1), "crop": (3, None)}
    assert ours.differences({})["epochs"] == (None, 20)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_settings(name):
    config = TrainConfig(**RECIPES[name])
    assert all(getattr(config, setting) == value for setting, value in RECIPES[name].items())


def test_the_settings_come_without_torch_and_from_the_command_line():
    code = (
        "import sys, tyro; from vision.config import TrainConfig; from vision.recipes import RECIPES\n"
        "assert 'torch' not in sys.modules\n"
        "style = (tyro.conf.OmitArgPrefixes,)\n"
        "print(tyro.cli(TrainConfig, args='--epochs 5 --schedule cosine --crop 4 --flip True'.split(), config=style))"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True)
    expected = TrainConfig(epochs=5, schedule="cosine", augmentation=Augmentation(crop=4, flip=True))
    assert done.stdout.strip() == repr(expected), done.stderr
