"""A comparison trains every model with every seed by one recipe, once, and says what it found."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from unified.errors import ArgumentError
from vision import compare
from vision.comparison import ComparedRun, Comparison
from vision.config import TrainConfig
from vision.data import load
from vision.models import count_weights, create_model
from vision.train import fit

DATA = load("digits").subset(256)
CONFIG = TrainConfig(epochs=1, batch_size=64, precision="float32", device="cpu")
MODELS = {
    "mgnet": {"name": "mgnet-16", "steps": (1, 1)},
    "poly": {"name": "polymgnet-q2-quarter", "steps": (1, 1), "channels": (8, 8)},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compared")
    return folder, compare(MODELS, DATA, CONFIG, folder=folder, seeds=(0, 1), progress=False)


def test_a_run_is_the_one_that_fit_makes(done):
    _, found = done
    assert [(run.model, run.seed) for run in found.runs] == [("mgnet", 0), ("poly", 0), ("mgnet", 1), ("poly", 1)]
    torch.manual_seed(1)
    model = create_model("mgnet-16", classes=10, in_channels=1, steps=(1, 1))
    alone = fit(model, DATA, replace(CONFIG, seed=1), progress=False)
    (run,) = [run for run in found.runs if (run.model, run.seed) == ("mgnet", 1)]
    assert run.test_accuracy == alone.test_accuracy
    assert run.best_test_accuracy == alone.best_test_accuracy
    assert found.models["mgnet"]["weights"] == count_weights(model)


def test_what_was_found_is_written(done):
    folder, found = done
    report = json.loads((folder / "compare.json").read_text())
    assert report["runs"][0]["test_accuracy"] == found.runs[0].test_accuracy
    assert report["environment"]["torch"] == torch.__version__
    assert report["config"]["epochs"] == 1
    assert report["seeds"] == [0, 1]
    assert found.table() in (folder / "compare.md").read_text()
    assert (folder / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_finished_runs_are_not_trained_again_and_a_model_can_be_added(done):
    folder, before = done
    stamps = {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
    assert len(stamps) == 8
    more = {**MODELS, "other": {"name": "mgnet-16", "steps": (1,)}}
    found = compare(more, DATA, CONFIG, folder=folder, seeds=(0, 1), progress=False)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert [run for run in found.runs if run.model != "other"] == before.runs
    assert (folder / "other" / "seed-1" / "last.safetensors").exists()


def test_an_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(tmp_path):
    def stop(record):
        raise KeyboardInterrupt

    config, two = replace(CONFIG, epochs=2), {"mgnet": MODELS["mgnet"]}
    (whole,) = compare(two, DATA, config, folder=tmp_path / "whole", seeds=(3,), progress=False).runs
    torch.manual_seed(3)
    model = create_model("mgnet-16", classes=10, in_channels=1, steps=(1, 1))
    where = tmp_path / "cut" / "mgnet" / "seed-3"
    with pytest.raises(KeyboardInterrupt):
        fit(model, DATA, replace(config, seed=3), folder=where, progress=False, callback=stop)
    (cut,) = compare(two, DATA, config, folder=tmp_path / "cut", seeds=(3,), progress=False).runs
    assert cut.test_accuracy == whole.test_accuracy
    events = [json.loads(line)["event"] for line in (where / "log.jsonl").read_text().splitlines()]
    assert events == ["start", "epoch", "resume", "epoch", "end"]


def test_a_diverging_run_is_reported_and_does_not_stop_the_others(tmp_path, monkeypatch):
    def poisoned(name, **options):
        model = create_model(name, **options)
        if options.pop("steps") == (2, 1):
            with torch.no_grad():
                next(model.parameters()).fill_(float("inf"))
        return model

    monkeypatch.setattr(sys.modules["vision.compare"], "create_model", poisoned)
    models = {"bad": {"name": "mgnet-16", "steps": (2, 1)}, "good": MODELS["mgnet"]}
    found = compare(models, DATA, CONFIG, folder=tmp_path, seeds=(0,), progress=False)
    bad, good = found.runs
    assert "training diverged" in bad.diverged
    assert bad.test_accuracy is None
    assert good.diverged is None
    assert good.test_accuracy > 0.05
    assert "| bad |  | " in (tmp_path / "compare.md").read_text()
    assert "0, 1 diverged |" in found.table()
    assert json.loads((tmp_path / "compare.json").read_text())["summary"][0]["accuracy"] is None


def test_mean_and_spread_are_over_the_runs_that_finished():
    runs = [
        ComparedRun("a", seed, "", test_accuracy=accuracy, seconds=seconds, images_per_second=100.0)
        for seed, accuracy, seconds in ((0, 0.90, 1.0), (1, 0.94, 3.0))
    ]
    runs.append(ComparedRun("a", 2, "", diverged="in epoch 1"))
    (row,) = Comparison({}, {"a": {"weights": 5, "multiply_adds": 7}}, runs).summary()
    assert row.accuracy == pytest.approx(0.92)
    assert row.spread == pytest.approx(0.04 / 2**0.5)
    assert (row.finished, row.diverged, row.seconds) == (2, 1, 2.0)


@pytest.mark.parametrize(
    ("models", "changed", "said"),
    [
        (["mgnet-17"], {}, "name: got 'mgnet-17'"),
        ([], {}, "models: got none"),
        ({"a/b": {"name": "mgnet-16"}}, {}, "models: got 'a/b'"),
        ({"a": {"steps": (1, 1)}}, {}, "models: got a: .*; expected the name of a model"),
        (["mgnet-16", "mgnet-imagenet"], {}, "images: got"),  # 8x8 are too small: said before anything is trained
        (["mgnet-16"], {"seeds": ()}, "seeds: got"),
        (["mgnet-16"], {"seeds": (1, 1)}, "seeds: got"),
        (["mgnet-16"], {"seeds": (-1,)}, "seeds: got -1"),
    ],
)
def test_bad_input_is_named_before_anything_is_trained(tmp_path, models, changed, said):
    with pytest.raises(ArgumentError, match=said):
        compare(models, DATA, CONFIG, folder=tmp_path, progress=False, **changed)
    assert list(tmp_path.iterdir()) == []


def test_runs_of_other_settings_are_refused(done):
    folder, _ = done
    with pytest.raises(ArgumentError, match=r"resume: got .*lr"):
        compare(MODELS, DATA, replace(CONFIG, lr=0.01), folder=folder, seeds=(0,), progress=False)


def test_a_model_for_something_else_is_refused_before_anything_is_trained(tmp_path):
    with pytest.raises(ArgumentError, match=r"model: got an output of shape \(2, 10, 8, 8\)"):
        compare(["mgnet-16", "dense-mgnet-32"], DATA, CONFIG, folder=tmp_path, seeds=(0,), progress=False)
    assert list(tmp_path.iterdir()) == []


def test_numbers_may_be_numpys(tmp_path):
    models = {"mgnet": {"name": "mgnet-16", "steps": np.array([1])}}
    found = compare(models, DATA, CONFIG, folder=tmp_path, seeds=np.arange(1), progress=False)
    assert [run.seed for run in found.runs] == [0]
    assert json.loads((tmp_path / "compare.json").read_text())["models"]["mgnet"]["options"] == {"steps": [1]}
