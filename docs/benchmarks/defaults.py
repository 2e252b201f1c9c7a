"""Time to solution of what `pde.solve` could do by default: smoothers, degrees, cycles, starts and precisions.

All choices take turns, repeat by repeat and from another one on each time, on each problem; a time is relative to that
of the default in the same repeat. Each solves twice in its turn, and the second time counts: the first one finds the
memory of the choice before.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import time
from dataclasses import dataclass, field

import torch
from record import write
from speed_cases import Case

import pde
from unified.program import cycle

DEFAULT = "default"
CHOICES: dict[str, dict[str, object]] = {
    DEFAULT: {},
    "degree 1": {"degree": 1},
    "degree 3": {"degree": 3},
    "degree 4": {"degree": 4},
    "chebyshev4": {"smoother": "chebyshev4"},
    "chebyshev1": {"smoother": "chebyshev1"},
    "optimised4": {"smoother": "optimised4"},
    "jacobi": {"smoother": "jacobi"},
    "way down alone smooths twice": {"pre": 2, "post": 0},
    "V(2,2)": {"pre": 2, "post": 2},
    "W": {"program": "W"},
    "F": {"program": "F"},
    "two V": {"program": lambda n: 2 * cycle("V", n)},
    "from zero": {"method": "mg"},
    "pcg": {"method": "pcg"},
    "mixed": {"precision": "mixed"},
    "mixed, from zero": {"precision": "mixed", "method": "mg"},
    "mixed, pcg": {"precision": "mixed", "method": "pcg"},
}
SHAPES = {"2-D": (2047, 2047), "3-D": (127, 127, 127)}
QUICK = {"2-D": (383, 383), "3-D": (55, 55, 55)}


@dataclass
class Row:
    """One choice on one problem."""

    seconds: list[float] = field(default_factory=list)
    cycles: int = 0
    converged: bool = False


def measure(case: Case, repeats: int, rtol: float) -> dict[str, dict[str, object]]:
    f, rows = case.f, {name: Row() for name in CHOICES}
    every = list(CHOICES.items())
    for repeat in range(repeats):
        first = repeat * len(every) // repeats  # who follows a choice with much memory pays for it
        for name, options in [*every[first:], *every[:first]]:
            for again in (False, True):
                gc.collect()
                began = time.perf_counter()
                solution = pde.solve(case.problem(), f, rtol=rtol, **options)  # type: ignore[arg-type]
                if again:
                    rows[name].seconds.append(time.perf_counter() - began)
                rows[name].cycles, rows[name].converged = solution.cycles, solution.result.ok
                del solution
    out: dict[str, dict[str, object]] = {}
    for name, row in rows.items():
        ratios = [a / b for a, b in zip(row.seconds, rows[DEFAULT].seconds, strict=True)]
        spread = {"ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}
        seconds = statistics.median(row.seconds)
        out[name] = {"seconds": seconds, **spread, "cycles": row.cycles, "converged": row.converged}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small grids")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rtol", type=float, default=1e-8)
    args = parser.parse_args()
    results = []
    for name, shape in (QUICK if args.quick else SHAPES).items():
        for load in ("smooth", "random"):
            rows = measure(Case(shape, load), args.repeats, args.rtol)
            results.append({"problem": f"{name}, {load} f", "shape": list(shape), "choices": rows})
            print(results[-1]["problem"])
            for label, row in rows.items():
                print(f"  {label:28} {row['ratio']:5.2f}  {row['cycles']} cycles  {row['seconds']:.3f} s", flush=True)
    path = write(
        "defaults", {"rtol": args.rtol, "repeats": args.repeats, "threads": torch.get_num_threads(), "results": results}
    )
    print(path)


if __name__ == "__main__":
    main()
