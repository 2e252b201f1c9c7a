"""Multigrid on a GPU: bandwidth, a V-cycle against it, full multigrid, and two peers, in one run.

python docs/benchmarks/gpu.py [--quick] [--plane 4095] [--cube 511] [--repeats 9] [--cg 2e7] [--out FOLDER]

-Δu = f on the unit box, u = 0 on its boundary, in float64 and float32 (speed_cases.py: the smooth f). Seconds are
medians over repeats, with a wait for the device; compilation and capture are not in them.

copy: of an array of the grid into another; bandwidth: that array, read and written once. cycle: one V-cycle of two
steps before and after from a given u, `mg(f, u)`: of fused levels ("fused"), with each launch by itself ("launches"),
with corrections and residuals computed where they are needed in any dimension, or in none ("fused, together", "fused,
apart"), and of composed levels ("composed"). rate: of residuals. turning: a cycle of those that follow each other in
`pde.solve`, which smooth once for two. difference: of the fused cycle's u from the composed one's, over the largest u.
bound: the time to move, at that bandwidth, what must be moved if each level is passed over once on the way down and
once up: down u and f read, u and the next f written; up u, f and the correction read, u written; on coarse levels no u
is read on the way down. passes: the same for kernels of one step each: u, f read and u written for each more step, u, f
read for the residual; in three dimensions u read and written for the correction, the residual written and read. Both
count all levels, though small ones stay in the cache.
fmg: `pde.solve(problem, f, method="fmg", rtol=1)`, the problem and its hierarchy anew; "again" with one hierarchy;
"composed" with one of composed levels. error: its distance to the exact solution as a multiple of that of the sine
transform (in float64), both root mean squares. solve: with rtol=1e-8 in float64, 1e-3 in float32, and one hierarchy.
Peers: a sine transform by torch.fft (cuFFT), float64; CuPy's CG to 1e-8, for at most --cg unknowns.
--quick: toy sizes, which run on a CPU too, where TRITON_INTERPRET=1 (some minutes; its seconds mean nothing); without
--out nothing is written.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from peers import clock, cupy_cg, missing, torch_sine
from speed_cases import Case, rms
from torch import Tensor

import pde
from pde.hierarchy import PoissonMultigrid
from pde.kernels import build
from pde.kernels.gpu import graph, sweep, tail
from pde.turning import turning

STEPS = 2  # of the smoother, before and after


def seconds(device: str, run: Callable[[], object], repeats: int, inner: int = 1) -> float:
    """The median, of a run among `inner` that follow each other; after three, in which it is compiled and captured."""
    for _ in range(3 if device != "cpu" else 0):
        run()
    times = []
    for _ in range(repeats):
        began = clock(device)
        for _ in range(inner):
            run()
        times.append((clock(device) - began) / inner)
    return statistics.median(times)


def arrays(shapes: Sequence[Sequence[int]]) -> tuple[float, float]:
    """Arrays of the finest grid that a V-cycle moves: once each way, and by kernels of one step each."""
    points = [int(np.prod(shape)) for shape in shapes]
    once = passes = 0
    apart = [len(shapes[0]) > limit for limit in (sweep.FUSED_CORRECTION, sweep.FUSED_RESTRICTION)]
    for i, (n, coarse) in enumerate(itertools.pairwise(points)):
        first = 3 if i == 0 else 2
        once += (first + 3) * n + 2 * coarse
        passes += (first + 3 * (STEPS - 1) + 2 + 3 * STEPS + 2 * sum(apart)) * n + 2 * coarse
    return once / points[0], passes / points[0]


def hierarchy(case: Case, dtype: torch.dtype, level: str) -> PoissonMultigrid:
    """By `pde.multigrid`; of fused levels on a CPU, for the interpreter, by what it calls for a CUDA device."""
    problem = pde.Poisson(case.shape, dtype=dtype, device=case.device)
    if case.device != "cpu" or level == "composed":
        return pde.multigrid(problem, degree=STEPS, level=level, coarsest=64)
    mg = hierarchy(case, dtype, "composed")
    levels, _ = build.on_cuda(problem, mg.grids, list(mg.levels))
    return PoissonMultigrid(problem, mg.grids, levels, mg.program, parts=mg.parts, level="fused", mirrored=True)


@contextmanager
def fusing(limit: int) -> Iterator[None]:
    """Up to that many dimensions."""
    before = sweep.FUSED_CORRECTION, sweep.FUSED_RESTRICTION
    sweep.FUSED_CORRECTION = sweep.FUSED_RESTRICTION = limit
    try:
        yield
    finally:
        sweep.FUSED_CORRECTION, sweep.FUSED_RESTRICTION = before


def cycles(case: Case, dtype: torch.dtype, repeats: int) -> dict[str, Any]:
    fused, composed = (hierarchy(case, dtype, level) for level in ("fused", "composed"))
    f = case.f.to(dtype)[None, None]
    u = torch.zeros_like(f)
    copy = seconds(case.device, partial(torch.empty_like(f).copy_, f), repeats, 10)
    once, passes = arrays([grid.shape for grid in fused.grids])
    expected = composed(f, u)
    out: dict[str, Any] = {
        "copy": copy,
        "bandwidth": 2 * f.numel() * f.element_size() / copy,
        "bound": once * copy / 2,
        "passes": passes * copy / 2,
        "difference": float((fused(f, u) - expected).abs().max() / expected.abs().max()),
    }
    norms, x = [], u
    for _ in range(4):
        x = fused(f, x)
        norms.append(float(fused.measure(x, f).residual))  # type: ignore[misc]
    out["rate"] = norms[-1] / norms[-2]

    def cycle(mg: PoissonMultigrid) -> float:
        return seconds(case.device, lambda: mg(f, u), repeats)

    out["cycle"] = {"fused": cycle(fused), "composed": cycle(composed)}
    graph.ENABLED = False
    out["cycle"]["launches"] = cycle(fused)
    graph.ENABLED = True
    for name, limit in (("fused, together", 3), ("fused, apart", 0)):
        with fusing(limit):
            out["cycle"][name] = cycle(hierarchy(case, dtype, "fused"))
    steps = turning(fused, f, u)
    out["turning"] = seconds(case.device, lambda: next(steps), repeats)
    return out


def full(case: Case, dtype: torch.dtype, reference: Tensor, repeats: int) -> dict[str, Any]:
    f, exact = case.f.to(dtype), case.exact()

    def solve(level: str, mg: PoissonMultigrid | None = None, rtol: float = 1.0) -> pde.Solution:
        mg = hierarchy(case, dtype, level) if mg is None else mg
        return pde.solve(mg.problem, f, method="fmg", rtol=rtol, mg=mg)

    fused, composed = (hierarchy(case, dtype, level) for level in ("fused", "composed"))
    rtol = 1e-8 if dtype == torch.float64 else 1e-3
    solution = solve("fused", fused)
    return {
        "seconds": seconds(case.device, lambda: solve("fused"), repeats),
        "again": seconds(case.device, lambda: solve("fused", fused), repeats),
        "composed": seconds(case.device, lambda: solve("composed", composed), repeats),
        "solve": seconds(case.device, lambda: solve("fused", fused, rtol), repeats),
        "error": rms(solution.u.double() - exact) / rms(reference - exact),
    }


def measure(case: Case, repeats: int, limit: float) -> dict[str, Any]:
    reference = torch_sine(case, 0).u
    out: dict[str, Any] = {"shape": list(case.shape)}
    out["cuFFT sine transform"] = seconds(case.device, lambda: torch_sine(case, 0), repeats)
    for dtype in (torch.float64, torch.float32):
        each = cycles(case, dtype, repeats) | {"fmg": full(case, dtype, reference, repeats)}
        out[str(dtype).removeprefix("torch.")] = each
        print(*case.shape, dtype, each, flush=True)
    unknowns = int(np.prod(case.shape))
    why = missing("CuPy CG") or (f"{unknowns} unknowns" if unknowns > limit else None)
    if why is None and case.device != "cpu":
        run = cupy_cg(case, 1e-8)
        out["CuPy CG"] = {"seconds": run.solve, "iterations": run.iterations, "residual": case.residual(run.u)}
    else:
        out["CuPy CG"] = why or "no GPU"
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--plane", type=int, help="points an axis")
    parser.add_argument("--cube", type=int, help="points an axis")
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--cg", type=float, default=2e7, help="unknowns up to which CuPy's CG runs")
    parser.add_argument("--out", type=Path, help="a folder for gpu.json")
    args = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu" and not (args.quick and os.environ.get("TRITON_INTERPRET") == "1"):
        sys.exit("gpu.py needs a CUDA device (or --quick and TRITON_INTERPRET=1)")
    if device == "cpu":
        tail.LIMIT = 64  # so that there are levels above it
    usual = (255, 31, 3) if device != "cpu" else (9, 5, 1)
    for key, quick, value in zip(("plane", "cube", "repeats"), usual, (4095, 511, 9), strict=True):
        setattr(args, key, getattr(args, key) or (quick if args.quick else value))
    about = {"definitions": __doc__, "device": torch.cuda.get_device_name() if device != "cpu" else "interpreter"}
    cases = {"plane": Case((args.plane,) * 2, device=device), "cube": Case((args.cube,) * 3, device=device)}
    results: dict[str, Any] = {}
    for name, case in cases.items():
        results[name] = measure(case, args.repeats, args.cg)
        if args.out is not None or not args.quick:  # an interrupted run keeps what there is
            print(record.write("gpu", {**about, "repeats": args.repeats, **results}, args.out), flush=True)


if __name__ == "__main__":
    main()
