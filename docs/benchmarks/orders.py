"""Orders of accuracy by manufactured solutions, and full multigrid's start against the discretisation error.

python docs/benchmarks/orders.py [--quick] [--threads 1]

orders: of the error between two grids, the second with half the spacings: its largest value, and the root of its mean
square over the box. fmg: the error of the start of `pde.solve(..., method="fmg")` and after 1, 2, 3 cycles more, as a
multiple of the discretisation error. --quick: small grids, nothing is written.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import torch
from manufactured import COEFFICIENTS, CONSTANT, Case, Error, error, errors, orders, solve
from record import write

import pde

BOUNDARIES = {
    1: ("DD", "NN", "PP", "DN", "ND"),
    2: ("DD-DD", "NN-NN", "PP-PP", "DN-ND", "DD-NN", "DD-PP", "NN-PP", "DN-PP"),
    3: ("DD-DD-DD", "NN-NN-NN", "PP-PP-PP", "DN-ND-DN", "DD-NN-PP"),
}
INTERVALS = {  # of the coarser grid, by dimension and order: the errors have come down to their leading terms
    (1, 2): 128,
    (2, 2): 64,
    (3, 2): 24,
    (1, 4): 32,
    (2, 4): 32,
    (3, 4): 32,
}
NESTED: list[tuple[Case, list[tuple[int, ...]]]] = [
    (Case("DD-DD"), [(31, 31), (63, 63), (127, 127), (255, 255), (511, 511), (50, 70), (500, 301)]),
    (Case("NN-NN"), [(33, 33), (129, 129), (257, 257), (50, 70)]),
    (Case("PP-PP"), [(32, 32), (128, 128), (256, 256), (50, 70), (101, 141)]),
    (Case("DN-ND"), [(32, 32), (128, 128), (256, 256)]),
    (Case("DD-NN"), [(127, 129)]),
    (Case("DD-PP"), [(127, 128)]),
    (Case("NN-PP"), [(129, 128)]),
    (Case("DD-DD", "field a"), [(31, 31), (127, 127), (255, 255)]),
    (Case("NN-NN", "field a"), [(129, 129)]),
    (Case("DD-DD", "jump of a"), [(127, 127), (255, 255)]),
    (Case("DD-DD-DD"), [(31, 31, 31), (63, 63, 63), (127, 127, 127), (30, 40, 50)]),
    (Case("NN-NN-NN"), [(33, 33, 33), (65, 65, 65)]),
    (Case("PP-PP-PP"), [(32, 32, 32), (64, 64, 64)]),
    (Case("DN-ND-DN"), [(32, 32, 32), (64, 64, 64)]),
    (Case("DD-DD-DD", "field a"), [(31, 31, 31)]),
    (Case("DD-DD", order=4), [(31, 31), (127, 127), (255, 255), (50, 70)]),
    (Case("NN-NN", order=4), [(33, 33), (129, 129)]),
    (Case("PP-PP", order=4), [(32, 32), (128, 128)]),
    (Case("DD-DD-DD", order=4), [(31, 31, 31), (63, 63, 63)]),
]


def row(case: Case, intervals: int) -> dict[str, object]:
    coarse, fine = errors(case, intervals), errors(case, 2 * intervals)
    return {
        "sides": case.sides,
        "coefficients": case.coefficients,
        "order": case.order,
        "grid": case.problem(2 * intervals).shape,
        "error": fine._asdict(),
        "observed": orders(coarse, fine)._asdict(),
        "logarithmic": case.logarithmic,
    }


def nested(case: Case, shape: Sequence[int]) -> dict[str, object]:
    """Errors of the first iterates as multiples of the last's."""
    problem = case.on(shape)
    iterates: list[torch.Tensor] = []

    def keep(seen: pde.Iterate) -> None:
        if len(iterates) < 4:
            iterates.append(seen.u.clone())

    last, solution, exact = solve(case, problem, method="fmg", rtol=1e-12, callback=keep)
    iterates += [solution.u] * (4 - len(iterates))  # the start was at the rounding floor already
    ratios = [Error(e.max / last.max, e.rms / last.rms) for e in (error(problem, u, exact) for u in iterates)]
    return {
        "sides": case.sides,
        "coefficients": case.coefficients,
        "order": case.order,
        "grid": shape,
        "discretisation_error": last._asdict(),
        "max": [r.max for r in ratios],
        "rms": [r.rms for r in ratios],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    began = time.perf_counter()
    measured, starts = [], []
    for (ndim, order), intervals in INTERVALS.items():
        for sides in BOUNDARIES[ndim]:
            for name in COEFFICIENTS if order == 2 else CONSTANT:
                measured.append(row(Case(sides, name, order), 8 if args.quick else intervals))
                print(measured[-1], flush=True)
    for case, shapes in NESTED[:1] if args.quick else NESTED:
        for shape in shapes[:1] if args.quick else shapes:
            starts.append(nested(case, shape))
            print(starts[-1], flush=True)
    seconds = time.perf_counter() - began
    if not args.quick:
        print(write("orders", {"definitions": __doc__, "orders": measured, "fmg": starts, "seconds": seconds}))


if __name__ == "__main__":
    main()
