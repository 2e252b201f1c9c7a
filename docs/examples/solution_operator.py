"""A solution operator by one V-cycle: MgNet learns (f, a) -> u of -div(a grad u) = f, beside the cycle that solves it.

python docs/examples/solution_operator.py [--steps 700] [--seed 0] [--out FOLDER]

The network is `vision.dense_mgnet` on the grid of the problem, trained on problems of `random_problems.Family` on 63²
points, none of them seen twice, solved by `pde.solve`; all figures are of problems that were not seen, 32 of each kind.
  error, residual  means of ‖u - u*‖ / ‖u*‖ and ‖f - A u‖ / ‖f‖ after one application from zero; u* of `pde.solve`
  V                a run of `pde.multigrid` as it comes: Chebyshev smoothing of degree 2 before and after; fmg: its
                   full multigrid, one such cycle a level
  multiply-adds    of one problem. Classical: of a product with A its matrix's entries, of a smoothing step one a point
                   more, of R and P 9 a coarse point, of interpolation in fmg 12 a point, of the coarsest solve its
                   inverse's entries; set-up is not counted, but timed
  equal cost       as many V-cycles as the network's multiply-adds buy, but no more than 20
  repeated         u <- u + N(f - A u), alone and with the cycle's own smoothing after each; and conjugate gradients
                   (flexible) with N, with N and smoothing, with the V-cycle, with none: iterations to 1e-6, at most 100
  start            V-cycles to a relative residual of 1e-8 from zero, from N(f), from fmg
Seconds: medians of 5, the whole batch of 32, one thread.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, final

import torch
from learned_operator import BATCH, SolutionOperator, relative, train
from matplotlib.figure import Figure
from operator_picture import draw_operator
from publish import publish
from random_problems import Batch, Family, draw
from torch import Tensor

import pde
import vision
from unified import fmg

FAMILY = Family()
OTHERS = {
    "as trained on": FAMILY,
    "white f": FAMILY._replace(load=None),
    "rougher a": FAMILY._replace(waves=12.0),
    "more contrast": FAMILY._replace(spread=1.0),
}
SMOOTHER, DEGREE = "chebyshev4", 2  # the same on both ways: it stands behind a network alone, too
CYCLES, MOST = 20, 100


class Found(NamedTuple):
    record: dict[str, Any]
    batch: Batch  # as trained on
    fields: dict[str, Tensor]  # u by each method, (B, 1, n, n)


@final
class Classical:
    """The solver's parts for a batch of problems: cycles as they come, with the Chebyshev smoother of degree 2."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.V = pde.multigrid(batch.problem, smoother=SMOOTHER, degree=DEGREE)
        self.fmg = self.V.with_program(fmg(len(self.V.grids)))
        composed = pde.multigrid(batch.problem, smoother=SMOOTHER, degree=DEGREE, level="composed").levels[0]
        self.A, self.smoother = composed.A, composed.smoothers[1]

    def smoothed(self, u: Tensor, f: Tensor) -> Tensor:
        return self.smoother(self.A, u, f)

    def multiply_adds(self, mg: pde.PoissonMultigrid) -> int:
        """Of one run, for one problem."""
        entries, points = ([getattr(grid, name) for grid in mg.grids] for name in ("nnz", "unknowns"))
        total = 0
        for kind, i in mg.program:
            match kind:
                case "pre" | "post":
                    total += DEGREE * (entries[i] + points[i])
                case "down":
                    total += entries[i] + 9 * points[i + 1]
                case "up":
                    total += 9 * points[i + 1]
                case "interpolate":
                    total += 12 * points[i]
                case "solve":
                    total += points[i] ** 2
        return total


@torch.no_grad()
def main(
    n: int = 63,
    *,
    steps: int = 700,
    seed: int = 0,
    count: int = 32,
    channels: tuple[int, ...] = (8, 16, 32, 32, 32, 32),
) -> Found:
    """Train on n² points, judge there and on (2n + 1)²."""
    torch.manual_seed(seed)
    operator = SolutionOperator(vision.dense_mgnet([1] * len(channels), channels, in_channels=2))
    with torch.enable_grad():
        training = train(operator, FAMILY, n, steps=steps, seed=seed)
    record: dict[str, Any] = {
        "n": n,
        "seed": seed,
        "count": count,
        "channels": channels,
        "batch": BATCH,
        "weights": vision.count_weights(operator),
        "training": training,
        "definitions": __doc__,
    }
    kinds = {name: (family, n) for name, family in OTHERS.items()} | {f"{2 * n + 1}² points": (FAMILY, 2 * n + 1)}
    first, record["kinds"] = None, {}
    for name, (family, size) in kinds.items():
        batch = draw(family, count, size, torch.Generator().manual_seed(seed + 1), rtol=1e-11)
        classical = Classical(batch)
        record["kinds"][name] = measured(operator, classical)
        print(name, record["kinds"][name], flush=True)
        first = first or classical
    assert first is not None
    batch = first.batch
    f, g = batch.f, batch.f.flip(0)
    both = operator(f + g, batch.a) - operator(f, batch.a) - operator(g, batch.a)
    record["nonlinearity"] = float(relative(both, f + g).mean() / relative(operator(f + g, batch.a), f + g).mean())
    record["repeated"] = repeated(operator, first)
    record["cg"] = {name: iterations(first, M) for name, M in preconditioners(operator, first).items()}
    record["start"] = starts(operator, first)
    return Found(record, batch, {"network": operator(f, batch.a), "V-cycle": first.V(f)})


def measured(operator: SolutionOperator, classical: Classical) -> dict[str, Any]:
    """Errors, residuals, multiply-adds and seconds of one application of each."""
    batch, A = classical.batch, classical.A
    n = batch.f.shape[-1]
    apply: dict[str, Callable[[], Tensor]] = {
        "network": lambda: operator(batch.f, batch.a),
        "V": lambda: classical.V(batch.f),
        "fmg": lambda: classical.fmg(batch.f),
    }
    costs = {
        "network": vision.multiply_adds(operator.network, (2, n, n)),
        "V": classical.multiply_adds(classical.V),
        "fmg": classical.multiply_adds(classical.fmg),
    }
    contrast = batch.a.flatten(1).amax(1) / batch.a.flatten(1).amin(1)
    out: dict[str, Any] = {"n": n, "contrast": float(contrast.median())}
    for name, call in apply.items():
        u = call()
        error, residual = relative(u - batch.u, batch.u), relative(batch.f - A(u), batch.f)
        out[name] = {"error": float(error.mean()), "worst": float(error.max()), "residual": float(residual.mean())}
        out[name] |= {"multiply_adds": costs[name], "seconds": timed(call)}
    out["setup_seconds"] = timed(lambda: pde.multigrid(batch.problem))
    bought = costs["network"] // costs["V"]
    run = min(bought, CYCLES)
    u = next(islice(iterates(classical, classical.V), run, None))
    out["equal cost"] = {"bought": bought, "run": run, "error": float(relative(u - batch.u, batch.u).mean())}
    return out


def timed(call: Callable[[], Any], repeats: int = 5) -> float:
    """The median of its seconds."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def iterates(classical: Classical, N: Callable[[Tensor], Tensor], smooth: bool = False) -> Iterator[Tensor]:
    """0 and what `u + N(f - A u)` makes of each, smoothed or not."""
    f = classical.batch.f
    u = torch.zeros_like(f)
    while True:
        yield u
        u = u + N(f - classical.A(u))
        u = classical.smoothed(u, f) if smooth else u


def repeated(operator: SolutionOperator, classical: Classical, times: int = 8) -> dict[str, list[float]]:
    """The mean error after each iteration, from zero."""
    u = classical.batch.u
    N = partial(operator, a=classical.batch.a)
    runs = {"V": (classical.V, False), "network": (N, False), "network and smoothing": (N, True)}
    return {
        name: [float(relative(v - u, u).mean()) for v in islice(iterates(classical, M, smooth), times + 1)]
        for name, (M, smooth) in runs.items()
    }


def preconditioners(operator: SolutionOperator, classical: Classical) -> dict[str, Callable[[Tensor], Tensor]]:
    N = partial(operator, a=classical.batch.a)
    return {
        "none": lambda r: r,
        "network": N,
        "network and smoothing": lambda r: classical.smoothed(N(r), r),
        "V": classical.V,
    }


def iterations(classical: Classical, M: Callable[[Tensor], Tensor], rtol: float = 1e-6) -> dict[str, float]:
    """Of conjugate gradients until the worst relative residual is rtol, or MOST; and that residual."""
    f = classical.batch.f
    steps = pde.conjugate_gradients(classical.A, M, f, torch.zeros_like(f), flexible=True)
    worst = []
    for u in islice(steps, MOST + 1):
        worst.append(float(relative(f - classical.A(u), f).max()))
        if worst[-1] <= rtol:
            break
    return {"iterations": len(worst) - 1, "residual": worst[-1]}


def starts(operator: SolutionOperator, classical: Classical) -> dict[str, int]:
    """V-cycles to a relative residual of 1e-8, by the start."""
    batch, V = classical.batch, classical.V
    given = {"zero": torch.zeros_like(batch.f), "network": operator(batch.f, batch.a), "fmg": classical.fmg(batch.f)}
    how: dict[str, Any] = {"mg": V, "method": "mg", "rtol": 1e-8}
    return {name: pde.solve(batch.problem, batch.f, u0=u, **how).cycles for name, u in given.items()}


def visualize(found: Found) -> Figure:
    return draw_operator(found.record, found.batch, found.fields)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=700, help="of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="a folder for the record and the picture, in place of those of docs")
    args = parser.parse_args()
    torch.set_num_threads(1)
    found = main(steps=args.steps, seed=args.seed)
    publish("solution_operator", found.record, visualize(found), args.out)
