"""Ours, as a user calls it, beside the peers: all that run within speed.py's process, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from peers import PEERS, SETTINGS, Run, clock
from speed_cases import Case

import pde


def solve(case: Case, rtol: float, **options: Any) -> Run:
    """A fresh problem and hierarchy, unless mg is given."""
    f = case.f
    began = clock(case.device)
    solution = pde.solve(case.problem(), f, rtol=rtol, **options)
    total = clock(case.device) - began
    solving = solution.seconds["start"] + solution.seconds["cycles"]
    return Run(solution.u, total - solving, solving, solution.cycles)


def full_multigrid(case: Case, rtol: float) -> Run:
    """The start alone: its residual is below 1."""
    return solve(case, 1.0, method="fmg")


def again(case: Case, rtol: float) -> Run:
    """The second solve with one hierarchy."""
    mg = pde.multigrid(case.problem())
    solve(case, rtol, mg=mg)
    return solve(case, rtol, mg=mg)


def constant(case: Case, rtol: float) -> Run:
    return solve(replace(case, field=False), rtol)


OURS, FMG, AGAIN, CONSTANT = "ours", "ours, full multigrid alone", "ours, again with mg", "ours, a = 1"
ENTRANTS: dict[str, Callable[[Case, float], Run]] = {
    OURS: solve,
    FMG: full_multigrid,
    AGAIN: again,
    CONSTANT: constant,
    **PEERS,
}
SETTINGS = {
    OURS: "pde.solve(problem, f, rtol=1e-8), the problem and its hierarchy anew each time",
    FMG: 'pde.solve(problem, f, method="fmg", rtol=1.0), likewise: the start alone',
    AGAIN: "pde.solve(problem, f, rtol=1e-8, mg=mg), the second with that mg",
    CONSTANT: "pde.solve with a = 1 and the same f",
    **SETTINGS,
}
