"""The plots show the numbers that they are of."""

import io

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from vision.comparison import ComparedRun, Comparison
from vision.evaluate import score
from vision.plots import plot_comparison, plot_comparisons, plot_confusion, plot_reliability


def evaluation(k, n=500):
    labels = torch.randint(k, (n,))
    return score(
        torch.randn(n, k) + 3 * torch.nn.functional.one_hot(labels, k), labels, [f"class {i}" for i in range(k)]
    )


def comparison():
    models = {
        name: {"weights": w, "multiply_adds": 100 * w} for name, w in (("small", 1e4), ("large", 1e6), ("bad", 1))
    }
    runs = [ComparedRun("bad", seed, "", diverged="in epoch 1") for seed in (0, 1)]
    for name, accuracy in (("small", 0.8), ("large", 0.9)):
        for seed in (0, 1):
            found = {"test_accuracy": accuracy + seed / 100, "seconds": 1.0, "images_per_second": 10.0}
            runs.append(ComparedRun(name, seed, "", **found))
    return Comparison({}, models, runs)


def test_given_axes_are_used_and_no_style_is_changed():
    before = dict(mpl.rcParams)
    found = evaluation(3)
    plots = ((plot_confusion, found), (plot_reliability, found.reliability), (plot_comparison, comparison()))
    for plot, thing in plots:
        ax = Figure().subplots()
        assert plot(thing, ax=ax) is ax
        plot(thing).figure.savefig(io.BytesIO())
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("k", [3, 100, 300])
def test_the_matrix_shows_shares_and_names_and_counts_where_there_is_room(k):
    found = evaluation(k)
    ax = plot_confusion(found)
    (image,) = ax.get_images()
    shares = found.confusion / found.confusion.sum(1, keepdim=True).clamp(min=1)
    np.testing.assert_allclose(image.get_array(), shares)
    counts = sorted(int(text.get_text()) for text in ax.texts)
    assert counts == (sorted(n for n in found.confusion.flatten().tolist() if n) if k == 3 else [])
    named = [label.get_text() for label in ax.get_yticklabels()]
    assert named == [f"class {i}" for i in range(0, k, 2 if k == 300 else 1)]


def test_the_bars_are_the_accuracy_of_each_bin():
    found = evaluation(4).reliability
    ax = plot_reliability(found)
    heights = [bar.get_height() for bar in ax.patches[:15]]
    np.testing.assert_allclose(heights, found.accuracy)
    assert f"{found.error:.2%}" in ax.get_title(loc="left")


def test_points_stand_at_the_means_with_their_names_and_a_diverged_model_is_named():
    figure = plot_comparisons(comparison())
    for ax, scale in zip(figure.axes, (1, 100), strict=True):
        points = [line.get_xydata()[0] for line in ax.get_lines() if line.get_marker() == "o"]
        np.testing.assert_allclose(points, [(1e4 * scale, 80.5), (1e6 * scale, 90.5)])
        boxes = [note.get_window_extent() for note in ax.texts]
        assert [note.get_text() for note in ax.texts] == ["small", "large"]
        assert boxes[0].count_overlaps(boxes[1:]) == 0
        assert ax.get_xscale() == "log"
    assert figure.axes[0].get_title(loc="left") == "diverged: bad"
