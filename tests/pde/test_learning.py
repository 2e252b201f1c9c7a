"""Learned roots: better than where they began, on other sizes too, the same by seed, and plain numbers in the end."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import pde
from pde.learning import Training, asymptotic_factor, reductions
from pde.polynomials import roots_of
from unified import ArgumentError, DataError, polynomial

FULL = {"coarsening": "full"}
QUICK = {"cycles": 6, "samples": 2, "steps": 6, "levels": 2}


def anisotropic(n, **options):
    return pde.Poisson((n, n), a=(1.0, 2.0), **options)


@pytest.fixture(scope="module", autouse=True)
def two_intervals():
    """Fewer classical choices to compare with: they cost more than so little training."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pde.learning.LOWER_ENDS", (0.1, 0.2))
        yield


@pytest.fixture(scope="module")
def learned(two_intervals):
    return pde.learn(anisotropic(15), degree=2, seed=1, **QUICK, **FULL)


def factor(problem, smoother, **options):
    return asymptotic_factor(pde.multigrid(problem, smoother=smoother, **options))


def test_training_lowers_the_factor_and_keeps_it_on_a_larger_grid(learned):
    assert learned.after[0] < learned.before[0] - 0.01  # and that is the best classical polynomial
    for n in (15, 31):
        assert factor(anisotropic(n), learned, **FULL) < factor(anisotropic(n), "chebyshev4", **FULL) - 0.02


def test_the_solver_takes_it_for_other_right_hand_sides(learned):
    problem = anisotropic(31)
    f = torch.randn(31, 31, dtype=torch.float64)
    for method in ("mg", "pcg", "fmg"):
        few = pde.solve(problem, f, method=method, smoother=learned, **FULL)
        many = pde.solve(problem, f, method=method, smoother="chebyshev4", **FULL)
        assert few.result.ok
        assert few.cycles <= many.cycles


def test_the_cycle_is_symmetric(learned):
    mg = pde.multigrid(anisotropic(15), smoother=learned, **FULL)
    assert mg.symmetric
    x, y = torch.randn(2, 1, 1, 15, 15, dtype=torch.float64)
    torch.testing.assert_close((x * mg(y)).sum(), (y * mg(x)).sum())


def test_it_is_the_same_by_seed_and_leaves_the_global_generator():
    state = torch.get_rng_state()
    one, same, other = (pde.learn(pde.Poisson((7, 7)), cycles=2, steps=1, seed=seed) for seed in (1, 1, 2))
    assert dataclasses.replace(one, seconds=0) == dataclasses.replace(same, seconds=0)
    assert torch.equal(torch.get_rng_state(), state)
    assert one.losses != other.losses


def test_it_is_the_same_when_read_back(learned, tmp_path):
    some = dataclasses.replace(learned, roots=((0.2, 0.3 + 0.1j, 0.3 - 0.1j), *learned.roots))
    for one in (learned, some):
        one.save(tmp_path / "roots.json")
        assert pde.Learned.load(tmp_path / "roots.json") == one


def test_it_is_a_table_of_roots(learned):
    assert len(learned) == len(learned.roots)
    assert "roots relative to λmax" in str(learned)
    mg = pde.multigrid(anisotropic(15), smoother=learned.roots, **FULL)
    assert not list(mg.parameters())


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_gradients_reach_every_root_of_every_level(degree):
    start = [tuple(0.3 + 0.2 * i + 0.01 * level for i in range(degree)) for level in range(3)]
    training = Training(start, 3)
    mg = pde.multigrid(pde.Poisson((31, 31)), smoother=training.smoothers)
    u = torch.randn(1, 1, 31, 31, dtype=torch.float64)
    torch.stack(list(reductions(mg, u, 2))).mean().backward()
    assert len(training.parameters) == 3 * degree
    assert all(x.grad is not None and x.grad != 0 for x in training.parameters)


def test_training_runs_the_smoother_that_comes_out():
    roots = [(0.3, 0.8), (0.4 - 0.1j, 0.4 + 0.1j)]
    problem = pde.Poisson((15, 15), a=torch.rand(16, 16, dtype=torch.float64) + 0.1)
    f = torch.randn(1, 1, 15, 15, dtype=torch.float64)
    with torch.no_grad():
        u, v = (pde.multigrid(problem, smoother=s)(f) for s in (roots, Training(roots, 3).smoothers))
    torch.testing.assert_close(u, v, rtol=1e-6, atol=1e-6 * float(u.abs().max()))


def test_the_gradient_is_that_of_finite_differences():
    start = [(0.35, 0.9)]

    def loss(smoothers):
        mg = pde.multigrid(pde.Poisson((7, 7)), smoother=smoothers, coarsest=1)
        u = torch.ones(1, 1, 7, 7, dtype=torch.float64).cumsum(-1).cos()
        return torch.stack(list(reductions(mg, u, 3))).mean()

    training = Training(start, 1)
    loss(training.smoothers).backward()
    for c in training.parameters:
        values = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                c += step
                values.append(float(loss(training.smoothers)))
                c -= step
        assert float(c.grad) == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5)


def test_it_is_never_worse_than_the_start():
    strong = pde.Poisson((15, 15), a=(1.0, 100.0))  # trained is for another problem
    learned = pde.learn(pde.Poisson((7, 7)), start=[0.06, 0.85], validation=strong, steps=2, cycles=1, **FULL)
    assert learned.after <= learned.before
    assert learned.after[0] == pytest.approx(factor(strong, learned, **FULL), rel=0.02)


def test_steps_too_far_end_at_the_start(monkeypatch):
    monkeypatch.setattr(
        "pde.learning.reductions", lambda mg, u, n: iter([torch.full((1,), torch.nan) for _ in range(n)])
    )
    monkeypatch.setattr("pde.learning.asymptotic_factor", lambda mg, u: 0.5)
    learned = pde.learn(pde.Poisson((7, 7)), start=[0.3, 0.8])
    assert learned.roots == ((pytest.approx(0.3), pytest.approx(0.8)),)
    assert learned.losses == ()


@pytest.mark.parametrize(
    "family",
    [
        [pde.Poisson((7, 7)), pde.Poisson((15,))],
        pde.Poisson((7, 7), a=torch.linspace(1, 9, 128, dtype=torch.float64).reshape(2, 8, 8)),
        pde.Poisson((9, 9), "neumann"),
        pde.Poisson((16,), "periodic", c=1.0),
        pytest.param(pde.Poisson((7, 7, 7)), marks=pytest.mark.slow),
        pde.Poisson((7, 7), dtype=torch.float32),
    ],
    ids=["sizes", "fields", "singular", "1-D", "3-D", "float32"],
)
def test_families(family):
    learned = pde.learn(family, degree=1, cycles=2, samples=1, steps=2)
    assert all(0 < after <= before for after, before in zip(learned.after, learned.before, strict=True))


def test_conjugate_pairs_are_trained_too():
    start = [0.5, 0.6 + 0.2j, 0.6 - 0.2j]
    training = Training([tuple(start)], 1)
    assert len(training.parameters) == 3
    mg = pde.multigrid(pde.Poisson((7, 7)), smoother=training.smoothers, coarsest=1)
    (roots,) = training.run([mg], [torch.randn(1, 1, 7, 7, dtype=torch.float64)], 2, 2)
    assert len(roots) == 3
    assert training.losses[-1] < training.losses[0]


def test_a_learned_one_is_a_start(learned):
    more = pde.learn(pde.Poisson((7, 7)), start=learned, cycles=1, steps=1)
    assert len(more[0]) == 2


def test_an_error_is_measured_without_its_constant():
    problem = pde.Poisson((9, 9), "neumann")
    u = torch.randn(1, 1, 9, 9, dtype=torch.float64)
    mg = pde.multigrid(problem)
    assert asymptotic_factor(mg, u) == pytest.approx(asymptotic_factor(mg, u + 100), rel=1e-6)


@pytest.mark.parametrize("kind", ["function", "names", "roots", "nonlinear"])
def test_each_level_may_have_its_own_smoother(kind):
    problem = pde.Poisson((15, 15), g=(lambda u: u**3) if kind == "nonlinear" else None)
    smoother = {
        "function": [lambda A: polynomial([A.radius]), [0.5, 0.9]],
        "names": ["chebyshev4", "jacobi"],
        "roots": [[0.6], [0.5, 0.9]],
        "nonlinear": [[0.6], [0.5, 0.9]],
    }[kind]
    mg = pde.multigrid(problem, smoother=smoother)
    assert pde.solve(problem, problem.zeros() + 1, mg=mg, max_cycles=100).result.ok
    if kind == "roots":
        counts = [len(roots_of(level.pre_smoother)) for level in mg.levels]
        assert counts == [1, 2, 2]


def test_gauss_seidel_on_some_level_makes_the_cycle_unsymmetric():
    assert not pde.multigrid(pde.Poisson((15, 15)), smoother=["redblack", "jacobi"]).symmetric


def test_full_coarsening_is_of_every_axis():
    shapes = [grid.shape for grid in pde.multigrid(anisotropic(15), **FULL).grids]
    assert shapes == [(15, 15), (7, 7), (3, 3)]
    assert [grid.shape for grid in pde.multigrid(anisotropic(15)).grids][1] == (15, 7)


CASES = {
    "problems": ("a Poisson, or a list", lambda: pde.learn((7, 7))),
    "problems, none": ("a Poisson, or a list", lambda: pde.learn([])),
    "problems, tiny": ("two levels", lambda: pde.learn(pde.Poisson((3, 3)))),
    "problems, nonlinear": ("linear ones; .*linearised", lambda: pde.learn(pde.Poisson((7, 7), g=torch.sin))),
    "validation": ("a Poisson, or a list", lambda: pde.learn(pde.Poisson((7, 7)), validation=3)),
    "degree": (">= 1", lambda: pde.learn(pde.Poisson((7, 7)), degree=0)),
    "levels": (">= 1; use levels=3", lambda: pde.learn(pde.Poisson((7, 7)), levels=0)),
    "cycles": (">= 1", lambda: pde.learn(pde.Poisson((7, 7)), cycles=0)),
    "steps": (">= 1", lambda: pde.learn(pde.Poisson((7, 7)), steps=0)),
    "seed": (">= 0", lambda: pde.learn(pde.Poisson((7, 7)), seed=-1)),
    "start": ("one of chebyshev4", lambda: pde.learn(pde.Poisson((7, 7)), start="redblack")),
    "roots": ("conjugate pairs", lambda: pde.learn(pde.Poisson((7, 7)), start=[1j])),
    "smoother": ("it is learned", lambda: pde.learn(pde.Poisson((7, 7)), smoother="jacobi")),
    "coarsening": ("one of auto, strong, full", lambda: pde.multigrid(pde.Poisson((7, 7)), coarsening="none")),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input(name):
    expected, call = CASES[name]
    with pytest.raises(ArgumentError, match=rf"^{name.split(',')[0]}: got .*; expected .*{expected}"):
        call()


def test_a_file_is_written_with_its_folder_or_named(tmp_path):
    learned = pde.Learned(((1.0, 2.0),), (0.2,), (0.1,))
    learned.save(tmp_path / "new" / "a.json")
    assert pde.Learned.load(tmp_path / "new" / "a.json") == learned
    with pytest.raises(DataError, match=r"a\.json"):
        learned.save(tmp_path / "new" / "a.json" / "b.json")


@pytest.mark.parametrize("text", ["", "[]", '{"roots": [["a"]]}', '{"roots": [[1.0]]}'])
def test_another_file_is_told(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ArgumentError, match=r"path: got .*; expected a file that Learned\.save wrote"):
        pde.Learned.load(tmp_path / "a.json")


@pytest.mark.slow
def test_each_level_its_own_roots_beat_the_best_set_for_all():
    learned = pde.learn(pde.Poisson((63, 63)), degree=2)
    assert factor(pde.Poisson((127, 127)), learned) < 0.13  # the best chebyshev1, lo = 0.2, leaves 0.146


@pytest.mark.slow
def test_the_benchmark_runs():
    script = Path(__file__).parents[2] / "docs" / "benchmarks" / "learned.py"
    done = subprocess.run([sys.executable, script, "--quick"], capture_output=True, text=True, check=True)
    assert "'learned'" in done.stdout
