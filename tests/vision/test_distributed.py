"""Data-parallel training: two processes compute what one does, and one of them writes."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.vision.runs import QUICK, lines, net, some_digits
from unified.errors import ArgumentError
from vision.distributed import Group
from vision.fitness import check_fit

# Runs in each process, and in a single one for comparison. Prints what the test compares.
SCRIPT = """
import json, sys
from dataclasses import replace
import torch
from torch import nn
from tests.vision.runs import QUICK, Interrupted, interrupt_after, net, run, some_digits
from vision.augmentation import Augmentation
from vision.distributed import rank

folder, data = sys.argv[1], some_digits()
config = replace(QUICK, device="cpu", ema=0.9, clip_norm=1.0, augmentation=Augmentation(mixup=0.2))

def plain():
    torch.manual_seed(rank())  # the first process's weights are everybody's
    return nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))

class Unused(nn.Module):
    "Has weights that nothing reads, as a coarsest A of one step."
    def __init__(self):
        super().__init__()
        self.inner, self.other = plain(), nn.Linear(3, 3)
    def forward(self, x):
        return self.inner(x)

whole = run(plain(), data, config, folder=f"{folder}/whole")
try:
    run(plain(), data, config, folder=f"{folder}/cut", callback=interrupt_after(2))
except Interrupted:
    pass
resumed = run(plain(), data, config, folder=f"{folder}/cut", resume=True)
normalised = run(net(dropout=0.1), data, replace(QUICK, device="cpu", ema=0.9))
torch.manual_seed(0)
run(Unused(), data, replace(QUICK, device="cpu", epochs=1))

def numbers(model):
    return torch.cat([t.double().flatten() for t in model.state_dict().values()]).tolist()

report = {
    "losses": [[r["loss"], r["accuracy"], r["valid_loss"]] for r in whole.history],
    "test": [whole.test_accuracy, whole.best_epoch],
    "whole": numbers(whole.model), "resumed": numbers(resumed.model), "normalised": numbers(normalised.model),
    "seen": [[r["valid_accuracy"], r["valid_loss"]] for r in normalised.history],
}
with open(f"{folder}/{rank()}.json", "w") as file:
    json.dump(report, file)
"""


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """{1: of a single process, 2: of two, by rank}, and the folder of the two."""
    root, folder = Path(__file__).resolve().parents[2], tmp_path_factory.mktemp("processes")
    alone, together = folder / "1", folder / "2"
    for each in (alone, together):
        each.mkdir()
    script = folder / "script.py"
    script.write_text(SCRIPT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [str(script), str(alone)])
        runpy.run_path(str(script))
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [sys.executable, *torchrun, str(script), str(together)],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    files = {1: [alone / "0.json"], 2: [together / "0.json", together / "1.json"]}
    return {size: [json.loads(file.read_text()) for file in of] for size, of in files.items()}, together


def test_two_processes_compute_what_one_does(reports):
    (single,), (first, second) = reports[0][1], reports[0][2]
    torch.testing.assert_close(torch.tensor(first["losses"]), torch.tensor(single["losses"]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(torch.tensor(first["whole"]), torch.tensor(single["whole"]), rtol=1e-3, atol=1e-4)
    assert first["test"] == second["test"] == single["test"]


def test_the_processes_end_with_the_same_model(reports):
    first, second = reports[0][2]
    assert first["whole"] == second["whole"]
    assert first["normalised"] == second["normalised"]  # the first one's running statistics, and their average
    assert first["seen"] == second["seen"]  # else they would choose different epochs


def test_two_processes_resume_exactly(reports):
    for report in reports[0][2]:
        assert report["resumed"] == report["whole"]


def test_one_process_writes(reports):
    events = [line["event"] for line in lines(reports[1] / "cut")]
    assert events == ["start", "epoch", "epoch", "resume", "epoch", "end"]


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(ArgumentError, match="batch_size: got 32; expected a multiple of the 3 processes"):
        check_fit(net(), some_digits(), QUICK, Group(torch.device("cpu"), 0, 3))


def test_shares_make_up_the_batch():
    batch = torch.arange(12)
    shares = [Group(torch.device("cpu"), rank, 3).share(batch) for rank in range(3)]
    assert torch.cat(shares).sort().values.tolist() == batch.tolist()
    assert [len(share) for share in shares] == [4, 4, 4]
