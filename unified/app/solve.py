"""Solve -∇·(a∇u) + cu = f on the unit box, in 1 to 3 dimensions, and tell how the residual fell."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import arg

from ..errors import DataError


@dataclass(frozen=True)
class Options:
    shape: tuple[int, ...] = (255, 255)
    """Points of each axis, 3 or more, 1 to 3 axes."""
    bc: tuple[str, ...] = ("dirichlet",)
    """dirichlet, neumann, periodic, or a pair as dirichlet-neumann (lower and upper side): for all axes, or each."""
    a: str = "1"
    """Diffusion: a number, or a .npy file with one number a cell between points."""
    c: str = "0"
    """Reaction: a number, or a .npy file of the shape."""
    order: Literal[2, 4] = 2
    """Order of the discretisation: 2, or 4 (compact, for numbers a and c)."""
    f: str = "sine"
    """Right-hand side: sine (a product of waves, whose solution is known), random, or a .npy file of the shape."""
    boundary: float = 0.0
    """Value of u on the boundary; or the flux through it, where all sides are Neumann sides."""
    rtol: float = 1e-8
    """Tolerance: of the residual, relative to that of a smooth function with the boundary values (of zero without)."""
    max_cycles: int = 50
    """Cycles at most."""
    method: Literal["auto", "fmg", "mg", "pcg"] = "auto"
    """How to use the cycles: after a full multigrid start, from zero, or inside conjugate gradients."""
    program: Literal["V", "W", "F"] = "V"
    """The cycle."""
    smoother: str | None = None
    """split, chebyshev4, chebyshev1, optimised4, jacobi or redblack; by default split, or chebyshev4 with pcg."""
    degree: int = 2
    """Degree of the smoother's polynomial (or sweeps), before and after the coarse correction."""
    dtype: Literal["float64", "float32"] = "float64"
    """Type of the numbers."""
    mixed: bool = False
    """Run the cycles in float32, for a residual in float64."""
    device: str = "cpu"
    """cpu, cuda, cuda:1, ..."""
    seed: int = 0
    """Seed of a random right-hand side."""
    out: Path | None = None
    """Write u here, as .npy."""
    progress: bool = False
    """Show a progress bar on the terminal."""
    json: Annotated[bool, arg(help="Print the report as JSON.")] = False


def options(_: list[str]) -> type[Options]:
    return Options


def run(options: Options) -> dict[str, Any]:
    import numpy as np
    import torch

    import pde
    from pde.setup import SYMMETRIC
    from pde.smoothers import SPLIT

    dtype = getattr(torch, options.dtype)
    problem = pde.Poisson(
        options.shape,
        bc=_sides(options.bc, len(options.shape)),
        a=_coefficient("a", options.a, dtype, options.device),
        c=_coefficient("c", options.c, dtype, options.device),
        order=options.order,
        dtype=dtype,
        device=options.device,
    )
    f, exact = _right_hand_side(options, problem)
    solution = pde.solve(
        problem,
        f,
        rtol=options.rtol,
        max_cycles=options.max_cycles,
        method=options.method,
        boundary=options.boundary or None,
        precision="mixed" if options.mixed else "problem",
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
        "bc": list(options.bc),
        "order": options.order,
        "dtype": options.dtype,
        "precision": solution.precision,
        "device": options.device,
        "smoother": options.smoother or (SYMMETRIC if solution.method == "pcg" else SPLIT),
        "degree": options.degree,
        "ok": solution.result.ok,
        "result": solution.result.name,
        "message": solution.result.value,
        "method": solution.method,
        "level": solution.level,
        "cycles": solution.cycles,
        "rate": solution.rate,
        "residuals": list(solution.residuals),
        "imbalance": solution.imbalance,
        "seconds": solution.seconds,
        "error": None if exact is None else float((solution.u - exact).abs().max()),
        "out": None if options.out is None else str(options.out),
    }


def _sides(bc: tuple[str, ...], ndim: int) -> Any:
    axes = [tuple(word.split("-")) if "-" in word else word for word in bc]
    return axes * ndim if len(axes) == 1 else axes


def _coefficient(name: str, value: str, dtype: Any, device: str) -> Any:
    """A number, or the numbers of a file."""
    try:
        return float(value)
    except ValueError:
        return _load(name, value, "a number").to(dtype=dtype, device=device)


def _waves(problem: Any) -> tuple[Any, float]:
    """A product of waves that suit the sides, and its eigenvalue of -Σ a ∂²; numbers a."""
    import torch

    product, eigenvalue = torch.ones((), dtype=problem.dtype), 0.0
    lengths = (n * h for n, h in zip(problem.cells, problem.h, strict=True))
    for x, (low, high), length, a in zip(problem.grid(), problem.sides, lengths, problem.a, strict=True):
        halves = {"periodic": 2.0}.get(low, 1.0 if low == high else 0.5)
        k = halves * torch.pi / length
        product = product * (torch.cos(k * x) if low == "neumann" else torch.sin(k * x))
        eigenvalue += a * k**2
    return product, eigenvalue


def _right_hand_side(options: Options, problem: Any) -> tuple[Any, Any]:
    """f, and the solution where it is known."""
    import torch

    if options.f == "sine":
        if isinstance(problem.a, torch.Tensor) or isinstance(problem.c, torch.Tensor):
            got, do = "sine, with a or c from a file", "use --f random, or a file"
            raise DataError("f", got=got, expected="numbers a and c: then the solution is known", do=do)
        u, eigenvalue = _waves(problem)
        plain = options.boundary == 0
        known = plain or (problem.c == 0 and all(side == "dirichlet" for pair in problem.sides for side in pair))
        return (eigenvalue + problem.c) * u, u + options.boundary if known else None
    if options.f == "random":
        generator = torch.Generator().manual_seed(options.seed)
        f = torch.randn(options.shape, generator=generator, dtype=torch.float64)
        return f.to(dtype=problem.dtype, device=problem.device), None
    return _load("f", options.f, "sine, random").to(dtype=problem.dtype, device=problem.device), None


def _load(name: str, path: str, others: str) -> Any:
    """The numbers of a .npy file, in float64."""
    import numpy as np
    import torch

    source = f"{name} = {path}"
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        expected = f"{others}, or a .npy file of numbers"
        raise DataError(source, got=error, expected=expected, do="write it by numpy.save") from None
    if not isinstance(array, np.ndarray):
        raise DataError(source, got="an .npz archive", expected="a .npy file", do="write it by numpy.save")
    if array.dtype.kind not in "fiu":
        raise DataError(source, got=f"dtype {array.dtype}", expected="real numbers", do="convert to float64")
    return torch.from_numpy(array.astype(np.float64))  # torch knows neither other byte orders nor long double


def text(report: dict[str, Any]) -> str:
    shape = " x ".join(map(str, report["shape"]))
    lines = [
        f"{shape} points, {', '.join(report['bc'])}, {report['precision']}, {report['device']}: {report['method']}, "
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
