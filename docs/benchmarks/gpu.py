"""Multigrid on a GPU: bandwidth, a V-cycle against it, full multigrid, and two peers, in one run.

python docs/benchmarks/gpu.py [--quick] [--plane 4095] [--cube 511] [--repeats 9] [--cg 2e7] [--out FOLDER]

-Δu = f on the unit box, u = 0 on its boundary, in float64 and float32 (speed_cases.py: the smooth f). Seconds are
medians over repeats, with a wait for the device; compilation and capture are not in them.

copy: of an array of the grid into another; bandwidth: that array, read and written once. cycle: one V-cycle of two
steps before and after from a given u: of the kernels in a replayed graph ("graph"), launched one by one ("launches"),
the small levels not in one launch ("graph, no tail"), with corrections and residuals computed where they are needed in
any dimension, or in none ("graph, fused", "graph, apart"), and `mg(f, u)` of `pde.multigrid` ("pde"). rate: of
residuals.
bound: the time to move, at that bandwidth, what must be moved if each level is passed over once on the way down and
once up: down u and f read, u and the next f written; up u, f and the correction read, u written; on coarse levels no u
is read on the way down. passes: the same for kernels of one step each: u, f read and u written for each more step, u, f
read for the residual; in three dimensions u read and written for the correction, the residual written and read. Both
count all levels, though small ones stay in the cache.
fmg: `pde.solve(problem, f, method="fmg", rtol=1)`, the problem and its hierarchy anew; "again" with one hierarchy.
error: its distance to the exact solution as a multiple of that of the sine transform (in float64), both root mean
squares. Peers: a sine transform by torch.fft (cuFFT), float64; CuPy's CG to 1e-8, for at most --cg unknowns.
--quick: toy sizes, which run on a CPU too, where TRITON_INTERPRET=1 (some minutes; its seconds mean nothing); without
--out nothing is written.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
from collections.abc import Callable, Sequence
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
from pde.coarse import DirectSolve
from pde.kernels.gpu import sweep, tail
from pde.kernels.gpu.device import move
from pde.kernels.gpu.graph import Graph
from pde.kernels.gpu.vcycle import VCycle
from pde.kernels.plan import plan


def seconds(device: str, run: Callable[[], object], repeats: int, inner: int = 1) -> float:
    """The median, of a run among `inner` that follow each other."""
    run()
    times = []
    for _ in range(repeats):
        began = clock(device)
        for _ in range(inner):
            run()
        times.append((clock(device) - began) / inner)
    return statistics.median(times)


def arrays(shapes: Sequence[Sequence[int]], steps: int) -> tuple[float, float]:
    """Arrays of the finest grid that a V-cycle moves: once each way, and by kernels of one step each."""
    points = [int(np.prod(shape)) for shape in shapes]
    once = passes = 0
    apart = [len(shapes[0]) > limit for limit in (sweep.FUSED_CORRECTION, sweep.FUSED_RESTRICTION)]
    for i, (n, coarse) in enumerate(itertools.pairwise(points)):
        first = 3 if i == 0 else 2
        once += (first + 3) * n + 2 * coarse
        passes += (first + 3 * (steps - 1) + 2 + 3 * steps + 2 * sum(apart)) * n + 2 * coarse
    return once / points[0], passes / points[0]


def hierarchy(case: Case, dtype: torch.dtype) -> tuple[pde.PoissonMultigrid, list[Any], Tensor]:
    """Composed levels on the CPU, which are cheap to set up, their plans on the device, and the coarsest inverse."""
    mg = pde.multigrid(pde.Poisson(case.shape, dtype=dtype), level="composed")
    kind, a = np.dtype(str(dtype).removeprefix("torch.")), (1.0,) * len(case.shape)
    plans = [
        move(plan(grid, level, a, 0.0, kind), level.interpolation, torch.device(case.device))
        for grid, level in zip(mg.grids, mg.levels, strict=True)
    ]
    return mg, plans, DirectSolve(mg.grids[-1].A).inverse[0].to(case.device)


def cycles(case: Case, dtype: torch.dtype, repeats: int) -> dict[str, Any]:
    mg, plans, inverse = hierarchy(case, dtype)
    f = case.f.to(dtype)[None, None]
    other = torch.empty_like(f)
    copy = seconds(case.device, partial(other.copy_, f), repeats, 10)
    once, passes = arrays([grid.shape for grid in mg.grids], len(plans[0].pre))
    bandwidth = 2 * f.numel() * f.element_size() / copy
    out: dict[str, Any] = {"copy": copy, "bandwidth": bandwidth, "bound": once * copy / 2, "passes": passes * copy / 2}
    del other

    def kernels(name: str, *, graph: bool = True, fused: int | None = None, **how: int) -> None:
        before = sweep.FUSED_CORRECTION, sweep.FUSED_RESTRICTION
        if fused is not None:
            sweep.FUSED_CORRECTION = sweep.FUSED_RESTRICTION = fused
        cycle = VCycle(plans, inverse, **how)
        run: Callable[[], object] = Graph(cycle, torch.device(case.device)) if graph and case.device != "cpu" else cycle
        cycle.f.copy_(f)
        cycle.u.zero_()
        residuals = []
        for _ in range(4):
            run()
            assert cycle.sums is not None
            residuals.append(float(cycle.sums[0, 0].sqrt() / f.norm()))
        out.setdefault("rate", {})[name] = residuals[-1] / residuals[-2]
        out.setdefault("cycle", {})[name] = seconds(case.device, run, repeats)
        sweep.FUSED_CORRECTION, sweep.FUSED_RESTRICTION = before

    kernels("graph")
    kernels("launches", graph=False)
    kernels("graph, no tail", alone=len(plans) - 1)
    kernels("graph, fused", fused=3)
    kernels("graph, apart", fused=0)
    ours = pde.multigrid(pde.Poisson(case.shape, dtype=dtype, device=case.device))
    u = torch.zeros_like(f)
    out["cycle"]["pde"] = seconds(case.device, lambda: ours(f, u), repeats)
    out["level"] = ours.level
    return out


def full(case: Case, dtype: torch.dtype, reference: Tensor, repeats: int) -> dict[str, Any]:
    f, exact = case.f.to(dtype), case.exact()
    mg = pde.multigrid(pde.Poisson(case.shape, dtype=dtype, device=case.device))

    def anew() -> pde.Solution:
        return pde.solve(pde.Poisson(case.shape, dtype=dtype, device=case.device), f, method="fmg", rtol=1.0)

    solution = anew()
    return {
        "seconds": seconds(case.device, anew, repeats),
        "again": seconds(case.device, lambda: pde.solve(mg.problem, f, method="fmg", rtol=1.0, mg=mg), repeats),
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
    usual = (255, 31, 3) if device != "cpu" else (15, 5, 1)
    for key, quick, value in zip(("plane", "cube", "repeats"), usual, (4095, 511, 9), strict=True):
        setattr(args, key, getattr(args, key) or (quick if args.quick else value))
    about = {"definitions": __doc__, "device": torch.cuda.get_device_name() if device != "cpu" else "interpreter"}
    cases = {"plane": Case((args.plane,) * 2, device=device), "cube": Case((args.cube,) * 3, device=device)}
    results: dict[str, Any] = {}
    for name, case in cases.items():
        results[name] = measure(case, args.repeats, args.cg)
        if args.out is not None or not args.quick:  # an interrupted run keeps what there is
            record.RESULTS = args.out or record.RESULTS
            print(record.write("gpu", {**about, "repeats": args.repeats, **results}), flush=True)


if __name__ == "__main__":
    main()
