"""Convergence of `pde` by shape, boundary and anisotropy: factors of the default cycle, V(1,1).

python docs/benchmarks/shapes.py [--quick] [--seed 0] [--threads 1]

Two definitions of a cycle's factor (see rates.py):
  asymptotic    the spectral radius of the error's propagation, by ARPACK to two digits; constants are left out where
                they are the null space
  random_f      mean reduction of ‖r‖ over a solve from zero to 1e-10, f normally distributed

Shapes have square cells ("square") or fill the unit box ("box"), where sizes that differ make it anisotropic. The
anisotropy is the ratio of the couplings a/h² of two axes, by a or by h. --quick takes toy sizes and writes
shapes-quick.json.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy
import torch
from record import write
from scipy.sparse.linalg import LinearOperator, eigs

import pde

MIXED = (("dirichlet", "neumann"), "periodic", ("neumann", "neumann"))
BOUNDARIES = ("dirichlet", "neumann", "periodic", "mixed")
REFERENCE = ((127,), (127, 127), (31,) * 3, (63,) * 3, (127,) * 3)  # 2^k - 1, whose factor is the measure
QUICK_REFERENCE = ((31,), (31, 31), (7, 7, 7))
SMALL = (3, 4, 5, 6, 7, 8, 9, 11, 13, 16, 17, 20)
SHAPES = (
    *((n,) for n in (17, 100, 997, 1024)),
    *((100, 77), (97, 101), (128, 128), (129, 129), (256, 16), (300, 3), (1000, 777), (4096, 16)),
    *((17, 19, 23), (16, 16, 16), (32, 33, 5), (64, 8, 8), (97, 101, 89)),
)
RATIOS = (1, 1.5, 1.75, 2, 4, 8, 16, 100, 1e4, 1e6)
ANISOTROPIC = ((65, 67), (13, 17, 16))
LARGE = 300_000  # points: square cells only
QUICK_SHAPES = ((17,), (15, 16), (33, 9), (40, 3), (7, 8, 9))
QUICK_RATIOS = (1.75, 4, 1e4)
QUICK_ANISOTROPIC = ((17, 16), (7, 9, 8))


def problem(shape: Sequence[int], boundary: str, **options: Any) -> pde.Poisson:
    bc = MIXED[: len(shape)] if boundary == "mixed" else boundary
    return pde.Poisson(shape, bc, **options)


@torch.no_grad()
def spectral_radius(mg: pde.PoissonMultigrid) -> float:
    f = mg.problem.zeros(1, 1)

    def centred(x: numpy.ndarray) -> numpy.ndarray:
        return x - x.mean() if mg.problem.singular else x

    def cycle(x: numpy.ndarray) -> numpy.ndarray:
        return centred(mg(f, torch.from_numpy(centred(x)).reshape(f.shape)).numpy().ravel())

    if f.numel() <= 9:  # solved directly
        return 0.0
    operator = LinearOperator((f.numel(),) * 2, matvec=cycle, dtype=numpy.float64)
    start = torch.randn_like(f).numpy().ravel()
    return float(abs(eigs(operator, 1, v0=start, ncv=min(12, f.numel()), tol=1e-2, return_eigenvectors=False)[0]))


def factors(problem: pde.Poisson) -> dict[str, Any]:
    mg = pde.multigrid(problem)
    f = torch.randn_like(problem.zeros())
    if problem.singular:
        f -= (f * problem.weights).sum() / problem.weights.sum()
    solution = pde.solve(problem, f, method="mg", mg=mg, rtol=1e-10)
    return {
        "asymptotic": spectral_radius(mg),
        "random_f": (solution.residuals[-1] / solution.residuals[0]) ** (1 / solution.cycles),
        "cycles": solution.cycles,
        "result": solution.result.name,
        "grid_complexity": mg.grid_complexity,
    }


def all_shapes(shapes: Sequence[Sequence[int]]) -> Iterator[dict[str, Any]]:
    for shape, boundary in itertools.product(shapes, BOUNDARIES):
        for cells in ("square", "box")[: 2 if len(set(shape)) > 1 and math.prod(shape) < LARGE else 1]:
            options = {"spacing": 1.0} if cells == "square" else {}
            yield {"shape": shape, "boundary": boundary, "cells": cells, **factors(problem(shape, boundary, **options))}


def small_shapes(sizes: Sequence[int]) -> Iterator[dict[str, Any]]:
    """All pairs of small sizes, square cells: the asymptotic factors by second size."""
    for boundary, n in itertools.product(BOUNDARIES, sizes):
        problems = {m: problem((n, m), boundary, spacing=1.0) for m in sizes}
        row = {str(m): round(spectral_radius(pde.multigrid(p)), 4) for m, p in problems.items()}
        yield {"size": n, "boundary": boundary, "by_second_size": row, "asymptotic": max(row.values())}


def anisotropies(shapes: Sequence[Sequence[int]], ratios: Sequence[float]) -> Iterator[dict[str, Any]]:
    """One axis strong, all but one, or all different; in two dimensions the other one by spacing."""
    for shape, boundary, ratio in itertools.product(shapes, BOUNDARIES, ratios):
        if len(shape) == 2:
            cases = [("a", (1.0, ratio)), ("spacing", (ratio, 1.0))]
        else:
            cases = [("a", c) for c in ((1.0, 1.0, ratio), (1.0, ratio, ratio), (math.sqrt(ratio), 1.0, ratio))]
        for by, coupling in cases:
            row = {"shape": shape, "boundary": boundary, "couplings": coupling, "by": by}
            spacing = [x**-0.5 for x in coupling]
            options = {"a": coupling, "spacing": 1.0} if by == "a" else {"spacing": spacing}
            yield {**row, **factors(problem(shape, boundary, **options))}


def worst(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return max(rows, key=lambda row: row["asymptotic"])


def by_dimension(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The worst rows of each dimension."""
    return {f"{d}-D": worst(chosen) for d in (1, 2, 3) if (chosen := [row for row in rows if len(row["shape"]) == d])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    began = time.perf_counter()
    sizes, shapes = (SMALL[::4], QUICK_SHAPES) if args.quick else (SMALL, SHAPES)
    stretched = (QUICK_ANISOTROPIC, QUICK_RATIOS) if args.quick else (ANISOTROPIC, RATIOS)
    powers = QUICK_REFERENCE if args.quick else REFERENCE
    reference = [{"shape": s, **factors(problem(s, "dirichlet"))} for s in powers]
    tables: dict[str, list[dict[str, Any]]] = {}
    for name, rows in (
        ("small shapes", small_shapes(sizes)),
        ("anisotropies", anisotropies(*stretched)),
        ("shapes", all_shapes(shapes)),
    ):
        tables[name] = []
        for row in rows:
            tables[name].append(row)
            print(name, row, flush=True)
    box, square = ([row for row in tables["shapes"] if row["cells"] == cells] for cells in ("box", "square"))
    summary = {
        "small shapes": worst(tables["small shapes"]),
        "shapes, square cells": by_dimension(square),
        "shapes, unit box": by_dimension(box),
        "anisotropies": by_dimension(tables["anisotropies"]),
    }
    settings = {"seed": args.seed, "threads": args.threads, "definitions": __doc__}
    name = "shapes-quick" if args.quick else "shapes"
    seconds = time.perf_counter() - began
    print(summary, write(name, {**settings, "reference": reference, "worst": summary, **tables, "seconds": seconds}))


if __name__ == "__main__":
    main()
