"""Callback, progress bar and seconds of `solve`."""

import re
import subprocess
import sys
import time

import pytest
import torch

import pde
from pde.watch import share
from unified import ArgumentError, Result

METHODS = ["fmg", "mg", "pcg"]


@pytest.fixture
def problem():
    return pde.Poisson((31, 15))


@pytest.fixture
def f():
    return torch.randn(2, 31, 15, dtype=torch.float64)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_told_of_every_iterate(problem, f, method):
    told = []
    solution = pde.solve(problem, f, method=method, callback=told.append)
    assert [it.cycle for it in told] == list(range(solution.cycles + 1))
    assert tuple(it.residual for it in told) == solution.residuals
    assert all(it.u.shape == f.shape for it in told)
    assert torch.equal(told[-1].u, solution.u)
    assert torch.equal(solution.u, pde.solve(problem, f, method=method).u)  # to be watched changes nothing


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("last", [0, 2])
def test_a_true_value_stops_there(problem, f, method, last):
    told = []

    def callback(it):
        told.append(it)
        return it.cycle == last

    solution = pde.solve(problem, f, method=method, callback=callback)
    assert solution.result is Result.stopped
    assert not solution.result.ok
    assert solution.cycles == last == len(told) - 1
    assert torch.equal(solution.u, told[-1].u)
    assert str(solution).endswith(Result.stopped.value)
    r = f - problem.operator()(solution.u[:, None])[:, 0]
    assert (r.flatten(1).norm(dim=1) / f.flatten(1).norm(dim=1)).max().item() == pytest.approx(solution.residuals[-1])


def test_the_solvers_own_reason_comes_first(problem, f):
    assert pde.solve(problem, f, callback=lambda it: it.residual <= 1e-8).result is Result.converged


def test_an_exception_passes_through(problem, f, capsys):
    error = KeyError("mine")

    def callback(it):
        if it.cycle == 1:
            raise error

    with pytest.raises(KeyError) as caught:
        pde.solve(problem, f, method="mg", callback=callback, progress="always")
    assert caught.value is error
    assert "1 cycle, residual" in capsys.readouterr().err  # the bar is closed with what it last knew


def test_gradients_are_not_disturbed(problem, f):
    f.requires_grad_()
    told = []
    pde.solve(problem, f, callback=told.append).u.sum().backward()
    watched, f.grad = f.grad, None
    pde.solve(problem, f).u.sum().backward()
    assert torch.equal(watched, f.grad)
    assert not any(it.u.requires_grad for it in told)


def test_the_bar(problem, f, capsys):
    solution = pde.solve(problem, f, progress="always")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("\r  0% |")
    end = err.rstrip().split("\r")[-1]
    text = f"{solution.cycles} cycles, residual {solution.residuals[-1]:.1e}, rate {solution.rate:.3f} ["
    assert end.startswith("100% |")
    assert text in end


def test_the_bar_of_a_solve_that_falls_short(problem, f, capsys):
    solution = pde.solve(problem, f, method="mg", max_cycles=2, progress="always")
    percent = 100 * share(solution.residuals, 1e-8)
    assert 10 < percent < 50
    assert capsys.readouterr().err.rstrip().split("\r")[-1].startswith(f"{percent:3.0f}% |")


@pytest.mark.parametrize("progress", [False, True])
def test_no_bar_unless_asked_or_on_a_terminal(problem, f, progress, capsys):
    pde.solve(problem, f, progress=progress)
    assert capsys.readouterr() == ("", "")


def test_a_bar_on_a_terminal(problem, f, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    pde.solve(problem, f, progress=True)
    assert "100% |" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("residuals", "want"),
    [([1.0], 0), ([1.0, 1e-4], 0.5), ([1e-9], 1), ([0.0], 1), ([1.0, 1e-9], 1), ([1.0, 7.0], 0), ([1.0, torch.nan], 0)],
)
def test_share(residuals, want):
    assert share(residuals, 1e-8) == pytest.approx(want, abs=1e-15)


def test_seconds_are_those_of_the_call(problem, f):
    began = time.perf_counter()
    solution = pde.solve(problem, f, callback=lambda it: time.sleep(0.02))
    total = time.perf_counter() - began
    assert list(solution.seconds) == ["setup", "start", "cycles"]
    assert all(value > 0 for value in solution.seconds.values())
    assert solution.seconds["cycles"] >= 0.02 * (solution.cycles + 1)
    assert 0.9 * total < sum(solution.seconds.values()) <= total
    assert re.search(r" s \(setup [\d.e-]+, start [\d.e-]+, cycles [\d.e-]+\), float64, composed\)$", repr(solution))


@pytest.mark.parametrize(
    ("argument", "options"),
    [("callback", {"callback": 3}), *(("progress", {"progress": x}) for x in ("never", None, 1, torch.ones(2)))],
)
def test_bad_input(problem, f, argument, options):
    with pytest.raises(ArgumentError, match=rf"^{argument}: got .+; expected .+; .+"):
        pde.solve(problem, f, **options)


def test_a_solve_does_not_import_matplotlib():
    code = (
        "import sys, torch, pde\n"
        "pde.solve(pde.Poisson((7, 7)), torch.ones(7, 7, dtype=torch.float64), callback=print)\n"
        "assert 'matplotlib' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
