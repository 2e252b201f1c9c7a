"""The command line: answers, reports, messages and statuses."""

import json
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import tyro
from PIL import Image

from unified.app import train
from unified.app.main import COMMANDS, main
from vision.augmentation import Augmentation
from vision.config import TrainConfig
from vision.recipes import RECIPES


def run(capsys, *argv):
    status = main(argv)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def report(capsys, *argv):
    status, out, _ = run(capsys, *argv, "--json")
    assert status == 0
    return json.loads(out)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run of one epoch on the digits."""
    folder = tmp_path_factory.mktemp("run")
    assert main(["train", "--model", "polymgnet-q2-quarter", "--epochs", "1", "--folder", str(folder), "--json"]) == 0
    return folder


def test_a_report_is_json_where_a_number_is_not(capsys):
    status, out, _ = run(capsys, "solve", "--shape", "3", "3", "--json")  # solved by the start: there is no rate
    assert status == 0
    assert json.loads(out, parse_constant=pytest.fail)["rate"] is None
    assert "nan" not in run(capsys, "solve", "--shape", "3", "3")[1]


@pytest.mark.parametrize("dtype", [">f8", "f4", "u2", np.longdouble])
def test_f_may_be_of_any_real_type(capsys, tmp_path, dtype):
    np.save(tmp_path / "f.npy", np.ones((15, 15), dtype))
    arguments = ["solve", "--shape", "15", "15", "--f"]
    assert report(capsys, *arguments, str(tmp_path / "f.npy"))["result"] == "converged"
    np.savez(tmp_path / "f.npz", f=np.ones((15, 15)))
    status, _, err = run(capsys, *arguments, str(tmp_path / "f.npz"))
    assert status == 2
    assert "an .npz archive" in err


def test_a_cycle_too_deep_to_draw_is_refused(capsys):
    status, _, err = run(capsys, "show", "cycle", "W", "--levels", "40")
    assert status == 2
    assert "levels: got 40; expected 12 at most" in err


def test_help_lists_every_command(capsys):
    for argv in ([], ["--help"], ["-h"]):
        status, out, _ = run(capsys, *argv)
        assert status == 0
        assert all(name in out for name in COMMANDS)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_does_not_import_torch(command):
    """What keeps --help under half a second; the time itself stands in docs/results."""
    code = (
        "import sys; from unified.app.main import main\n"
        f"try: main({[*command, '--help']!r})\n"
        "except SystemExit: pass\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules and 'scipy' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "usage: vcycle" in done.stdout


def test_unknown_command_suggests_one(capsys):
    status, _, err = run(capsys, "sovle")
    assert status == 2
    assert err.startswith("vcycle: unknown command 'sovle'; did you mean solve?")


def test_version(capsys):
    status, out, _ = run(capsys, "--version")
    assert (status, out.split()[0]) == (0, "vcycle")


def test_solve(capsys):
    result = report(capsys, "solve", "--shape", "63", "31")
    assert result["result"] == "converged"
    assert len(result["residuals"]) == result["cycles"] + 1
    assert result["residuals"][-1] <= 1e-8
    assert result["error"] < 2e-3
    status, out, _ = run(capsys, "solve", "--shape", "63", "31")
    assert status == 0
    assert "63 x 31" in out
    assert "converged" in out


def test_solve_that_does_not_converge_ends_with_1(capsys):
    status, out, _ = run(capsys, "solve", "--shape", "63", "63", "--max-cycles", "1", "--method", "mg")
    assert status == 1
    assert "the cycles ran out" in out


def test_solve_reads_and_writes_arrays(capsys, tmp_path):
    f = np.random.default_rng(0).standard_normal((31, 31))
    np.save(tmp_path / "f.npy", f)
    files = ["--f", str(tmp_path / "f.npy"), "--out", str(tmp_path / "u.npy")]
    report(capsys, "solve", "--shape", "31", "31", *files, "--boundary", "2.5", "--rtol", "1e-12")
    u = np.pad(np.load(tmp_path / "u.npy"), 1, constant_values=2.5)
    inside = u[1:-1, 1:-1]
    neighbours = u[:-2, 1:-1] + u[2:, 1:-1] + u[1:-1, :-2] + u[1:-1, 2:]
    np.testing.assert_allclose((4 * inside - neighbours) * 32**2, f, atol=1e-8)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--rtol", "-1"], "rtol: got -1.0; expected"),
        (["--shape", "2000", "2"], "shape: got (2000, 2); expected 1 to 3 whole numbers >= 3"),
        (["--shape", "9", "9", "--bc", "robin"], "bc: got ['robin', 'robin']"),
        (["--shape", "9", "9", "--a", "no.npy"], "a = no.npy: got"),
        (["--shape", "9", "9", "--a", "-1"], "a: got -1.0"),
        (["--smoother", "chebychev"], "smoother: got 'chebychev'; expected one of chebyshev4"),
        (["--degree", "0"], "degree: got 0; expected a whole number >= 1"),
        (["--f", "nothing.npy"], "f = nothing.npy: got"),
        (["--device", "tpu9"], "device: got 'tpu9'; expected a device that torch can use here"),
        (["--shape", "31", "31", "--out", "no/such/folder/u.npy"], "no/such/folder/u.npy: got No such file"),
    ],
)
def test_solve_names_bad_input(capsys, argv, message):
    status, out, err = run(capsys, "solve", *argv)
    assert (status, out) == (2, "")
    assert err.startswith(f"vcycle solve: {message}")
    assert len(err.strip().splitlines()) == 1


def test_solve_refuses_a_pickled_array(capsys, tmp_path):
    np.save(tmp_path / "f.npy", np.array([{"not": "numbers"}], dtype=object), allow_pickle=True)
    status, _, err = run(capsys, "solve", "--f", str(tmp_path / "f.npy"))
    assert status == 2
    assert "a .npy file of numbers" in err


def test_train_leaves_a_log_and_a_checkpoint(trained):
    assert {path.name for path in trained.iterdir()} == {"last.safetensors", "best.safetensors", "log.jsonl"}
    events = [json.loads(line)["event"] for line in (trained / "log.jsonl").read_text().splitlines()]
    assert events == ["start", "epoch", "end"]


def test_train_does_not_overwrite_a_run(capsys, trained):
    status, _, err = run(capsys, "train", "--model", "polymgnet-q2-quarter", "--epochs", "1", "--folder", str(trained))
    assert status == 2
    assert "folder: got" in err
    assert "resume=True" in err or "--resume" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--model", "resnet-1"], "name: got 'resnet-1'; expected one of mgnet-16"),
        (["--data", "cifar10", "--root", "nowhere"], "nowhere: got"),
        (["--data", "folder"], "folder: got root=None"),
        (["--data", "cifar10"], "cifar10: got root=None; expected a folder with cifar-10-batches-bin"),
        (["--size", "32"], "size: got 32; expected none for digits"),
        (["--data", "folder", "--root", ".", "--size", "3x4x5"], "size: got '3x4x5'; expected a number, or two"),
        (["--root", "here"], "root: got here; expected none for digits"),
        (["--data", "cifar10", "--channels", "1"], "channels: got 1; expected none for cifar10"),
        (
            ["--data", "cifar10", "--download-from", "ftp://x"],
            "url: got 'ftp://x/cifar-10-binary.tar.gz'; expected an http",
        ),
    ],
)
def test_train_names_bad_input(capsys, tmp_path, monkeypatch, argv, message):
    monkeypatch.chdir(tmp_path)
    status, _, err = run(capsys, "train", *argv, "--folder", str(tmp_path))
    assert status == 2
    assert f"vcycle train: {message}" in err


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--epochs", "0"], "epochs: got 0; expected an integer >= 1; use epochs=20"),
        (["--lr", "nan"], "lr: got nan; expected a finite number > 0; use lr=0.1"),
        (["--epochs", "many"], "many"),
        (["--rate", "1"], "--rate"),
    ],
)
def test_options_that_do_not_parse_end_with_2(capsys, argv, message):
    with pytest.raises(SystemExit, match="2"):
        main(["train", *argv])
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


def settings(*argv):
    return tyro.cli(train.options(list(argv)), args=argv).config


def test_a_recipe_gives_the_defaults_and_options_go_before_it():
    assert settings() == TrainConfig()
    assert settings("--recipe", "mgnet") == TrainConfig(**RECIPES["mgnet"])
    assert settings("--schedule", "onecycle", "--recipe=mgnet", "--crop", "3") == replace(
        TrainConfig(**RECIPES["mgnet"]), schedule="onecycle", augmentation=Augmentation(crop=3, fill=0)
    )


@pytest.mark.parametrize("name", ["resnet", ""])
def test_an_unknown_recipe_is_refused(capsys, name):
    with pytest.raises(SystemExit, match="2"):
        main(["train", "--recipe", *name.split()])
    assert "--recipe" in capsys.readouterr().err


def test_train_reports_the_last_epoch_and_the_best(capsys, tmp_path):
    argv = ["train", "--model", "mgnet-16", "--steps", "1", "1", "--epochs", "1", "--folder", str(tmp_path)]
    result = report(capsys, *argv)
    assert result["best_epoch"] == 1
    assert result["best_test_accuracy"] == result["test_accuracy"]
    assert result["config"]["augmentation"]["crop"] is None
    status, out, _ = run(capsys, *argv, "--resume")
    assert status == 0
    assert f"{result['test_accuracy']:.2%} of 359 test images after the last epoch" in out
    assert "after epoch 1, the best by validation" in out


def test_evaluate(capsys, trained):
    result = report(capsys, "evaluate", "--checkpoint", str(trained))
    assert result["data"] == "digits"
    assert sum(map(sum, result["confusion"])) == result["images"] == sum(result["reliability"]["count"])
    hits = sum(row[i] for i, row in enumerate(result["confusion"]))
    assert result["accuracy"] == hits / result["images"]
    status, out, _ = run(capsys, "evaluate", "--checkpoint", str(trained / "last.safetensors"))
    assert status == 0
    assert f"accuracy {result['accuracy']:.2%}" in out


def test_evaluate_on_the_images_held_out_and_its_figures(capsys, trained, tmp_path):
    arguments = ["evaluate", "--checkpoint", str(trained), "--split", "valid", "--figures", str(tmp_path / "new")]
    result = report(capsys, *arguments)
    assert result["images"] == 144  # a tenth of the training images
    events = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    (epoch,) = [event for event in events if event["event"] == "epoch"]
    assert result["accuracy"] == epoch["valid_accuracy"]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["confusion.png", "reliability.png"]
    status, _, err = run(capsys, "evaluate", "--checkpoint", str(trained), "--flip")
    assert (status, err.startswith("vcycle evaluate: flip: got True for digits")) == (2, True)


def letters(folder, count=12):
    """Two classes of images 8x8, dark and light, called as two digits are."""
    for name, low in (("0", 0), ("1", 128)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(count):
            pixels = np.random.default_rng(low + i).integers(low, low + 128, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")


def test_a_folder_is_known_again_whatever_it_is_called(capsys, tmp_path):
    root, runs = tmp_path / "digits", tmp_path / "run"
    letters(root)
    arguments = ["--data", "folder", "--root", str(root), "--channels", "1", "--mirrored", "False", "--crop", "1"]
    report(capsys, "train", *arguments, "--steps", "1", "1", "--epochs", "1", "--folder", str(runs))
    found = report(capsys, "evaluate", "--checkpoint", str(runs), "--root", str(root))
    assert (found["data"], found["images"], found["held_out"]) == ("digits", 5, True)
    assert report(capsys, "inspect", str(runs), "--root", str(root), "--folder", str(tmp_path))["images"] == 5
    status, _, err = run(capsys, "evaluate", "--checkpoint", str(runs), "--root", str(root), "--flip")
    assert (status, "flip: got True for digits" in err) == (2, True)
    exported = str(tmp_path / "weights.safetensors")
    report(capsys, "export", exported, "--checkpoint", str(runs))
    assert report(capsys, "evaluate", "--checkpoint", exported, "--root", str(root))["held_out"] is True
    status, _, err = run(capsys, "evaluate", "--checkpoint", str(runs), "--data", "digits")
    assert (status, "data: got digits; expected the classes of the checkpoint, ['0', '1']" in err) == (2, True)


def test_evaluate_says_where_test_images_may_have_been_trained_on(capsys, tmp_path):
    root, runs = tmp_path / "all", tmp_path / "run"
    letters(root)
    arguments = ["--data", "folder", "--root", str(root), "--channels", "1", "--steps", "1", "1", "--epochs", "1"]
    report(capsys, "train", *arguments, "--folder", str(runs))
    argv = ["evaluate", "--checkpoint", str(runs), "--root", str(root)]
    assert "left out" not in run(capsys, *argv)[1]
    letters(root, 14)
    assert "not the images that the training left out: it may have seen some" in run(capsys, *argv)[1]
    assert report(capsys, *argv)["held_out"] is False
    assert report(capsys, *argv, "--split", "valid")["held_out"] is False
    assert report(capsys, *argv, "--split", "train")["held_out"] is None


def test_the_newest_run_may_be_of_a_comparison(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "compare", "mgnet-16", "--epochs", "1", "--seeds", "0", "--batch-size", "720")[0] == 0
    found = report(capsys, "evaluate")
    assert found["checkpoint"] == "runs/compare/mgnet-16/seed-0/last.safetensors"


def test_export(capsys, trained, tmp_path):
    path = tmp_path / "weights.safetensors"
    result = report(capsys, "export", str(path), "--checkpoint", str(trained))
    assert (result["bytes"], result["difference"]) == (path.stat().st_size, 0)
    assert report(capsys, "evaluate", "--checkpoint", str(path))["images"] == 359
    status, _, err = run(capsys, "export", "model.pth", "--checkpoint", str(trained))
    assert (status, err.startswith("vcycle export: path: got 'model.pth'")) == (2, True)


def test_compare(capsys, tmp_path):
    models = ["mgnet-16", "polymgnet-q2-quarter", "--recipe", "fast", "--epochs", "1", "--seeds", "5"]
    arguments = ["compare", *models, "--folder", str(tmp_path)]
    result = report(capsys, *arguments)
    assert [(row["model"], row["finished"]) for row in result["summary"]] == [(name, 1) for name in models[:2]]
    assert result["config"]["epochs"] == 1
    assert result["config"]["augmentation"]["crop"] == 2  # the recipe's
    status, out, _ = run(capsys, *arguments)  # nothing to train
    assert status == 0
    assert out.startswith("| model | test accuracy |")
    assert run(capsys, *arguments, "--seed", "1")[0] == 2


def test_predict(capsys, trained, tmp_path):
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save(tmp_path / "grey.png")
    result = report(capsys, "predict", str(tmp_path / "grey.png"), "--checkpoint", str(trained), "--top", "10")
    (prediction,) = result["predictions"]
    assert sum(p for _, p in prediction["top"]) == pytest.approx(1, abs=1e-5)
    assert prediction["label"] == prediction["top"][0][0]
    status, out, _ = run(capsys, "predict", str(tmp_path / "grey.png"), "--checkpoint", str(trained))
    assert status == 0
    assert out.startswith(f"{tmp_path / 'grey.png'}: {prediction['label']} ")
    status, _, err = run(capsys, "predict", str(tmp_path / "grey.png"), "--checkpoint", str(trained), "--flip")
    assert status == 2
    assert "flip: got True for digits" in err


def test_predict_names_bad_input(capsys, trained, tmp_path, monkeypatch):
    (tmp_path / "text.png").write_text("not an image")
    Image.fromarray(np.full((8, 8), 128, np.uint8)).save(tmp_path / "grey.png")
    status, out, err = run(capsys, "predict", str(tmp_path), "none.png", "--checkpoint", str(trained), "--json")
    assert status == 1  # one was read, two were not
    assert [p["file"] for p in json.loads(out)["predictions"]] == [str(tmp_path / "grey.png")]
    assert [u["file"] for u in json.loads(out)["unreadable"]] == [str(tmp_path / "text.png"), "none.png"]
    assert "text.png: got" in err
    assert "none.png: got no such file" in err
    assert run(capsys, "predict", "--checkpoint", str(trained))[2].startswith("vcycle predict: files: got none")
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "predict", "x.png")[2].startswith("vcycle predict: checkpoint: got none, and no run in runs/")
    (tmp_path / "cut.safetensors").write_bytes((trained / "last.safetensors").read_bytes()[:1000])
    status, _, err = run(capsys, "predict", "x.png", "--checkpoint", "cut.safetensors")
    assert status == 2
    assert "cut.safetensors: got" in err


@pytest.mark.parametrize("name", ["V", "W", "F", "fmg", "backslash"])
def test_show_cycle(capsys, name):
    import unified.program

    result = report(capsys, "show", "cycle", name, "--levels", "3")
    assert result["ops"] == [str(op) for op in unified.program.named(name, 3)]
    assert unified.draw(unified.program.named(name, 3)) in result["text"]


def test_show_hierarchy_and_models(capsys):
    assert "operator complexity 1.3" in run(capsys, "show", "hierarchy", "--shape", "63", "63")[1]
    assert "8,278,794 weights" in run(capsys, "show", "model", "mgnet-256")[1]
    names = {row["name"]: row["weights"] for row in report(capsys, "show", "models")["models"]}
    assert names["polymgnet-q2"] == 1_385_554


def test_show_names_bad_input(capsys):
    assert run(capsys, "show", "cycle", "X")[2].startswith("vcycle show: program: got 'X'; expected one of V, W, F")
    assert run(capsys, "show", "model")[2].startswith("vcycle show: name: got nothing; expected a model's name")
    assert run(capsys, "show", "cycle", "V", "--levels", "0")[2].startswith("vcycle show: n_levels: got 0; expected")


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m unified.app show cycle F | true; exit ${{PIPESTATUS[0]}}"  # gone at once
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_interrupt_ends_with_130(tmp_path):
    command = [sys.executable, "-m", "unified.app", "train", "--epochs", "1000", "--folder", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "last.safetensors").exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(2)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().endswith("vcycle train: interrupted")
