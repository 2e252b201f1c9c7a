"""Checkpoints: what comes back is what was saved, and no failure costs the one that was there."""

import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from torch import nn

from unified import files
from unified.errors import ArgumentError, DataError
from vision.checkpoint import load_checkpoint, load_model, restore, save
from vision.models import create_model


def tiny(width=4, seed=0):
    torch.manual_seed(seed)
    layers = [
        nn.Conv2d(1, width, 3, bias=False),
        nn.BatchNorm2d(width),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    ]
    return nn.Sequential(*layers, nn.Linear(width, 3))


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def step(model, optimizer):
    optimizer.zero_grad()
    model(torch.randn(4, 1, 6, 6, generator=torch.Generator().manual_seed(1))).square().sum().backward()
    optimizer.step()


def sgd(model):
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def test_the_model_comes_back_bit_for_bit(tmp_path):
    model, other = tiny(seed=0), tiny(seed=1)
    save(tmp_path / "a.safetensors", model, meta={"epoch": 3, "classes": ["a", "b", "c"]})
    found = load_checkpoint(tmp_path / "a.safetensors")
    assert not same(model, other)
    restore(other, found)
    assert same(model, other)
    assert found.meta["epoch"] == 3
    assert found.meta["classes"] == ["a", "b", "c"]
    assert found.meta["torch"] == torch.__version__
    assert "Sequential" in repr(found)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_next_step_is_the_same_step(tmp_path, layout):
    model, other = tiny(seed=0).to(memory_format=layout), tiny(seed=1).to(memory_format=layout)
    ours, theirs = sgd(model), sgd(other)
    step(model, ours)
    save(tmp_path / "a.safetensors", model, optimizer=ours)
    restore(other, load_checkpoint(tmp_path / "a.safetensors"), optimizer=theirs)
    step(model, ours)
    step(other, theirs)
    assert same(model, other)


def test_a_compiled_model_is_saved_bare(tmp_path):
    model = tiny()
    save(tmp_path / "a.safetensors", torch.compile(model))
    restore(tiny(seed=1), load_checkpoint(tmp_path / "a.safetensors"))


def test_tied_weights_are_saved(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save(tmp_path / "a.safetensors", model)
    restore(model, load_checkpoint(tmp_path / "a.safetensors"))


def test_load_model_builds_the_model_of_the_recipe(tmp_path):
    model = create_model("mgnet-16", steps=(1, 1), classes=10, in_channels=1)
    save(tmp_path / "a.safetensors", model, meta={"data": "digits"})
    loaded, meta = load_model(tmp_path / "a.safetensors")
    images = torch.randn(2, 1, 8, 8)
    assert meta["data"] == "digits"
    assert not loaded.training
    assert torch.equal(loaded(images), model.eval()(images))


def test_load_model_needs_a_recipe(tmp_path):
    save(tmp_path / "a.safetensors", tiny())
    with pytest.raises(DataError, match=r"a checkpoint of Sequential, which has no recipe.*call restore"):
        load_model(tmp_path / "a.safetensors")


def test_another_model_is_refused_by_name_key_and_shape(tmp_path):
    save(tmp_path / "a.safetensors", create_model("mgnet-16", steps=(1, 1)))
    found = load_checkpoint(tmp_path / "a.safetensors")
    other = create_model("polymgnet-q2-quarter", steps=(1, 1), channels=(16, 16))
    before = [t.clone() for t in other.state_dict().values()]
    with pytest.raises(ArgumentError, match=r"checkpoint: .*mgnet-16: without .*polymgnet-q2-quarter"):
        restore(other, found)
    assert all(torch.equal(a, b) for a, b in zip(before, other.state_dict().values(), strict=True))
    save(tmp_path / "b.safetensors", tiny(4))
    with pytest.raises(ArgumentError, match=r"0\.weight \(4, 1, 3, 3\) instead of \(5, 1, 3, 3\)"):
        restore(tiny(5), load_checkpoint(tmp_path / "b.safetensors"))


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_truncated_file_is_refused(tmp_path, keep):
    path = save(tmp_path / "a.safetensors", tiny())
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"a\.safetensors: got .*expected a complete \.safetensors file"):
        load_checkpoint(path)


def test_foreign_files_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(DataError, match="no such file"):
        load_checkpoint(path)
    torch.save(tiny().state_dict(), path)  # a pickle is not even looked at
    with pytest.raises(DataError, match="expected a complete"):
        load_checkpoint(path)
    safetensors.torch.save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(DataError, match="without our note"):
        load_checkpoint(path)
    safetensors.torch.save_file({"x": torch.zeros(1)}, path, {"vcycle": '{"format": 99}'})
    with pytest.raises(DataError, match="got checkpoint format 99; expected format 2"):
        load_checkpoint(path)


class FullDisk:
    """A file that takes half of what it is given, then reports a full disk."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def write(self, content):
        self.file.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_checkpoint_and_no_litter(tmp_path, monkeypatch):
    path = save(tmp_path / "a.safetensors", tiny(seed=0))
    before = path.read_bytes()
    monkeypatch.setattr(files, "open", lambda *args: FullDisk(open(*args)), raising=False)  # noqa: SIM115
    with pytest.raises(DataError, match=r"a\.safetensors: got No space left on device; .*is unchanged"):
        save(path, tiny(seed=1))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_failing_call_leaves_the_old_checkpoint_and_no_litter(tmp_path, monkeypatch, call, error):
    path = save(tmp_path / "a.safetensors", tiny(seed=0))
    before = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(DataError if isinstance(error, OSError) else KeyboardInterrupt):
        save(path, tiny(seed=1))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == [path.name]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="expected a folder that takes"):
        save(tmp_path / "file" / "a.safetensors", tiny())


KILLED = """
import os, sys, torch
from unified import files
from vision import checkpoint

class Stuck:
    def __init__(self, file): self.file = file
    def __enter__(self): return self
    def __exit__(self, *_): self.file.close()
    def write(self, content):
        self.file.write(content[: len(content) // 2]); self.file.flush()
        print("halfway", flush=True)
        sys.stdin.read()  # until it is killed

files.open = lambda *args: Stuck(open(*args))
torch.manual_seed(1)
checkpoint.save(sys.argv[1], torch.nn.Linear(50, 50))
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_killed_while_it_writes_leaves_the_old_checkpoint(tmp_path):
    old = nn.Linear(50, 50)
    path = save(tmp_path / "a.safetensors", old)
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(path)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"halfway\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 2  # the half-written file
    new = nn.Linear(50, 50)
    restore(new, load_checkpoint(path))
    assert same(old, new)
    save(path, new)
    assert os.listdir(tmp_path) == [path.name]  # the next checkpoint clears it away


@pytest.mark.parametrize("wrapper", [nn.DataParallel, torch.optim.swa_utils.AveragedModel])
def test_a_wrapped_model_is_saved_bare(tmp_path, wrapper):
    model = create_model("mgnet-16", steps=(1,))
    path = save(tmp_path / "m.safetensors", wrapper(model))
    loaded, _ = load_model(path)
    assert loaded.state_dict().keys() == model.state_dict().keys()


def test_an_average_is_the_model_and_both_come_back(tmp_path):
    model, average = tiny(seed=0), tiny(seed=1)
    path = save(tmp_path / "a.safetensors", model, average=average)
    loaded, other, kept = load_checkpoint(path), tiny(seed=2), tiny(seed=3)
    restore(other, loaded, average=kept)
    assert same(other, model)
    assert same(kept, average)
    restore(other, loaded)
    assert same(other, average)


def test_a_file_without_the_training_weights_is_refused(tmp_path):
    path = save(tmp_path / "a.safetensors", tiny())
    with pytest.raises(ArgumentError, match=r"checkpoint: got .*without 0\.weight"):
        restore(tiny(), load_checkpoint(path), average=tiny())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", None),
        ("model", {"options": {}}),
        ("model", {"name": "mgnet-16", "options": [1]}),
        ("data", 3),
        ("classes", "abc"),
        ("classes", [1, 2]),
        ("image", [1, 8]),
        ("image", [1, 8, "8"]),
        ("mean", []),
        ("std", [0.0]),
        ("epoch", "two"),
        ("config", []),
        ("history", {"epoch": 1}),
    ],
)
def test_a_forged_note_is_named_by_file_and_field(tmp_path, field, value):
    path = tmp_path / "a.safetensors"
    note = {"format": 2, "model": {"name": "mgnet-16"}, field: value}
    safetensors.torch.save_file({"x": torch.zeros(1)}, path, {"vcycle": json.dumps(note)})
    with pytest.raises(DataError, match=rf"a\.safetensors: {field}: got .*; expected .*; use another checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "resnet-0", "options": {}},
        {"name": "mgnet-16", "options": {"steps": "abc"}},
        {"name": "mgnet-16", "options": {"steps": [0]}},
        {"name": "mgnet-16", "options": {"colour": True}},
        {"name": "mgnet-16", "options": {"channels": None}},
    ],
)
def test_a_recipe_of_no_model_is_named_by_its_file(tmp_path, model):
    path = tmp_path / "a.safetensors"
    note = {"format": 2, "model": model}
    safetensors.torch.save_file({"x": torch.zeros(1)}, path, {"vcycle": json.dumps(note)})
    with pytest.raises(DataError, match=r"a\.safetensors: model: got .*of which no model can be made"):
        load_model(path)


def test_optimizer_state_of_another_kind_is_refused(tmp_path):
    model = tiny()
    adam = torch.optim.AdamW(model.parameters())
    step(model, adam)
    path = save(tmp_path / "a.safetensors", model, optimizer=adam)
    ours = sgd(model)
    step(model, ours)
    with pytest.raises(ArgumentError, match=r"checkpoint: got .*exp_avg.*for 0\.weight; expected momentum_buffer"):
        restore(model, load_checkpoint(path), optimizer=ours)


def test_the_first_format_still_gives_its_weights(tmp_path):
    model = create_model("mgnet-16", steps=(1,))
    tensors = {f"model.{name}": t for name, t in model.state_dict().items()}
    note = {"format": 1, "model": {"name": "mgnet-16", "options": {"steps": [1]}}}
    safetensors.torch.save_file(tensors, tmp_path / "a.safetensors", {"vcycle": json.dumps(note)})
    assert same(load_model(tmp_path / "a.safetensors")[0], model)
