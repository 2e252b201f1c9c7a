"""Fields of coefficients: fused levels beside composed ones, and beside a constant coefficient, in turns.

python docs/benchmarks/fields.py [--quick] [--repeats 3] [--peer]

"mild": a = 10^(sin(2πx) sin(2πy) .. / 2) (speed_cases.py); "jumps": 1 or 10⁶ in each cell, at random. Each is
`pde.solve(problem, f, rtol=1e-8)` with a problem and a hierarchy of its own; f is that of u = Π sin(k π x) exp(x).
Seconds of set-up and of the solve, medians; ratios within a repeat. --peer: PyAMG's Ruge-Stüben with CG too, once.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import torch
from entrants import ENTRANTS
from peers import clock, missing
from record import write
from speed_cases import Case
from torch import Tensor

import pde

RTOL, PEER = 1e-8, "PyAMG Ruge-Stüben"
SHAPES = {"mild, 2-D": (2047, 2047), "mild, 3-D": (127, 127, 127), "jumps, 2-D": (1023, 1023)}
QUICK = {"mild, 2-D": (365, 365), "mild, 3-D": (51, 52, 53), "jumps, 2-D": (365, 365)}


def jumping(case: Case) -> Tensor:
    generator = torch.Generator().manual_seed(case.seed)
    high = torch.rand([n + 1 for n in case.shape], generator=generator, dtype=torch.float64) < 0.5
    return torch.where(high, 1e6, 1.0).double()


def solved(a: Tensor | float, case: Case, level: str) -> dict[str, Any]:
    began = clock()
    found = pde.solve(pde.Poisson(case.shape, a=a), case.f, rtol=RTOL, level=level)
    total = clock() - began
    solving = found.seconds["start"] + found.seconds["cycles"]
    row = {"setup": total - solving, "solve": solving, "total": total}
    return row | {"cycles": found.cycles, "level": found.level, "method": found.method, "result": found.result.name}


def measure(name: str, case: Case, repeats: int, peer: bool) -> dict[str, Any]:
    a = jumping(case) if name.startswith("jumps") else case.a
    assert a is not None
    runs: dict[str, Callable[[], dict[str, Any]]] = {
        "fused": lambda: solved(a, case, "auto"),
        "composed": lambda: solved(a, case, "composed"),
        "a = 1": lambda: solved(1.0, case, "auto"),
    }
    rows: dict[str, list[dict[str, Any]]] = {key: [] for key in runs}
    for turn in range(repeats + 1):  # the first one compiles
        for key, run in runs.items():
            row = run()
            rows[key] += [row] if turn else []
    out: dict[str, Any] = {"shape": list(case.shape), "entrants": {}}
    for key, each in rows.items():
        median = {part: statistics.median(row[part] for row in each) for part in ("setup", "solve", "total")}
        against = [row["total"] / fused["total"] for row, fused in zip(each, rows["fused"], strict=True)]
        spread = {"ratio": statistics.median(against), "ratio_min": min(against), "ratio_max": max(against)}
        last = {part: each[-1][part] for part in ("cycles", "level", "method", "result")}
        out["entrants"][key] = {**median, **spread, **last}
    if peer and missing(PEER) is None and name.startswith("mild"):
        run = ENTRANTS[PEER](case, RTOL)
        total, fused = run.setup + run.solve, out["entrants"]["fused"]["total"]
        found = {"setup": run.setup, "solve": run.solve, "total": total, "cycles": run.iterations}
        out["entrants"][PEER] = {**found, "ratio": total / fused}
    for key, row in out["entrants"].items():
        print(
            f"{name} {case.shape} {key}: {row['setup']:.3f} + {row['solve']:.3f} s, {row['ratio']:.2f} x fused",
            flush=True,
        )
    return out


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="toy sizes, and nothing written")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peer", action="store_true")
    args = parser.parse_args(arguments)
    shapes = QUICK if args.quick else SHAPES
    cases = {name: Case(shape, field=name.startswith("mild")) for name, shape in shapes.items()}
    results = {name: measure(name, case, args.repeats, args.peer) for name, case in cases.items()}
    if not args.quick:
        print(write("fields", {"rtol": RTOL, "repeats": args.repeats, "results": results}))


if __name__ == "__main__":
    main()
