"""Calibration follows from confidences and hits by its definition."""

import numpy as np
import pytest
import torch

from vision.calibration import brier_score, reliability
from vision.evaluate import score


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_the_error_is_that_of_its_definition_bin_by_bin(bins):
    rng = np.random.default_rng(0)
    confidence, hits = rng.random(1000), rng.random(1000) < 0.6
    found = reliability(torch.tensor(confidence), torch.tensor(hits), bins)
    error = 0.0
    for m in range(bins):
        inside = (confidence > m / bins) & (confidence <= (m + 1) / bins)
        assert found.count[m] == inside.sum()
        error += inside.mean() * abs(hits[inside].mean() - confidence[inside].mean())
    assert found.error == pytest.approx(error, rel=1e-12)


def test_bins_hold_their_upper_end():
    found = reliability(torch.tensor([0.5, 1.0, 0.0]), torch.tensor([True, True, False]), bins=2)
    assert found.count.tolist() == [2, 1]


def test_labels_drawn_from_the_predicted_probabilities_are_calibrated_and_sharper_ones_are_not():
    logits = 2 * torch.randn(20_000, 5)
    labels = torch.multinomial(logits.softmax(1), 1).squeeze(1)
    honest, bold = (score(scale * logits, labels, "abcde") for scale in (1, 3))
    assert honest.reliability.error < 0.015
    assert bold.reliability.error > 0.15
    assert bold.accuracy == honest.accuracy
    assert bold.loss > honest.loss
    assert bold.brier > honest.brier


def test_the_brier_score_is_the_squared_distance_to_the_label():
    probabilities = torch.randn(50, 4).double().softmax(1)
    labels = torch.randint(4, (50,))
    one_hot = torch.nn.functional.one_hot(labels, 4)
    assert brier_score(probabilities, labels) == pytest.approx(float((probabilities - one_hot).square().sum(1).mean()))
    assert brier_score(one_hot.double(), labels) == 0
