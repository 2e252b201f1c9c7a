"""Time to solution of `pde` beside its peers: one run, the same f bit for bit, the same stopping rule, equal threads.

python docs/benchmarks/speed.py [--quick] [--cases large medium ...] [--repeats 5] [--threads N] [--device cpu]
                                [--large 4095] [--medium 2047] [--cube 255] [--growth 255 511 ...] [--out FOLDER]

Cases: "large", "medium", "small" (half of that), "random" f and a "field" a of medium size; "cube"; "growth" from 255²
to 8191², ours alone; "memory".

-Δu = f or -∇·(a ∇u) = f on the unit box, u = 0 on its boundary, 2^k - 1 points an axis, in float64 (speed_cases.py).
All iterate from zero until ‖f - A u‖ <= 1e-8 ‖f‖ by their own reckoning; "residual" is that of the u they return, by
arithmetic that is none of theirs, "difference" the largest one from the reference, of its largest value. The reference
is the sine transform's u, or for a field a ours to 1e-11. "error" is the distance to the exact solution as a multiple
of the reference's, both root mean squares.

Seconds are of set-up and solve; imports and compilation are not in them. Within a repeat all entrants run in turn, and
before each the copy of an array of the fine grid into another (T_copy, the median of nine, by all threads) is timed:
"in_copies" is total / T_copy, and "against" is an entrant's total, or its solve alone, as a multiple of our total, both
medians over ratios within a repeat. PETSc runs by itself, on as many MPI ranks as there are threads of the others
(petsc.py says what its seconds are). "memory" is the peak in arrays of the fine grid beyond u and f, in fresh processes
(memory_peak.py). Entrants that are missing are named with the reason. --quick: toy sizes. It is written to --out alone;
else all goes to docs/results/speed.json and docs/figures/speed.png.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record
import speed_figure
import torch
from contest import compete
from entrants import AGAIN, CONSTANT, ENTRANTS, FMG, OURS, SETTINGS
from peers import missing
from petsc_run import Petsc
from speed_cases import Case

HERE = Path(__file__).resolve().parent
CASES = ("large", "medium", "small", "random", "field", "cube", "growth", "memory")
SINE, RUGE_STUEBEN = "SciPy sine transform", "PyAMG Ruge-Stüben"
AGGREGATION = ("PyAMG smoothed aggregation", "PyAMG smoothed aggregation, Chebyshev")
PCMG = ("PCMG, SOR", "PCMG, Chebyshev 2 with Jacobi", "PCMG, Chebyshev 1 with SOR", "PCMG, defaults")
BOOMER = ("BoomerAMG, defaults", "BoomerAMG, HMIS")
ON_GPU = ("cuFFT sine transform", "CuPy CG")


def contests(args: argparse.Namespace) -> dict[str, tuple[Case, Sequence[str]]]:
    plane, square, cube = (args.large,) * 2, (args.medium,) * 2, (args.cube,) * 3
    device = args.device
    return {
        "large": (Case(plane, device=device), (OURS, FMG, AGAIN, SINE, *PCMG)),
        "medium": (Case(square, device=device), (OURS, SINE, RUGE_STUEBEN, PCMG[0], *BOOMER)),
        "small": (Case([n // 2 for n in square], device=device), (OURS, SINE, RUGE_STUEBEN, *AGGREGATION)),
        "random": (Case(square, "random", False, device, args.seed), (OURS, RUGE_STUEBEN, *PCMG[:2], BOOMER[0])),
        "field": (Case(square, field=True, device=device), (OURS, CONSTANT, AGAIN, RUGE_STUEBEN)),
        "cube": (Case(cube, device=device), (OURS, FMG, AGAIN, SINE, *PCMG[:2])),
    }


def present(names: Sequence[str], case: Case, petsc: Petsc | None) -> list[str]:
    """Those that are here; on a GPU ours and its own peers."""
    if case.device != "cpu":
        names = [*(n for n in names if n.startswith(OURS)), *(n for n in ON_GPU if not (case.field and "sine" in n))]
    return [n for n in names if (missing(n) is None if n in ENTRANTS else petsc is not None)]


def absent(args: argparse.Namespace, petsc: Petsc) -> dict[str, str]:
    """Who is not here, and why."""
    out = {name: why for name in ENTRANTS if (why := missing(name))}
    if args.device == "cpu":
        out |= dict.fromkeys(ON_GPU, "for a GPU; this run is on the CPU")
    else:
        return out | dict.fromkeys(("SciPy", "PyAMG", "PETSc"), "for the CPU; this run is on a GPU")
    return out | ({"PETSc": why} if (why := petsc.missing()) else {})


def memory(args: argparse.Namespace) -> dict[str, dict[str, float | str | None]]:
    """Arrays by case and entrant, each in its own process; or the end of its error."""
    out: dict[str, dict[str, float | str | None]] = {}
    for key, (case, names) in contests(args).items():
        few = {"large": (OURS, SINE), "cube": (OURS, SINE), "medium": (RUGE_STUEBEN,), "field": (OURS,)}.get(key, ())
        for name in present([n for n in names if n in few], case, None):
            options = ["--shape", *map(str, case.shape), "--device", args.device, "--threads", str(args.threads)]
            command = [sys.executable, str(HERE / "memory_peak.py"), name, *options, *["--field"][: int(case.field)]]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            out.setdefault(key, {})[name] = json.loads(done.stdout) if done.returncode == 0 else done.stderr[-300:]
            print("memory", key, name, out[key][name], flush=True)
    return out


def measure(args: argparse.Namespace, petsc: Petsc) -> None:
    began = time.perf_counter()
    missed = absent(args, petsc)
    about = {
        "seed": args.seed,
        "repeats": args.repeats,
        "definitions": __doc__,
        "settings": SETTINGS,
        "missing": missed,
    }
    results: dict[str, Any] = {"cases": {}, "growth": [], "memory": {}}

    def keep() -> None:
        """What there is so far: an interrupted run keeps it."""
        if args.quick and args.out is None:
            return
        path = record.write("speed", {**about, **results, "seconds": time.perf_counter() - began}, args.out)
        picture = (args.out or HERE.parent / "figures") / "speed.png"
        picture.write_bytes(speed_figure.draw(results))
        print(path, picture, flush=True)

    for key, (case, names) in contests(args).items():
        if key in args.cases:
            names = [name for name in names if name not in args.without]
            here = present(names, case, None if "PETSc" in missed else petsc)
            results["cases"][key] = compete(case, here, args.repeats, petsc)
            tell(key, results["cases"][key])
            keep()
    for n in args.growth if "growth" in args.cases else ():
        row = compete(Case((n, n), device=args.device), (OURS, FMG), args.repeats)
        for entrant in row["entrants"].values():
            entrant["nanoseconds_per_unknown"] = entrant["seconds"]["total"] / n**2 * 1e9
        results["growth"].append(row)
        tell("growth", row)
    results["memory"] = memory(args) if "memory" in args.cases else {}
    keep()


def tell(key: str, row: dict[str, Any]) -> None:
    print(key, *row["shape"], f"T_copy {row['copy']:.2e} s ({row['copy_min']:.2e} to {row['copy_max']:.2e})")
    for name, entrant in row["entrants"].items():
        s, against = entrant["seconds"], entrant["against"].get(OURS, {"total": 1.0, "solve": float("nan")})
        print(
            f"  {name:40} {s['setup']:8.3f} + {s['solve']:8.3f} s, {entrant['in_copies']['total']:9.1f} copies, "
            f"x {against['total']:6.2f} (solve alone {against['solve']:6.2f}), {entrant['iterations']} iterations, "
            f"residual {entrant.get('residual', float('nan')):.1e}, difference "
            f"{entrant.get('difference', float('nan')):.1e}, error {entrant.get('error', float('nan')):.4f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--cases", nargs="+", default=CASES, choices=CASES)
    parser.add_argument("--without", nargs="+", default=[], metavar="NAME", help="entrants to leave out")
    parser.add_argument("--large", type=int, help="points an axis")
    parser.add_argument("--medium", type=int, help="points an axis")
    parser.add_argument("--cube", type=int, help="points an axis")
    parser.add_argument("--growth", type=int, nargs="+", help="points an axis")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="and ranks of PETSc")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--python", default="/usr/bin/python3", help="an interpreter with petsc4py")
    parser.add_argument("--out", type=Path, help="a folder for speed.json and speed.png")
    args = parser.parse_args()
    usual = (255, 255, 63, [63, 255], 2) if args.quick else (4095, 2047, 255, [2**k - 1 for k in range(8, 14)], 5)
    for key, value in zip(("large", "medium", "cube", "growth", "repeats"), usual, strict=True):
        setattr(args, key, getattr(args, key) or value)
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        measure(args, Petsc(args.python, args.threads, Path(folder)))


if __name__ == "__main__":
    main()
