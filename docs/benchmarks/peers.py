"""Peers that run within speed.py's process. Each takes a case and solves it once, set-up and solve apart.

Settings: SETTINGS, by name. Those in PETSc are in petsc.py.
"""

from __future__ import annotations

import importlib.util
import inspect
import time
from collections.abc import Callable
from typing import NamedTuple

import scipy.fft
import torch
from speed_cases import Case
from torch import Tensor


class Run(NamedTuple):
    """One solve: u, seconds of set-up and of the solve, iterations where there are any."""

    u: Tensor
    setup: float
    solve: float
    iterations: int | None = None


def clock(device: str = "cpu") -> float:
    """Seconds, when the device is done."""
    if device != "cpu":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def eigenvalues(case: Case) -> Tensor:
    """Of the stencil of 2d + 1 points: those of sines, on the grid of their frequencies."""
    total = torch.zeros((), dtype=torch.float64, device=case.device)
    for n in case.shape:
        k = torch.arange(1, n + 1, dtype=torch.float64, device=case.device)
        total = total[..., None] + (2 * (n + 1) * torch.sin(torch.pi * k / (2 * (n + 1)))).square()
    return total


def scipy_sine(case: Case, rtol: float) -> Run:
    began, workers = clock(), torch.get_num_threads()
    transformed = scipy.fft.dstn(case.f.numpy(), type=1, workers=workers)
    torch.from_numpy(transformed).div_(eigenvalues(case))  # by all threads
    u = scipy.fft.idstn(transformed, type=1, workers=workers, overwrite_x=True)
    return Run(torch.from_numpy(u), 0.0, clock() - began)


def torch_sine(case: Case, rtol: float) -> Run:
    began = clock(case.device)
    transformed = case.f
    for axis in range(case.f.ndim):
        transformed = _sines(transformed, axis)
    u = transformed / eigenvalues(case)
    for axis, n in enumerate(case.shape):
        u = _sines(u, axis).mul_(2 / (n + 1))
    return Run(u, 0.0, clock(case.device) - began)


def _sines(x: Tensor, axis: int) -> Tensor:
    """Σ_j x_j sin(π j k / (n + 1)), by the transform of the odd extension (without its second zero: rfft pads)."""
    n = x.shape[axis]
    zero = torch.zeros_like(x.narrow(axis, 0, 1))
    odd = torch.cat([zero, x, zero, x.flip(axis).neg_()], axis)
    return torch.fft.rfft(odd, dim=axis).imag.narrow(axis, 1, n).mul(-0.5)


def pyamg_cg(name: str, **options: object) -> Callable[[Case, float], Run]:
    def solve(case: Case, rtol: float) -> Run:
        import pyamg

        A, b = case.matrix, case.f.numpy().ravel()  # made before the clock starts
        residuals: list[float] = []
        began = clock()
        hierarchy = getattr(pyamg, name)(A, **options)
        ready = clock()
        u = hierarchy.solve(b, tol=rtol, maxiter=100, accel="cg", residuals=residuals)
        return Run(torch.from_numpy(u).reshape(case.f.shape), ready - began, clock() - ready, len(residuals) - 1)

    return solve


def cupy_cg(case: Case, rtol: float) -> Run:
    import cupy
    from cupyx.scipy.sparse import csr_matrix
    from cupyx.scipy.sparse.linalg import cg

    A, b = csr_matrix(case.matrix), cupy.from_dlpack(case.f.ravel())
    steps = 0

    def count(_: object) -> None:
        nonlocal steps
        steps += 1

    tolerance = "rtol" if "rtol" in inspect.signature(cg).parameters else "tol"  # by version
    began = clock(case.device)
    u, _ = cg(A, b, maxiter=50 * max(case.shape), callback=count, **{tolerance: rtol})
    cupy.cuda.Device().synchronize()
    return Run(torch.from_dlpack(u).reshape(case.f.shape), 0.0, clock(case.device) - began, steps)


CHEBYSHEV = ("chebyshev", {"degree": 2})
PEERS: dict[str, Callable[[Case, float], Run]] = {
    "SciPy sine transform": scipy_sine,
    "PyAMG Ruge-Stüben": pyamg_cg("ruge_stuben_solver"),
    "PyAMG smoothed aggregation": pyamg_cg("smoothed_aggregation_solver"),
    "PyAMG smoothed aggregation, Chebyshev": pyamg_cg(
        "smoothed_aggregation_solver", presmoother=CHEBYSHEV, postsmoother=CHEBYSHEV
    ),
    "cuFFT sine transform": torch_sine,
    "CuPy CG": cupy_cg,
}
SETTINGS = {
    "SciPy sine transform": "scipy.fft.dstn and idstn of type 1, workers = threads, in place where they can be",
    "PyAMG Ruge-Stüben": 'ruge_stuben_solver(A) as it comes (symmetric Gauss-Seidel, V), accel="cg"; one thread',
    "PyAMG smoothed aggregation": 'smoothed_aggregation_solver(A) as it comes (symmetric Gauss-Seidel, V), accel="cg"; '
    "one thread",
    "PyAMG smoothed aggregation, Chebyshev": "the same with Chebyshev of degree 2 for its smoothers",
    "cuFFT sine transform": "torch.fft.rfft of odd extensions, axis by axis",
    "CuPy CG": "cupyx.scipy.sparse.linalg.cg, a CSR matrix, no preconditioner",
}
NEEDS = {"PyAMG": "pyamg", "CuPy": "cupy"}


def missing(name: str) -> str | None:
    """Why that peer cannot run here."""
    module = next((module for start, module in NEEDS.items() if name.startswith(start)), None)
    return f"{module} is not installed" if module and importlib.util.find_spec(module) is None else None
