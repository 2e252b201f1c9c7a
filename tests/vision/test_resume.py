"""Resuming: what was interrupted, even killed, ends as if it had not been; what is another run is left alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from tests.vision.runs import QUICK, Interrupted, interrupt_after, lines, net, run, same, some_digits
from unified.errors import ArgumentError, DataError
from vision.augmentation import Augmentation
from vision.checkpoint import load_checkpoint
from vision.config import TrainConfig
from vision.models import create_model

EVENTS = ["start", "epoch", "epoch", "resume", "epoch", "end"]


@pytest.fixture(scope="module")
def digits():
    return some_digits()


@pytest.mark.parametrize(
    "changed",
    [
        {"channels_last": "on"},
        {"channels_last": "off", "schedule": "step", "warmup": 0.3},
        {"optimizer": "adamw", "lr": 0.002, "ema": 0.95},
        {"ema": 0.9, "augmentation": Augmentation(mixup=0.3, cutmix=1.0, cutout=2, flip="alternating")},
    ],
)
def test_a_resumed_run_is_the_uninterrupted_run_bit_for_bit(digits, tmp_path, changed):
    config = replace(QUICK, **changed)
    whole = run(net(dropout=0.3), digits, config)
    with pytest.raises(Interrupted):
        run(net(dropout=0.3), digits, config, folder=tmp_path, callback=interrupt_after(2))
    resumed = run(net(seed=9, dropout=0.3), digits, config, folder=tmp_path, resume=True)
    assert same(whole.model, resumed.model)
    keys = ("epoch", "loss", "accuracy", "valid_accuracy", "valid_loss", "lr")
    assert [[r[k] for k in keys] for r in resumed.history] == [[r[k] for k in keys] for r in whole.history]
    for name in ("test_accuracy", "best_epoch", "best_test_accuracy"):
        assert getattr(resumed, name) == getattr(whole, name)
    assert [line["event"] for line in lines(tmp_path)] == EVENTS


KILLED = TrainConfig(
    epochs=3, batch_size=32, lr=0.05, ema=0.9, augmentation=Augmentation(mixup=0.2, flip="alternating")
)

# A run that says when it stands in a place where it is to be killed, and stays there.
SCRIPT = """
import sys
from tests.vision.test_resume import KILLED, network, some_digits
from unified import files
from vision import fit
from vision.step import Step

folder, place = sys.argv[1:]
seen, step, opened = [], Step.__call__, open

def stay():
    print("here", flush=True)
    sys.stdin.read()

def stepped(self, *batch):
    seen.append(0)
    if len(seen) == 8:  # of 5 in an epoch
        stay()
    step(self, *batch)

class Half:
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *_): self.file.close()
    def write(self, content):
        self.file.write(content[: len(content) // 2]); self.file.flush()
        stay()

def second(path, mode):
    seen.append(path.name)
    file = opened(path, mode)
    return Half(file) if seen.count(f".{place}.tmp") == 2 else file

if place == "epoch":
    Step.__call__ = stepped
else:
    files.open = second
fit(network(), some_digits(), KILLED, folder=folder, progress=False)
"""


def network():
    torch.manual_seed(0)
    return create_model("mgnet-16", in_channels=1, steps=(1, 1))


@pytest.fixture(scope="module")
def whole(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return run(network(), digits, KILLED, folder=folder), folder


PLACES = ("epoch", "last.safetensors")  # by then the second epoch's best one is written


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """The folder of a run killed in each place; they run side by side."""
    root, folders = Path(__file__).resolve().parents[2], {}
    with ExitStack() as stack:
        running = {}
        for place in PLACES:
            folders[place] = tmp_path_factory.mktemp(place)
            command = [sys.executable, "-c", SCRIPT, str(folders[place]), place]
            process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            running[place] = stack.enter_context(process)
        for process in running.values():
            assert process.stdout.readline() == b"here\n"
            process.send_signal(signal.SIGKILL)
    assert {process.returncode for process in running.values()} == {-signal.SIGKILL}
    return folders


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
@pytest.mark.parametrize("place", PLACES)
def test_a_killed_run_is_resumed_bit_for_bit(digits, killed, whole, place):
    folder = killed[place]
    assert load_checkpoint(folder / "last.safetensors").meta["epoch"] == 1
    assert (folder / f".{place}.tmp").exists() == (place != "epoch")  # half a file, which nobody takes for one
    resumed = run(network(), digits, KILLED, folder=folder, resume=True)
    assert same(resumed.model, whole[0].model)
    for name in ("last.safetensors", "best.safetensors"):
        ours, theirs = (load_checkpoint(of / name) for of in (folder, whole[1]))
        assert ours.meta["epoch"] == theirs.meta["epoch"]
        assert ours.tensors.keys() == theirs.tensors.keys()
        assert all(torch.equal(t, theirs.tensors[key]) for key, t in ours.tensors.items())
    assert not list(folder.glob(".*"))


def test_what_was_killed_before_its_first_checkpoint_starts_again(digits, tmp_path):
    (tmp_path / ".last.safetensors.tmp").write_bytes(b"half")
    (tmp_path / "log.jsonl").write_text('{"event": "start"}\n{"event": "ep')
    result = run(net(), digits, folder=tmp_path, resume=True)
    assert same(result.model, run(net(), digits).model)
    text = (tmp_path / "log.jsonl").read_text().splitlines()
    assert text[:2] == ['{"event": "start"}', '{"event": "ep']  # nothing is lost, and the half line stays one
    assert json.loads(text[2])["event"] == "start"


def test_resuming_a_finished_run_only_evaluates_it(digits, tmp_path):
    config = replace(QUICK, ema=0.9)
    first = run(net(), digits, config, folder=tmp_path)
    again = run(net(seed=3), digits, config, folder=tmp_path, resume=True)
    assert again.test_accuracy == first.test_accuracy
    assert same(first.model, again.model)


def test_a_foreign_log_is_appended_to(digits, tmp_path):
    (tmp_path / "log.jsonl").write_text("mine\n")
    run(net(), digits, folder=tmp_path)
    assert (tmp_path / "log.jsonl").read_text().startswith('mine\n{"event": "start"')


@pytest.mark.parametrize("name", ["last.safetensors", "best.safetensors"])
def test_a_folder_with_a_run_is_not_overwritten(digits, tmp_path, name):
    run(net(), digits, folder=tmp_path / "a")
    (tmp_path / "b").mkdir()
    shutil.copy(tmp_path / "a" / name, tmp_path / "b")
    before = (tmp_path / "b" / name).read_bytes()
    with pytest.raises(ArgumentError, match=rf"folder: got .*holds a run \({name}\).*use resume=True"):
        run(net(), digits, folder=tmp_path / "b")
    with pytest.raises(ArgumentError, match=r"resume: got .*lr=0\.05 \(now 0\.1\)"):
        run(net(), digits, replace(QUICK, lr=0.1), folder=tmp_path / "b", resume=True)
    assert (tmp_path / "b" / name).read_bytes() == before


def test_another_run_is_not_resumed(digits, tmp_path):
    run(net(), digits, folder=tmp_path)
    for changed, said in [
        ({"lr": 0.2}, r"lr=0\.05 \(now 0\.2\)"),
        ({"epochs": 9}, r"epochs=3 \(now 9\)"),
        ({"ema": 0.9}, r"ema=0\.0 \(now 0\.9\)"),
        ({"augmentation": Augmentation(crop=2)}, r"crop=None \(now 2\)"),
    ]:
        with pytest.raises(ArgumentError, match=f"resume: got .*{said}"):
            run(net(), digits, replace(QUICK, **changed), folder=tmp_path, resume=True)
    with pytest.raises(ArgumentError, match=r"resume: got .*images=180 \(now 90\)"):
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


def forge(path, change):
    """Write the file anew, its note changed."""
    checkpoint = load_checkpoint(path)
    note = json.dumps({**checkpoint.meta, **change})
    safetensors.torch.save_file(checkpoint.tensors, path, {"vcycle": note})


def test_a_checkpoint_of_the_old_format_is_not_resumed(digits, tmp_path):
    run(net(), digits, folder=tmp_path)
    forge(tmp_path / "last.safetensors", {"format": 1})
    with pytest.raises(DataError, match=r"last\.safetensors: got checkpoint format 1; expected format 2 to resume"):
        run(net(), digits, folder=tmp_path, resume=True)


@pytest.mark.parametrize("field", ["run", "config", "history"])
@pytest.mark.parametrize("value", [None, 3, [{"epoch": 1}], [{"epoch": 2, "seconds": 1.0}]])
def test_a_forged_note_is_named(digits, tmp_path, finished, field, value):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    forge(tmp_path / "last.safetensors", {field: value})
    with pytest.raises(DataError, match=rf"last\.safetensors: {field}: got .*; expected"):
        run(net(), digits, folder=tmp_path, resume=True)


@pytest.fixture(scope="module")
def finished(digits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    run(net(), digits, folder=folder)
    return folder


def test_a_best_checkpoint_that_is_missing_or_another_is_named(digits, tmp_path, finished):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    best = tmp_path / "best.safetensors"
    forge(best, {"history": [{"epoch": 1, "seconds": 1.0}]})
    with pytest.raises(DataError, match=r"best\.safetensors: history: got .*; expected a valid_accuracy"):
        run(net(), digits, folder=tmp_path, resume=True)
    best.unlink()
    with pytest.raises(DataError, match=r"best\.safetensors: got no such file"):
        run(net(), digits, folder=tmp_path, resume=True)


def test_resume_needs_a_folder(digits):
    with pytest.raises(ArgumentError, match="resume: got True without a folder"):
        run(net(), digits, resume=True)


def test_a_folder_that_is_a_file_is_named(digits, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file: got .*expected a folder to write to"):
        run(net(), digits, folder=tmp_path / "file")
