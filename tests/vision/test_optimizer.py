"""Optimizers: which parameters decay, that they do what their formulas say, and the average of the weights."""

import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.vision.runs import QUICK, net, run, same, some_digits
from vision.average import Average
from vision.optimizer import make_optimizer, set_rate


@pytest.fixture(scope="module")
def digits():
    return some_digits()


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_weight_decay_spares_normalisations_biases_and_roots(name):
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 3))
    model.root, model.roots = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(4, 1, 1))
    model.frozen = nn.Parameter(torch.ones(3, 3), requires_grad=False)
    decayed, spared = make_optimizer(model, replace(QUICK, optimizer=name)).param_groups
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight), id(model[2].weight)]
    assert decayed["weight_decay"] == QUICK.weight_decay
    assert spared["weight_decay"] == 0
    assert len(spared["params"]) == 6


def formula(config, w, gradients, decay):
    """The weights after one step a gradient: SGD with momentum, or AdamW (Loshchilov & Hutter, algorithm 2)."""
    m, v = torch.zeros_like(w), torch.zeros_like(w)
    for t, g in enumerate(gradients, 1):
        if config.optimizer == "sgd":
            g = g + decay * w
            m = config.momentum * m + g
            w = w - config.lr * (g + config.momentum * m if config.nesterov else m)
        else:
            m = config.momentum * m + (1 - config.momentum) * g
            v = config.beta2 * v + (1 - config.beta2) * g**2
            ratio = m / (1 - config.momentum**t) / ((v / (1 - config.beta2**t)).sqrt() + 1e-8)
            w = w - config.lr * (ratio + decay * w)
    return w


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("changed", [{}, {"nesterov": False}, {"momentum": 0.0}, {"optimizer": "adamw", "beta2": 0.9}])
def test_a_step_is_the_formula(changed, layout):
    config = replace(QUICK, weight_decay=0.1, **changed)
    model = nn.Conv2d(3, 4, 3).double().to(memory_format=layout)
    optimizer = make_optimizer(model, config)
    set_rate(optimizer, config.lr)
    gradients = {name: [torch.randn_like(p) for _ in range(3)] for name, p in model.named_parameters()}
    expected = {
        name: formula(config, p.detach().clone(), gradients[name], 0.1 if name == "weight" else 0.0)
        for name, p in model.named_parameters()
    }
    for t in range(3):
        for name, p in model.named_parameters():
            p.grad = gradients[name][t].clone()
        optimizer.step()
    for name, p in model.named_parameters():
        torch.testing.assert_close(p.detach(), expected[name], rtol=1e-12, atol=1e-12)


def test_a_parameter_without_a_gradient_stays(digits):
    model = net()
    model.idle = nn.Parameter(torch.ones(3))
    assert torch.equal(run(model, digits).model.idle, torch.ones(3))


def test_the_average_forgets_by_its_decay_and_slowly_at_first():
    model, decay = nn.BatchNorm1d(1, affine=False).double(), 0.8
    average, expected = Average(model, decay), 0.0
    for step in range(1, 40):
        model.running_mean.fill_(math.sin(step))
        model.num_batches_tracked.fill_(step)
        average.update(step)
        d = min(decay, (1 + step) / (10 + step))
        expected = d * expected + (1 - d) * math.sin(step)
    assert float(average.model.running_mean) == pytest.approx(expected, abs=1e-12)
    assert int(average.model.num_batches_tracked) == 39


def test_the_average_is_the_result(digits):
    plain, averaged = run(net(), digits), run(net(), digits, replace(QUICK, ema=0.9))
    assert not same(plain.model, averaged.model)
    assert [r["loss"] for r in plain.history] == [r["loss"] for r in averaged.history]  # it does not feed back
    assert all(p.requires_grad for p in averaged.model.parameters())


def test_tied_weights_are_averaged_once_a_step():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    model[1].weight = model[0].weight
    start = model[0].weight.detach().clone()
    average = Average(model, 0.5)
    model[0].weight.data += 1
    average.update(100)
    torch.testing.assert_close(average.model[0].weight, start + 0.5)
    assert average.model[1].weight is average.model[0].weight
