"""CUDA graphs: a replayed step is the step, also after an interruption."""

from dataclasses import replace

import pytest
import torch

from tests.vision.runs import QUICK, Interrupted, interrupt_after, net, run, same, some_digits
from unified.errors import ArgumentError
from vision.augmentation import Augmentation


@pytest.fixture(scope="module")
def digits():
    return some_digits()


def test_graphs_need_a_cuda_device(digits):
    with pytest.raises(ArgumentError, match="cuda_graphs: got True on cpu"):
        run(net(), digits, replace(QUICK, cuda_graphs=True, device="cpu"))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("changed", [{}, {"optimizer": "adamw", "lr": 0.002, "clip_norm": 1.0}])
def test_a_replayed_run_is_the_run(digits, changed, precision):
    config = replace(QUICK, device="cuda", precision=precision, augmentation=Augmentation(mixup=0.2), **changed)
    plain, graphed = (run(net(), digits, replace(config, cuda_graphs=on)) for on in (False, True))
    losses = [torch.tensor([record["loss"] for record in result.history]) for result in (plain, graphed)]
    torch.testing.assert_close(losses[1], losses[0], rtol=2e-2 if precision == "bfloat16" else 1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_resumed_replayed_run_is_the_uninterrupted_one(digits, tmp_path, optimizer):
    config = replace(QUICK, device="cuda", cuda_graphs=True, ema=0.9, optimizer=optimizer)
    whole = run(net(dropout=0.3), digits, config)
    with pytest.raises(Interrupted):
        run(net(dropout=0.3), digits, config, folder=tmp_path, callback=interrupt_after(2))
    assert same(whole.model, run(net(dropout=0.3), digits, config, folder=tmp_path, resume=True).model)
