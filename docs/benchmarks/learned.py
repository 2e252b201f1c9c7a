"""Learned roots against the best classical smoother at equal passes, family by family.

python docs/benchmarks/learned.py [--quick] [--seed 0] [--threads 1]

A V-cycle smooths once on the way down and once on the way up; a pass is one product with A, and a polynomial of degree
k takes k. The classical choice is made on the training problem, as the learned roots are: the best of jacobi,
chebyshev4, optimised4, split, chebyshev1 on [lo, 1] λmax with the best of some lo, and, where the passes allow,
red-black Gauss-Seidel, one sweep of which takes a product for each colour here: 2 on the finest grid. An
implementation that computes a colour's points alone does a sweep in one pass; those factors stand in a column of their
own. Factors and iterations are those of larger grids, and of coefficient fields that neither choice has seen.
  factor   asymptotic: what the last 5 of 60 cycles leave of a random error's energy norm, a cycle
  pcg      iterations of conjugate gradients to 1e-10, random f (flexible ones for Gauss-Seidel)
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from record import write

import pde
from pde.learning import LOWER_ENDS, asymptotic_factor
from unified import chebyshev_roots

Make = Callable[[int, int], pde.Poisson]  # of points an axis and a seed of the coefficients


@dataclass(frozen=True)
class Family:
    make: Make
    degrees: tuple[int, ...]
    coarsening: str = "strong"
    sizes: tuple[int, int] = (63, 127)  # to train and to test
    colours: int = 2  # of the finest grid


def constant(ndim: int = 2, **options: Any) -> Make:
    return lambda n, seed: pde.Poisson((n,) * ndim, **options)


def field(draw: Callable[[pde.Poisson, torch.Generator], torch.Tensor]) -> Make:
    def make(n: int, seed: int) -> pde.Poisson:
        plain = pde.Poisson((n, n))
        return pde.Poisson((n, n), a=draw(plain, torch.Generator().manual_seed(seed)))

    return make


def checkerboard(problem: pde.Poisson, generator: torch.Generator) -> torch.Tensor:
    """8 × 8 squares of 1 and 1000, wherever the first begins."""
    shift = torch.rand(2, generator=generator, dtype=torch.float64) / 4
    x, y = problem.cell_centres()
    return 1000.0 ** (((8 * (x + shift[0])).floor() + (8 * (y + shift[1])).floor()) % 2)


def inclusions(problem: pde.Poisson, generator: torch.Generator) -> torch.Tensor:
    """1, and 1000 in 20 discs."""
    x, y = problem.cell_centres()
    discs = torch.rand(20, 3, generator=generator, dtype=torch.float64)
    inside = torch.stack([(x - p) ** 2 + (y - q) ** 2 < (0.03 + 0.07 * r) ** 2 for p, q, r in discs])
    return 1000.0 ** inside.any(0).double()


def noise(problem: pde.Poisson, generator: torch.Generator) -> torch.Tensor:
    """exp of twice a normal number, in each cell."""
    return (2 * torch.randn(problem.cells, generator=generator, dtype=torch.float64)).exp()


FAMILIES = {
    "isotropic": Family(constant(), (1, 2, 3, 4)),
    "anisotropic 4, full coarsening": Family(constant(a=(1.0, 4.0)), (2,), "full"),
    "anisotropic 16, full coarsening": Family(constant(a=(1.0, 16.0)), (1, 2, 4), "full"),
    "anisotropic 100, full coarsening": Family(constant(a=(1.0, 100.0)), (2,), "full"),
    "anisotropic 4, semi-coarsening": Family(constant(a=(1.0, 4.0)), (2,)),
    "anisotropic 16, semi-coarsening": Family(constant(a=(1.0, 16.0)), (2,)),
    "checkerboard 1:1000": Family(field(checkerboard), (2,)),
    "inclusions 1:1000": Family(field(inclusions), (1, 2)),
    "random in each cell": Family(field(noise), (2,)),
    "3-D": Family(constant(3), (2,), sizes=(15, 31)),
    "compact, order 4": Family(constant(order=4), (2,), colours=4),
}


def candidates(degree: int, colours: int) -> dict[str, dict[str, Any]]:
    """The classical smoothers of so many passes."""
    out: dict[str, dict[str, Any]] = {
        name: {"smoother": name, "degree": degree} for name in ("jacobi", "chebyshev4", "optimised4", "split")
    }
    for lo in LOWER_ENDS:
        out[f"chebyshev1, lo = {lo}"] = {"smoother": chebyshev_roots(degree, 1.0, lo, kind=1).tolist()}
    if degree % colours == 0:
        out["redblack"] = {"smoother": "redblack", "degree": degree // colours}
    return out


def factor(problem: pde.Poisson, cycles: int = 60, **options: Any) -> float:
    torch.manual_seed(0)
    return asymptotic_factor(pde.multigrid(problem, **options), cycles=cycles)


def iterations(problem: pde.Poisson, **options: Any) -> int:
    f = torch.randn(problem.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return pde.solve(problem, f, method="pcg", rtol=1e-10, max_cycles=300, **options).cycles


def compare(family: Family, degree: int, seed: int, training: dict[str, int]) -> dict[str, Any]:
    train, test = family.sizes
    seen = [family.make(train, seed), family.make(train, seed + 1)]
    seen = seen if isinstance(seen[0].a, torch.Tensor) else seen[:1]
    unseen, new = family.make(train, seed + 2), family.make(test, seed + 3)
    how: dict[str, Any] = {"coarsening": family.coarsening}
    choices = candidates(degree, family.colours)
    on_seen = {name: max(factor(p, 40, **choice, **how) for p in seen) for name, choice in choices.items()}
    best = min(on_seen, key=on_seen.__getitem__)
    learned = pde.learn(seen, degree=degree, seed=seed, validation=unseen, **training, **how)
    return {
        "degree": degree,
        "best": best,
        "trained_on": train,
        "tested_on": test,
        "classical": factor(new, **choices[best], **how),
        "learned": factor(new, smoother=learned, **how),
        "sweep_a_pass": factor(new, smoother="redblack", degree=degree, **how),
        "pcg_classical": iterations(new, **choices[best], **how),
        "pcg_learned": iterations(new, smoother=learned, **how),
        "seconds": learned.seconds,
        "roots": [list(map(repr, level)) for level in learned],
        "classical_on_seen": on_seen,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one family on small grids; nothing is written")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    if args.quick:
        small = Family(constant(a=(1.0, 4.0)), (1,), "full", sizes=(7, 15))
        print(compare(small, 1, args.seed, {"cycles": 4, "samples": 1, "steps": 3}))
        return
    began, results = time.perf_counter(), dict[str, list[dict[str, Any]]]()
    training = {"cycles": 12, "samples": 2, "steps": 12}
    for name, family in FAMILIES.items():
        results[name] = []
        for degree in family.degrees:  # a row at a time: an interrupted run keeps what it has
            row = compare(family, degree, args.seed, training)
            results[name].append(row)
            print(name, {k: v for k, v in row.items() if k not in ("classical_on_seen", "roots")}, flush=True)
            settings = {"seed": args.seed, "training": training, "definitions": __doc__}
            write("learned", {**settings, "results": results, "seconds": time.perf_counter() - began})


if __name__ == "__main__":
    main()
