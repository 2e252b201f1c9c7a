"""Coefficients that jump by 10⁶ between cells: iterations of PCG to 1e-8 and seconds, beside PyAMG on those matrices.

python docs/benchmarks/jumps.py [--quick] [--seed 0] [--threads 1]

Ours is `pde.solve(problem, f, rtol=1e-8)`. Beside it, for all cases at 255² and a few at 1023²: the same with
coarsening="strong", on grids alone; and PyAMG's Ruge-Stüben and smoothed aggregation, as they come, which precondition
its CG to the same ‖f - A u‖ <= 1e-8 ‖f‖ (left out where PyAMG is missing). 50 iterations have not converged.
f is normally distributed. "residual" is ‖f - A u‖ / ‖f‖ of the u that came out.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np
import torch
from record import write

import pde

HIGH = 1e6
ALSO_LARGE = ("checkerboard 13", "discs", "random 0.5", "log-uniform")
MOST = 50  # iterations: so many have not converged


def cases(cells: int, seed: int) -> dict[str, np.ndarray]:
    """Fields of (cells, cells)."""
    i, out = np.arange(cells), {}
    for block in (1, 3, 8, 13, 64, 100):
        out[f"checkerboard {block}"] = np.where((i[:, None] // block + i // block) % 2, 1.0, HIGH)
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid((i + 0.5) / cells, (i + 0.5) / cells, indexing="ij")
    discs, rectangles, lines = np.zeros((3, cells, cells), dtype=bool)
    for cx, cy, r in rng.random((40, 3)):
        discs |= (x - cx) ** 2 + (y - cy) ** 2 < (0.01 + 0.07 * r) ** 2
    for k in range(60):
        (cx, cy), (w, h) = rng.integers(0, cells, 2), rng.integers(1, cells // 6, 2)
        rectangles[cx : cx + w, cy : cy + h] = k % 3 > 0  # every third is a hole
    for k in range(30):  # one cell wide
        at, (start, end) = rng.integers(cells), np.sort(rng.integers(0, cells, 2))
        (lines if k % 2 else lines.T)[at, start:end] = True
    stairs = (i[:, None] + i) % 16 < 2
    for name, inside in {"discs": discs, "rectangles": rectangles, "lines": lines, "stairs": stairs}.items():
        out[name], out[f"{name} of 1 in {HIGH:.0e}"] = np.where(inside, HIGH, 1.0), np.where(inside, 1.0, HIGH)
    for p in (0.1, 0.5, 0.9):
        out[f"random {p}"] = np.where(rng.random((cells, cells)) < p, HIGH, 1.0)
    out["log-uniform"] = 10 ** rng.uniform(-3, 3, (cells, cells))
    return out


def ours(problem: pde.Poisson, f: torch.Tensor, **options: Any) -> dict[str, object]:
    solution = pde.solve(problem, f, rtol=1e-8, max_cycles=MOST, **options)
    setup, solving = solution.seconds["setup"], solution.seconds["start"] + solution.seconds["cycles"]
    residual = solution.residuals[-1]
    return {"iterations": solution.cycles, "setup": setup, "solve": solving, "residual": residual}


def pyamg(problem: pde.Poisson, f: torch.Tensor) -> dict[str, dict[str, object]]:
    try:
        from pyamg import ruge_stuben_solver, smoothed_aggregation_solver
    except ImportError:
        return {}
    out: dict[str, dict[str, object]] = {}
    A, b = problem.to_scipy().tocsr(), problem.load(f).numpy().ravel()
    methods = {"Ruge-Stüben": ruge_stuben_solver, "smoothed aggregation": smoothed_aggregation_solver}
    for name, make in methods.items():
        residuals: list[float] = []
        began = time.perf_counter()
        hierarchy = make(A)
        ready = time.perf_counter()
        u = hierarchy.solve(b, tol=1e-8, maxiter=MOST, accel="cg", residuals=residuals)
        done = time.perf_counter()
        residual = float(np.linalg.norm(b - A @ u) / np.linalg.norm(b))
        counts = {"iterations": len(residuals) - 1, "setup": ready - began, "solve": done - ready}
        out[name] = {**counts, "residual": residual}
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="63² and 127², written nowhere")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    sizes = (63, 127) if args.quick else (255, 1023)
    warm = pde.Poisson((31, 31), a=torch.from_numpy(cases(32, 0)["random 0.5"]))  # imports are no set-up
    ours(warm, torch.ones(31, 31, dtype=torch.float64))
    pyamg(warm, torch.ones(31, 31, dtype=torch.float64))
    results: dict[str, dict[str, Any]] = {}
    for n in sizes:
        f = torch.randn(n, n, dtype=torch.float64, generator=torch.Generator().manual_seed(args.seed))
        results[f"{n} x {n}"] = {}
        for name, a in cases(n + 1, args.seed).items():
            problem = pde.Poisson((n, n), a=torch.from_numpy(a))
            row: dict[str, Any] = {"ours": ours(problem, f)}
            if n == sizes[0] or name in ALSO_LARGE:
                row["ours, grids alone"] = ours(problem, f, coarsening="strong")
                row |= pyamg(problem, f)
            results[f"{n} x {n}"][name] = row
            print(n, name, *(f"{k}: {v['iterations']} ({v['setup']:.2f} + {v['solve']:.2f} s)" for k, v in row.items()))
    if not args.quick:
        about = {"seed": args.seed, "definitions": __doc__, "results": results}
        print(write("jumps", {**about, "seconds": time.perf_counter() - began}))


if __name__ == "__main__":
    main()
