"""Calibration: is a model right as often as it says?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence and accuracy in M bins of equal width (Guo, Pleiss, Sun & Weinberger 2017, arXiv 1706.04599).

    The confidence is the probability of the predicted class. Bin m = 0..M-1 holds those in (m/M, (m+1)/M].
    """

    count: Tensor  # (M,) int64: the images in a bin
    confidence: Tensor  # (M,) float64, their mean; NaN where there is no image
    accuracy: Tensor  # (M,) float64, likewise

    @property
    def error(self) -> float:
        """The expected calibration error, their eq. 3: the mean of |accuracy - confidence|, weighted by images."""
        gaps = (self.accuracy - self.confidence).abs().nan_to_num()
        return float((gaps * self.count).sum() / self.count.sum())


def reliability(confidence: Tensor, hits: Tensor, bins: int = 15) -> Reliability:
    """Of confidences (N,) in [0, 1] and hits, bool (N,). 15 bins are those of Guo et al.

    >>> found = reliability(torch.tensor([0.9, 0.9, 0.6, 0.6]), torch.tensor([True, True, True, False]), bins=2)
    >>> found.count.tolist(), found.accuracy.tolist(), round(found.error, 3)
    ([0, 4], [nan, 0.75], 0.0)
    """
    index = ((confidence.double() * bins).ceil().long() - 1).clamp(0, bins - 1)
    count = torch.bincount(index, minlength=bins)
    sums = (torch.bincount(index, weights=values.double(), minlength=bins) for values in (confidence, hits))
    return Reliability(count, *(total / count for total in sums))


def brier_score(probabilities: Tensor, labels: Tensor) -> float:
    """Mean of Σ_k (p_k - [k is the label])², in [0, 2] (Brier 1950); probabilities (N, K), labels (N,)."""
    right = probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)
    return float((probabilities.square().sum(1) - 2 * right + 1).mean())
