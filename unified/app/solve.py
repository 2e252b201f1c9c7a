"""Solve -Δu = f on the unit square, with given values on its boundary, and tell how the residual fell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from ..errors import DataError


@dataclass(frozen=True)
class Options:
    shape: tuple[int, int] = (255, 255)
    """Interior points of each axis, m·2^k - 1."""
    f: str = "sine"
    """Right-hand side: sine (the solution is known), random, or a .npy file of that shape."""
    boundary: float = 0.0
    """Value of u on the boundary."""
    rtol: float = 1e-8
    """Tolerance: the residual's norm relative to f's."""
    max_cycles: int = 50
    """Cycles at most."""
    method: Literal["auto", "fmg", "mg", "pcg"] = "auto"
    """How to use the cycles: after a full multigrid start, from zero, or inside conjugate gradients."""
    program: Literal["V", "W", "F"] = "V"
    """The cycle."""
    smoother: str = "chebyshev4"
    """chebyshev4, chebyshev1, optimised4 or jacobi."""
    degree: int = 2
    """Degree of the smoother's polynomial, before and after the coarse correction."""
    dtype: Literal["float64", "float32"] = "float64"
    """Precision."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, ..."""
    seed: int = 0
    """Seed of a random right-hand side."""
    out: Path | None = None
    """Write u here, as .npy."""
    progress: bool = False
    """Show a progress bar on the terminal."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options() -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    import numpy as np
    import torch

    import pde

    problem = pde.Poisson(options.shape, dtype=getattr(torch, options.dtype), device=options.device)
    f, exact = _right_hand_side(options, problem)
    solution = pde.solve(
        problem,
        f,
        rtol=options.rtol,
        max_cycles=options.max_cycles,
        method=options.method,
        boundary=options.boundary,
        progress=options.progress,
        program=options.program,
        smoother=options.smoother,
        degree=options.degree,
    )
    if options.out is not None:
        try:
            with open(options.out, "wb") as file:
                np.save(file, solution.u.cpu().numpy())
        except OSError as error:
            raise DataError(
                str(options.out), got=error.strerror, expected="a file to write", do="use another --out"
            ) from None
    return {
        "shape": list(options.shape),
        "dtype": options.dtype,
        "device": options.device,
        "smoother": options.smoother,
        "degree": options.degree,
        "ok": solution.result.ok,
        "result": solution.result.name,
        "message": solution.result.value,
        "method": solution.method,
        "level": solution.level,
        "cycles": solution.cycles,
        "rate": solution.rate,
        "residuals": list(solution.residuals),
        "seconds": solution.seconds,
        "error": None if exact is None else float((solution.u - exact).abs().max()),
        "out": None if options.out is None else str(options.out),
    }


def _right_hand_side(options: Options, problem: Any) -> tuple[Any, Any]:
    """f, and the solution where it is known."""
    import numpy as np
    import torch

    if options.f == "sine":
        x, y = problem.grid()
        u = torch.sin(torch.pi * x) * torch.sin(torch.pi * y)
        return 2 * torch.pi**2 * u, u + options.boundary
    if options.f == "random":
        generator = torch.Generator().manual_seed(options.seed)
        f = torch.randn(options.shape, generator=generator, dtype=torch.float64)
        return f.to(dtype=problem.dtype, device=problem.device), None
    try:
        array = np.load(options.f, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"f = {options.f}",
            got=error,
            expected="sine, random, or a .npy file of numbers",
            do="write it by numpy.save",
        ) from None
    if not isinstance(array, np.ndarray):
        raise DataError(f"f = {options.f}", got="an .npz archive", expected="a .npy file", do="write it by numpy.save")
    if array.dtype.kind not in "fiu":
        raise DataError(
            f"f = {options.f}", got=f"dtype {array.dtype}", expected="real numbers", do="convert to float64"
        )
    array = array.astype(np.float64)  # torch knows neither other byte orders nor long double
    return torch.from_numpy(array).to(dtype=problem.dtype, device=problem.device), None


def text(report: dict[str, Any]) -> str:
    shape = " x ".join(map(str, report["shape"]))
    lines = [
        f"-Δu = f on {shape} points, {report['dtype']}, {report['device']}: {report['method']}, "
        f"{report['smoother']} of degree {report['degree']}, {report['level']} levels",
        "",
        "cycle  relative residual  factor",
    ]
    before = None
    for cycle, residual in enumerate(report["residuals"]):
        factor = f"{residual / before:6.3f}" if before else "     -"
        lines.append(f"{cycle:5}  {residual:17.3e}  {factor}")
        before = residual
    seconds = ", ".join(f"{phase} {value:.3f} s" for phase, value in report["seconds"].items())
    rate = f"rate {report['rate']:.3f} a cycle; " if report["cycles"] else ""
    lines += ["", report["message"], rate + seconds]
    if report["error"] is not None:
        lines.append(f"largest error against the exact solution of the differential equation: {report['error']:.2e}")
    if report["out"]:
        lines.append(f"u is in {report['out']}")
    return "\n".join(lines)
