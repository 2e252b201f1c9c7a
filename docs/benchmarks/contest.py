"""Entrants in turn, repeat by repeat, each beside a copy of an array; what they return is judged."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from entrants import CONSTANT, ENTRANTS, FMG, OURS, solve
from peers import clock, scipy_sine, torch_sine
from petsc_run import Petsc
from speed_cases import Case, rms
from torch import Tensor

RTOL = 1e-8
COPIES = 9


def compete(case: Case, names: Sequence[str], repeats: int, petsc: Petsc | None = None) -> dict[str, Any]:
    """names: of ENTRANTS, in turn, and then of petsc.py, in one turn."""
    case = replace(case)  # its arrays end with this
    inside = [name for name in names if name in ENTRANTS]
    outside = [name for name in names if name not in ENTRANTS]
    few = case.smaller()
    for name in inside:  # imports and compilation are no set-up
        ENTRANTS[name](few, RTOL)
    truth, pair = reference(case), (torch.zeros_like(case.f), torch.ones_like(case.f))
    rows: dict[str, dict[str, Any]] = {name: {"setup": [], "solve": [], "copy": []} for name in names}
    if petsc and outside:
        petsc.load(case.f)
    for repeat in range(repeats):
        for turn in (*([name] for name in inside), *([outside] if outside else [])):
            gc.collect()
            copy = copying(pair, case.device)
            if petsc and turn is outside:
                runs, said = petsc(turn, RTOL)
                for name in turn:
                    also = said["methods"][name]
                    rows[name] |= {"options": also["options"], "assembly": also["seconds"]["assembly"]}
            else:
                runs = {turn[0]: ENTRANTS[turn[0]](case, RTOL)}
            for name, run in runs.items():
                for key, value in (("setup", run.setup), ("solve", run.solve), ("copy", copy)):
                    rows[name][key].append(value)
                if repeat == repeats - 1:
                    rows[name] |= {"iterations": run.iterations, **judge(case, name, run.u, truth)}
            del runs, run  # their arrays
    copies = [seconds for row in rows.values() for seconds in row["copy"]]
    about: dict[str, Any] = {"shape": list(case.shape), "f": case.load, "a": "field" if case.field else "1"}
    about |= {"copy": statistics.median(copies), "copy_min": min(copies), "copy_max": max(copies)}
    if case.load == "smooth" and not case.field:
        about["discretisation_error"] = rms(truth - case.exact())
    return about | {"entrants": compared(rows)}


def copying(pair: tuple[Tensor, Tensor], device: str) -> float:
    """Seconds to copy one array into the other."""
    times = []
    for _ in range(COPIES + 1):
        began = clock(device)
        pair[0].copy_(pair[1])
        times.append(clock(device) - began)
    return statistics.median(times[1:])


def reference(case: Case) -> Tensor:
    """The discrete solution, as well as float64 has it."""
    if case.field:
        return solve(case, 1e-11).u
    return (scipy_sine if case.device == "cpu" else torch_sine)(case, RTOL).u


def judge(case: Case, name: str, u: Tensor, truth: Tensor) -> dict[str, float | bool]:
    if name == CONSTANT:  # of another problem
        return {"residual": replace(case, field=False).residual(u)}
    out: dict[str, float | bool] = {"residual": case.residual(u)}
    out["difference"] = float((u - truth).abs().max() / truth.abs().max())
    if case.load == "smooth" and not case.field:
        exact = case.exact()
        out["error"] = rms(u - exact) / rms(truth - exact)
    return out if name == FMG else out | {"converged": out["residual"] <= 1.01 * RTOL}


def compared(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """With medians, and ratios within repeats."""
    median = statistics.median
    totals = {name: np.add(row["setup"], row["solve"]) for name, row in rows.items()}
    out = {}
    for name, row in rows.items():
        total, solving = totals[name], np.array(row["solve"])
        seconds = {"total": median(total), "min": min(total), "max": max(total)}
        seconds |= {key: median(row[key]) for key in ("setup", "solve")}
        in_copies = {"total": median(total / row["copy"]), "solve": median(solving / row["copy"])}
        against = {
            base: {"total": median(total / totals[base]), "solve": median(solving / totals[base])}
            for base in (OURS, FMG)
            if base in rows and base != name
        }
        out[name] = {"seconds": seconds, "in_copies": in_copies, "against": against, **row}
    return out
