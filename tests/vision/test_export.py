"""What is exported answers as the model does, or does not get its name."""

import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

from unified.errors import ArgumentError, DataError
from vision import export as public
from vision.augment import normalise
from vision.checkpoint import load_checkpoint, load_model, recipe
from vision.export import export
from vision.models import create_model

META = {
    "classes": ["a", "b", "c"],
    "mean": [0.4, 0.5, 0.6],
    "std": [0.2, 0.25, 0.3],
    "image": [3, 8, 8],
    "data": "toy",
    "history": [{"epoch": 1, "seconds": 1.0}],
}
IMAGES = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def model(name="mgnet-16", **options):
    """With running statistics of its own, in training mode."""
    made = create_model(name, classes=3, **{"steps": (1, 2), **options})
    with torch.no_grad():
        made.train()(torch.randn(16, 3, 8, 8))
    return made


def logits(of):
    with torch.no_grad():
        return of.eval()(normalise(IMAGES, torch.tensor(META["mean"]), torch.tensor(META["std"])))


def test_the_weights_are_a_checkpoint_without_a_run(tmp_path):
    made = model()
    done = public(made, tmp_path / "a.safetensors", META)
    assert made.training
    assert done.difference == 0
    assert done.size == done.path.stat().st_size
    again, meta = load_model(tmp_path / "a.safetensors")
    assert torch.equal(logits(again), logits(made))
    assert meta["classes"] == META["classes"]
    assert "history" not in meta
    assert all(name.startswith("model.") for name in load_checkpoint(tmp_path / "a.safetensors").tensors)


def test_the_torch_program_takes_batches_of_bytes_and_says_what_it_is(tmp_path):
    made = model()
    done = export(made, tmp_path / "new" / "a.pt2", META)
    assert done.difference <= 1e-4
    files = {"vcycle.json": ""}
    program = torch.export.load(done.path, extra_files=files).module()
    note = json.loads(files["vcycle.json"])
    assert note["classes"] == META["classes"]
    assert note["input"] == "images: uint8 (batch, 3, 8, 8), RGB, 0 to 255"
    for n in (1, 5):
        torch.testing.assert_close(program(IMAGES[:n]), logits(made)[:n], rtol=0, atol=1e-5)


@pytest.mark.parametrize(("name", "options"), [("mgnet-16", {}), ("polymgnet-q2-quarter", {"channels": (32, 64)})])
def test_the_onnx_graph_gives_the_logits(tmp_path, name, options):
    onnxruntime = pytest.importorskip("onnxruntime")
    made = model(name, **options)
    done = export(made, tmp_path / "a.onnx", META)
    assert [path.name for path in tmp_path.iterdir()] == ["a.onnx"]
    session = onnxruntime.InferenceSession(done.path)
    assert json.loads(session.get_modelmeta().custom_metadata_map["vcycle"])["model"] == recipe(made)
    for n in (1, 5):
        (found,) = session.run(None, {"images": IMAGES[:n].numpy()})
        np.testing.assert_allclose(found, logits(made)[:n].numpy(), rtol=0, atol=1e-4)


class Half(nn.Module):
    """Logits of 100, but a half away where they are traced or read back."""

    recipe = None

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x):
        there = 100.5 if torch.compiler.is_exporting() else 100.0
        return x.mean((1, 2, 3)).unsqueeze(1) * 0 + self.weight * there * torch.ones(3)


def test_a_program_that_answers_otherwise_is_no_file_and_an_old_one_stays(tmp_path):
    for name in ("a.pt2", "old.pt2"):
        path = tmp_path / name
        if name == "old.pt2":
            path.write_text("old")
        with pytest.raises(DataError, match=r"\.pt2: got logits that differ by 5\.0e-03 .*; expected at most 1e-04"):
            export(Half(), path, META)
    assert [path.name for path in tmp_path.iterdir()] == ["old.pt2"]
    assert (tmp_path / "old.pt2").read_text() == "old"


def test_bad_input_is_named(tmp_path, monkeypatch):
    with pytest.raises(ArgumentError, match=r"path: got .*a\.pth'; expected a name in \.safetensors, \.pt2, \.onnx"):
        export(model(), tmp_path / "a.pth", META)
    with pytest.raises(ArgumentError, match="meta: got a note without mean, std"):
        export(model(), tmp_path / "a.pt2", {"classes": ["a"], "image": [3, 8, 8]})
    with pytest.raises(ArgumentError, match="model: got a Half without a recipe"):
        export(Half(), tmp_path / "a.safetensors", META)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="expected a folder to write to"):
        export(model(), tmp_path / "file" / "a.safetensors", META)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ArgumentError, match="expected the packages onnx, onnxscript and onnxruntime; pip install"):
        export(model(), tmp_path / "a.onnx", META)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
