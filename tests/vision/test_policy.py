"""Policies: which operations are drawn, how often and how strongly, and that the generator decides it."""

import numpy as np
import pytest
import torch

from vision import policy
from vision.operations import operate
from vision.policy import NAMES, POLICIES, Step, apply_policy, tabulate


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(*shape):
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=seeded())


def rows(table):
    """What a policy does, readable."""
    return [
        [
            (NAMES[k], round(float(v), 4), bool(s), round(float(c), 4))
            for k, v, s, c in zip(*(column[row] for column in table), strict=True)
        ]
        for row in range(len(table.value))
    ]


@pytest.fixture
def calls(monkeypatch):
    """(operation, value) of every image that an operation is done to."""
    seen = []

    def noted(name, images, value, fill):
        seen.extend((name, v) for v in value.tolist())
        return operate(name, images, value, fill)

    monkeypatch.setattr(policy, "operate", noted)
    return seen


def test_trivial_augment_has_14_operations_of_31_strengths_between_its_ends():
    found = rows(POLICIES["trivial"])
    assert len(found) == 14 * 31
    ends = {row[0][0]: (found[31 * i][0][1], found[31 * i + 30][0][1]) for i, row in enumerate(found[::31])}
    assert ends == {
        "identity": (0, 0),
        "autocontrast": (0, 0),
        "equalise": (0, 0),
        "rotate": (0, 135),
        "solarise": (256, 0),
        "colour": (0.01, 2),
        "posterise": (8, 2),
        "contrast": (0.01, 2),
        "brightness": (0.01, 2),
        "sharpness": (0.01, 2),
        "shear_x": (0, 0.99),
        "shear_y": (0, 0.99),
        "translate_x": (0, 32),
        "translate_y": (0, 32),
    }
    assert {row[0][0] for row in found if row[0][2]} == {n for n in NAMES if n.startswith(("rot", "shear", "trans"))}
    assert all(row[0][3] == 1 for row in found)


def test_autoaugment_is_the_published_table():
    found = rows(POLICIES["autoaugment"])
    assert len(found) == 25
    assert found[1] == [("rotate", 6, True, 0.7), ("translate_x", 9, True, 0.3)]
    assert found[3] == [("shear_y", 0.24, True, 0.5), ("translate_y", 9, True, 0.7)]
    assert found[5] == [("shear_y", 0.21, True, 0.2), ("posterise", 2, False, 0.3)]
    assert found[7] == [("sharpness", 1.72, False, 0.3), ("brightness", 1.72, False, 0.7)]
    assert found[14] == [("solarise", 205, False, 0.5), ("invert", 0, False, 0)]
    assert found[24] == [("translate_y", 9, True, 0.7), ("autocontrast", 0, False, 0.9)]


def test_every_operation_is_equally_likely_and_both_signs_are(calls):
    n = 14_000
    apply_policy(POLICIES["trivial"], random_images(n, 1, 4, 4), 0, seeded())
    names, counts = np.unique([name for name, _ in calls], return_counts=True)
    assert len(names) == 13  # the identity is not called
    np.testing.assert_allclose(counts, n / 14, rtol=0.16)  # 5 standard deviations
    turns = np.array([value for name, value in calls if name == "rotate" and value])
    assert abs((turns > 0).mean() - 0.5) < 0.08
    assert set(np.abs(turns)) == {int(4.5 * k) for k in range(1, 31)}


def test_a_step_is_done_as_often_as_its_chance_says(calls):
    table = tabulate([(Step("invert", chance=0.25), Step("solarise", 3, chance=0.0))])
    images = random_images(10_000, 1, 2, 2)
    out = apply_policy(table, images, 0, seeded())
    assert {name for name, _ in calls} == {"invert"}
    inverted = (out == 255 - images).flatten(1).all(1)
    assert torch.equal(out[~inverted], images[~inverted])
    assert abs(inverted.float().mean().item() - 0.25) < 0.02


def test_the_steps_of_a_row_follow_each_other():
    images = random_images(5, 3, 8, 8)
    out = apply_policy(tabulate([(Step("posterise", 2), Step("invert"))]), images, 0, seeded())
    assert torch.equal(out, 255 - (images & 0b11000000))


def test_what_lies_outside_is_filled():
    out = apply_policy(tabulate([(Step("translate_x", 2),)]), random_images(3, 3, 8, 8), 128, seeded())
    assert (out[..., 6:] == 128).all()


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_generator_decides_everything(name, channels):
    images = random_images(64, channels, 8, 9)
    copy = images.clone()
    first, same, other = (apply_policy(POLICIES[name], images, 0, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(images, copy)
    assert first.shape == images.shape
    assert first.dtype == torch.uint8
