"""Short runs on a part of the digits, for the tests of training."""

import json

import torch
from torch import nn

from vision.config import TrainConfig
from vision.data import load
from vision.train import fit

# the same on processors that multiply bfloat16 and on those that do not
QUICK = TrainConfig(epochs=3, batch_size=32, lr=0.05, precision="float32")


def some_digits():
    """200 training images, 20 of which are held out by default."""
    return load("digits").subset(200)


def net(seed=0, classes=10, channels=1, dropout=0.0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(128, classes),
    )


def run(model, data, config=QUICK, **kwargs):
    return fit(model, data, config, **{"progress": False, **kwargs})


class Interrupted(Exception):  # noqa: N818
    pass


def interrupt_after(epoch):
    """A callback that ends the run after an epoch."""

    def stop(record):
        if record["epoch"] == epoch:
            raise Interrupted

    return stop


def same(one, other):
    """Are the tensors of two models equal, bit for bit?"""
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def lines(folder):
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def descend(model, x, labels, *, lr, steps):
    """The losses of some steps of gradient descent on one batch."""
    optimizer = torch.optim.SGD(model.parameters(), lr, momentum=0.9)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses
