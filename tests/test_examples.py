"""The examples compute, on toy sizes, what they say; their page is made from their records."""

import importlib
import math
from functools import partial
from pathlib import Path

import pytest
import torch

import vision

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def example(monkeypatch):
    for folder in ("benchmarks", "examples"):
        monkeypatch.syspath_prepend(DOCS / folder)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # small convolutions lose by more
    yield importlib.import_module
    torch.set_num_threads(threads)


def test_a_network_and_total_variation_take_noise_from_a_photograph(example, monkeypatch):
    denoising, filters = example("denoising"), example("filters")
    monkeypatch.setattr(denoising, "FILTERS", {"total variation": (partial(filters.total_variation, steps=3), (1.0,))})
    monkeypatch.setattr(
        denoising, "NETWORKS", {"dense_mgnet": lambda: vision.dense_mgnet((1, 1), 16, in_channels=4, classes=3)}
    )
    monkeypatch.setattr(denoising, "RATES", (1e-6, 2e-2))
    flower = denoising.photographs()[1]
    test = flower[:, 160:208, 280:328].contiguous()
    found = denoising.main(flower, flower[:, 240:265, 280:305], test, steps=60, crop=24)
    noisy = found.psnr["noisy"]
    for level in denoising.JUDGED:
        expected = -20 * math.log10(level / 255)
        assert expected < noisy[level] < expected + 3  # what is clipped is less
        assert found.psnr["total variation"][level] > noisy[level] + 2.5
        assert found.psnr["dense_mgnet"][level] > noisy[level] + 1.5
    method = found.record["methods"]["dense_mgnet"]
    assert (method["steps"], method["rate"]) == (60, 2e-2)
    assert method["rates"][1e-6]["seen"] < method["rates"][2e-2]["seen"] == method["seen"]


def test_total_variation_keeps_an_edge_that_a_gaussian_blurs(example):
    filters = example("filters")
    clean = torch.zeros(3, 33, 40, dtype=torch.float64)
    clean[:, :, 20:] = 1
    kept = filters.total_variation(clean, 0.1, 1.0)
    blurred = filters.gaussian(clean, 0.1, 1.0)
    assert float((kept - clean).abs().max()) < 0.5 * float((blurred - clean).abs().max())
    assert float(kept.mean()) == pytest.approx(0.5, abs=1e-3)  # Neumann sides: nothing leaves


def test_a_solution_operator_learns_and_loses_to_the_cycle(example):
    learned, problems, judge = (example(name) for name in ("learned_operator", "random_problems", "solution_operator"))
    torch.manual_seed(0)
    operator = learned.SolutionOperator(vision.dense_mgnet((1, 1), 16, in_channels=2))
    learned.train(operator, problems.Family(), 7, steps=60, seed=0, rate=1e-2)
    batch = problems.draw(problems.Family(), 8, 7, torch.Generator().manual_seed(1), rtol=1e-11)
    with torch.no_grad():
        found = judge.measured(operator, judge.Classical(batch))
        u = operator(batch.f, batch.a)
        scaled = operator(3 * batch.f, 5 * batch.a)
    assert float((scaled - 3 / 5 * u).norm() / u.norm()) < 1e-5  # float32 inside
    assert found["network"]["error"] < 0.75
    assert found["V"]["error"] < 0.08
    assert found["fmg"]["error"] < 0.01
    assert found["equal cost"]["bought"] > 50
    assert found["equal cost"]["error"] < 1e-8


def test_problems_are_as_stated(example):
    problems = example("random_problems")
    family = problems.Family(spread=0.5, load=None)
    batch = problems.draw(family, 200, 15, torch.Generator().manual_seed(0))
    assert float(batch.a.log().square().mean().sqrt()) == pytest.approx(0.5, rel=0.05)
    A = batch.problem.operator()
    assert float((batch.f - A(batch.u)).norm() / batch.f.norm()) < 1e-7
    finer = problems.draw(problems.Family(), 2, 31, torch.Generator().manual_seed(3)).f
    coarse = problems.draw(problems.Family(), 2, 15, torch.Generator().manual_seed(3)).f
    assert torch.allclose(finer[..., 1::2, 1::2], coarse)  # the same functions on both grids


def test_the_page_is_made_from_the_records(example):
    assert (DOCS / "examples" / "README.md").read_text(encoding="utf-8") == example("page").page()
