"""`vcycle inspect`: report, files, messages."""

import json

import pytest
import torch

import vision
from unified.app.main import main


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    assert main(["train", "--model", "polymgnet-g6-quarter", "--epochs", "1", "--folder", str(folder), "--json"]) == 0
    return folder


def test_report_and_files(trained, tmp_path, capsys):
    capsys.readouterr()
    assert main(["inspect", str(trained), "--images", "8", "--folder", str(tmp_path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["before"] == "a fresh model with seed 0"
    assert (report["model"], report["data"], report["images"]) == ("polymgnet-g6-quarter", "digits", 8)
    assert [level["grid"] for level in report["levels"]] == [[8, 8], [4, 4], [2, 2], [1, 1]]
    for level in report["levels"]:
        assert [len(level[side]["roots"][0]) for side in ("before", "after")] == [6, 6]
        assert level["after"]["smoothing_radius"] > 0
        assert len(level["residuals"]["median"]) == level["steps"] + 1
    assert [path.name for path in map(type(tmp_path), report["files"])][-1] == "inspect.json"
    assert json.loads((tmp_path / "inspect.json").read_text())["levels"] == report["levels"]


def test_text_names_every_level_and_its_roots(trained, capsys):
    assert main(["inspect", "--images", "4", str(trained)]) == 0
    out = capsys.readouterr().out
    assert "polymgnet-g6-quarter" in out
    assert "before training: a fresh model with seed 0" in out
    assert all(f"roots on level {i}: 1, 1, 0.707" in out for i in range(4))
    assert str(trained / "inspect" / "smoothing.png") in out
    assert max(map(len, out.splitlines()[2:7])) <= 120


def test_bad_input_is_named(trained, tmp_path, capsys):
    assert main(["inspect", str(trained), "--images", "0"]) == 2
    assert "vcycle inspect: images: got 0" in capsys.readouterr().err
    data = vision.load("digits").subset(64)
    model = vision.create_model("resnet-20", in_channels=1, steps=(1, 1, 1))
    vision.fit(model, data, vision.TrainConfig(epochs=1, batch_size=64), folder=tmp_path, progress=False)
    assert main(["inspect", str(tmp_path)]) == 2
    assert "vcycle inspect: model: got a ResNet, which has no levels on a way down" in capsys.readouterr().err


def test_other_initial_weights_are_not_drawn_as_those_before_training(tmp_path, capsys):
    torch.manual_seed(5)  # not the settings' seed
    model = vision.create_model("polymgnet-q2-quarter", in_channels=1)
    config = vision.TrainConfig(epochs=1, batch_size=64)
    vision.fit(model, vision.load("digits").subset(64), config, folder=tmp_path, progress=False)
    assert vision.initial_model(vision.load_model(tmp_path / "last.safetensors")[1]) is None
    assert main(["inspect", str(tmp_path), "--images", "4"]) == 0
    out = capsys.readouterr().out
    assert "before training: not known; a fresh model with seed 0 has other weights here" in out
    assert "roots on level 0: " in out
    assert "->" not in next(line for line in out.splitlines() if line.startswith("roots on level 0"))
