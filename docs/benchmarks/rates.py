"""Convergence of `pde` by grid size: factors of the cycles, iterations of PCG, and the error of full multigrid.

python docs/benchmarks/rates.py [--sizes 31 63 127 255 511 1023] [--seed 0] [--threads 1]

Four definitions of a cycle's factor stand side by side, for they differ:
  asymptotic    the spectral radius of the error's propagation, by ARPACK to three digits
  first_ten     mean reduction of ‖r‖ in the first ten cycles for f = 0 from a random u, counted after the first
  random_f      mean reduction of ‖r‖ over a solve from zero to 1e-10, f normally distributed
  smooth_f      the same with f = 1
"""

from __future__ import annotations

import argparse
import time

import numpy
import torch
from record import write
from scipy.sparse.linalg import LinearOperator, eigs

import pde
from unified import chebyshev_roots, fmg

CYCLES = {  # name: arguments of pde.multigrid, largest size
    "V, split of degree 2": (("V", "split", 2), None),
    "V, chebyshev1 of degree 2": (("V", "chebyshev1", 2), None),
    "V, chebyshev4 of degree 2": (("V", "chebyshev4", 2), None),
    "V, optimised4 of degree 2": (("V", "optimised4", 2), None),
    "W, split of degree 2": (("W", "split", 2), 255),
    "W, chebyshev1 of degree 2": (("W", "chebyshev1", 2), 255),
    "W, chebyshev4 of degree 2": (("W", "chebyshev4", 2), 255),
    "F, chebyshev4 of degree 2": (("F", "chebyshev4", 2), 255),
    **{
        f"V, {name} of degree {degree}": (("V", name, degree), 255)
        for name in ("split", "chebyshev1", "chebyshev4", "jacobi")
        for degree in (1, 2, 3, 4)
        if name == "jacobi" or degree != 2
    },
}


@torch.no_grad()
def spectral_radius(mg: pde.PoissonMultigrid) -> float:
    f = mg.problem.zeros(1, 1)

    def cycle(x: numpy.ndarray) -> numpy.ndarray:
        return mg(f, torch.from_numpy(x).reshape(f.shape)).numpy().ravel()

    start = torch.randn_like(f).numpy().ravel()
    operator = LinearOperator((f.numel(),) * 2, matvec=cycle, dtype=start.dtype)
    return float(abs(eigs(operator, 1, v0=start, tol=1e-3, return_eigenvectors=False)[0]))


@torch.no_grad()
def first_ten(mg: pde.PoissonMultigrid) -> float:
    f, A = mg.problem.zeros(1, 1), mg.levels[0].A
    u, residuals = torch.randn_like(f), []
    for _ in range(10):
        u = mg(f, u)
        residuals.append(float(A(u).norm()))
    return (residuals[-1] / residuals[0]) ** (1 / 9)


def factors(mg: pde.PoissonMultigrid) -> dict[str, float]:
    out = {"asymptotic": spectral_radius(mg), "first_ten": first_ten(mg)}
    right_hand_sides = {"random_f": torch.randn_like(mg.problem.zeros()), "smooth_f": mg.problem.zeros() + 1}
    for name, f in right_hand_sides.items():
        solution = pde.solve(mg.problem, f, method="mg", mg=mg, rtol=1e-10)
        out[name] = (solution.residuals[-1] / solution.residuals[0]) ** (1 / solution.cycles)
        out[f"{name}_cycles"], out[f"{name}_result"] = solution.cycles, solution.result.name
    return out


def krylov(n: int) -> dict[str, object]:
    problem = pde.Poisson((n, n))
    f = {"random_f": torch.randn_like(problem.zeros()), "smooth_f": problem.zeros() + 1}
    runs = {name: pde.solve(problem, x, method="pcg", rtol=1e-10) for name, x in f.items()}
    return {name: {"iterations": s.cycles, "result": s.result.name} for name, s in runs.items()}


def _zero(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """u and -Δu, u = 0 on the boundary."""
    a = torch.sin(2 * torch.pi * y) * torch.exp(x)
    sin, cos = torch.sin(torch.pi * x), torch.cos(torch.pi * x)
    return a * sin, a * ((5 * torch.pi**2 - 1) * sin - 2 * torch.pi * cos)


def _given(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """u and -Δu."""
    c = torch.cos(2 * x + y)
    return c + x * y**3, 5 * c - 6 * x * y


def nested(n: int) -> dict[str, dict[str, float]]:
    """Total error of full multigrid by cycles a level, as a multiple of the discretisation error, rms."""
    problem, out = pde.Poisson((n, n)), {}
    mg = pde.multigrid(problem)
    for name, exact in {"zero boundary": _zero, "given boundary": _given}.items():
        u, f = exact(*problem.grid())
        g = exact(*problem.closed_grid())[0]
        f, lift = problem.load(f, g), problem.lift(g)
        discrete = pde.solve(problem, f, u0=lift, mg=mg, rtol=0.0).u  # to the rounding floor
        out[name] = {"discretisation_error": float((discrete - u).square().mean().sqrt())}
        for cycles in (1, 2, 3):
            start = mg.with_program(fmg(len(mg.levels), cycles=cycles))
            with torch.no_grad():
                total = start.improve(lift[None, None], f[None, None])[0, 0] - u
            error = float(total.square().mean().sqrt())
            out[name][f"cycles_{cycles}"] = error / out[name]["discretisation_error"]
    return out


def lower_ends(n: int) -> dict[str, float]:
    """The asymptotic factor of first-kind Chebyshev of degree 2 on [lo, 1] λmax by lo."""
    problem = pde.Poisson((n, n))
    roots = {lo: chebyshev_roots(2, 1.0, lo, kind=1) for lo in (0.15, 0.2, 0.22, 0.24, 0.25, 0.26, 0.28, 0.3, 0.35)}
    return {str(lo): spectral_radius(pde.multigrid(problem, smoother=rho)) for lo, rho in roots.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[31, 63, 127, 255, 511, 1023])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    began = time.perf_counter()
    results: dict[str, dict[str, object]] = {name: {} for name in (*CYCLES, "pcg, V", "fmg, V")}
    scan = lower_ends(min(127, max(args.sizes)))
    for n in args.sizes:  # a size at a time: an interrupted run keeps what it has
        for name, (options, largest) in CYCLES.items():
            if largest is None or n <= largest:
                results[name][str(n)] = factors(pde.multigrid(pde.Poisson((n, n)), *options))
                print(n, name, results[name][str(n)], flush=True)
        results["pcg, V"][str(n)], results["fmg, V"][str(n)] = krylov(n), nested(n)
        print(n, results["pcg, V"][str(n)], results["fmg, V"][str(n)], flush=True)
        settings = {"seed": args.seed, "sizes": args.sizes, "definitions": __doc__}
        path = write(
            "rates",
            {
                **settings,
                "results": results,
                "V, chebyshev1 of degree 2, asymptotic by lo": scan,
                "seconds": time.perf_counter() - began,
            },
        )
        print(path)


if __name__ == "__main__":
    main()
