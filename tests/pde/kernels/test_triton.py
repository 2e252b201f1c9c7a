"""The kernels of a CUDA device against the composed level.

On the CPU they run under Triton's interpreter. That is chosen when Triton is imported, so in a process of its own: this
file once more, and `test_cuda_level.py`, by one test.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import pde
from pde.kernels import build
from pde.kernels.gpu.device import move
from pde.kernels.plan import plan
from pde.setup import multigrid
from unified.multigrid import State, execute
from unified.smoother import residual

from .interpreter import DEVICE, INTERPRETED, kernels
from .interpreter import quick as quick

pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")

ZERO, GIVEN, CORRECTED = range(3)
DTYPES = {torch.float64: 1e-12, torch.float32: 1e-5}
CORNER = [("dirichlet", "neumann"), ("neumann", "dirichlet")]
CASES = [  # shape, sides, a, level, batch
    ((17, 20), "dirichlet", 1.0, 0, 1),
    ((16, 13), "neumann", 1.0, 0, 1),
    ((16, 11), "periodic", 1.0, 0, 2),
    ((21, 22), "periodic", 1.0, 1, 1),  # an odd coarse grid, which counts from elsewhere
    ((18, 15), ["periodic", ("neumann", "dirichlet")], (1.0, 1.5), 1, 2),
    ((30, 25), CORNER, 1.0, 1, 1),
    ((16, 15), "dirichlet", (1.0, 9.0), 0, 1),  # coarsened along one axis
    ((13, 16), ["neumann", "periodic"], (9.0, 1.0), 0, 2),
    ((5, 5, 5), "dirichlet", 1.0, 0, 1),
    ((6, 6, 6), ["periodic", "neumann", "periodic"], (1.0, 1.4, 1.0), 0, 1),
    ((5, 10, 7), [*CORNER, "periodic"], 1.0, 0, 1),
    ((3, 8, 6), ["periodic", "dirichlet", "neumann"], (1.0, 9.0, 9.0), 0, 2),
]
# start, steps, whether the residual is restricted
EVERY = [(ZERO, 0, True), (CORRECTED, 0, True), (CORRECTED, 2, True)]
EVERY += [(GIVEN, 0, True), (GIVEN, 1, False), (GIVEN, 2, True)]
FEW = [(ZERO, 1, True), (CORRECTED, 1, False)]
PLANE = CASES[0]
SWEEPS = [  # and up to which dimension what can be fused is
    *((case, torch.float64, EVERY if case is PLANE else FEW, 2) for case in CASES),
    (PLANE, torch.float32, FEW, 2),
    (PLANE, torch.float64, [(CORRECTED, 1, True)], 1),
    (((3, 3, 3), "dirichlet", 1.0, 0, 1), torch.float64, [(CORRECTED, 1, True)], 3),
]


def test_kernels_under_the_interpreter():
    if INTERPRETED:
        pytest.skip("it is what runs")
    root = Path(__file__).parents[3]
    files = [__file__, Path(__file__).with_name("test_cuda_level.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]


class Setting:
    """A composed level on the CPU, random u, f and coarse e, and the plans of all levels on a device."""

    def __init__(self, shape, bc, a, i, batch, dtype, device=DEVICE, degree=2):
        problem = pde.Poisson(shape, bc=bc, a=a, c=0.7, dtype=dtype)
        self.mg = multigrid(problem, degree=degree, coarsest=4, level="composed")
        self.grid, self.level = self.mg.grids[i], self.mg.levels[i]
        kind, each = np.dtype(str(dtype).removeprefix("torch.")), (a,) * len(shape) if isinstance(a, float) else a
        self.plan = move(plan(self.grid, self.level, each, 0.7, kind), device)
        shapes = (self.grid.shape, self.grid.shape, self.mg.grids[i + 1].shape)
        self.u, self.f, self.e = (torch.randn(batch, 1, *shape, dtype=dtype) for shape in shapes)
        self.steps = torch.tensor([0.9, 0.4, 0.7], dtype=dtype)

    def sweep(self, start, count, *, restricting=True, source=None, device=DEVICE):
        """`sweep` of those of `steps`: its result, its sums, the restricted residual, and what it may write to."""
        from pde.kernels.gpu.sweep import sweep, total

        u, f, e, steps = (x.to(device, copy=True) for x in (self.u, self.f, self.e, self.steps))
        work, coarse = torch.full_like(u, torch.nan), torch.full_like(e, torch.nan) if restricting else None
        source, e = u if source is None else source, e if start == CORRECTED else None
        out, parts = sweep(self.plan, start, steps[:count], source, u, work, f, e, coarse, sums=restricting)
        return out, None if parts is None else total(parts, len(u)), coarse, u

    def swept(self, start, count):
        """u after those steps, its residual, and that restricted."""
        state = State(None if start == ZERO else self.u, self.f)
        u = self.level.up(state, State(self.e, self.e)).u if start == CORRECTED else state.u
        for omega in self.steps[:count]:
            d = omega * residual(self.grid.A, u, self.f) / self.grid.A.l1_diagonal.to(self.f)
            u = d if u is None else u + d
        r = residual(self.grid.A, u, self.f)
        return u, r, self.level.R(r)


def close(x, y):
    return float((x.cpu() - y).abs().max()) <= DTYPES[y.dtype] * max(float(y.abs().max()), 1.0)


@pytest.mark.skipif(INTERPRETED or torch.cuda.is_available(), reason="others compile them")
def test_kernels_compile_for_a_device_that_is_not_here(monkeypatch, tmp_path):
    """The interpreter takes what the compiler does not."""
    from triton.runtime import driver
    from triton.runtime.jit import JITFunction

    compiled = []

    def compile_only(function, *args, grid, warmup, **options):
        compiled.append(launch(function, *args, grid=grid, warmup=True, **options).asm["cubin"])

    launch = JITFunction.run
    monkeypatch.setattr(JITFunction, "run", compile_only)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(driver, "_active", Hopper())
    for shape in ((17, 20), (5, 6, 5)):
        composed = multigrid(pde.Poisson(shape), "fmg", degree=1, level="composed")
        levels, _ = build.on_cuda(composed.problem, composed.grids, list(composed.levels))
        f = torch.zeros(1, 1, *shape, dtype=torch.float64)
        states = execute(composed.program, levels, State(None, f))
        levels[0].norms(states[0].u, f)
        levels[0].product(f)
    assert len(compiled) > 15
    assert all(compiled)


class Hopper:
    """What Triton asks of a driver when it compiles."""

    def get_current_target(self):
        from triton.backends.compiler import GPUTarget

        return GPUTarget("cuda", 90, 32)

    def get_current_device(self):
        return 0

    def get_current_stream(self, device):
        return 0

    class launcher_cls:  # noqa: N801
        def __init__(self, *args):
            pass


@kernels
@pytest.mark.parametrize(("case", "dtype", "modes", "fused"), SWEEPS, ids=str)
def test_a_sweep_is_steps_and_a_restriction(case, dtype, modes, fused, monkeypatch):
    from pde.kernels.gpu import launch
    from pde.kernels.gpu import sweep as module

    monkeypatch.setattr(module, "FUSED_CORRECTION", fused)
    monkeypatch.setattr(module, "FUSED_RESTRICTION", fused)
    if INTERPRETED:  # where a program takes as long as it has lines: one a plane, but several in one case
        points, columns = (64, 32) if case is CASES[1] else (512, 128)
        for name, number in (("POINTS", points), ("FEW", points), ("COLUMNS", columns)):
            monkeypatch.setattr(launch, name, number)
    here = Setting(*case, dtype)
    for start, count, restricting in modes:
        u, sums, coarse, _ = here.sweep(start, count, restricting=restricting)
        expected, r, restricted = here.swept(start, count)
        assert (u is None) == (expected is None)
        assert u is None or close(u, expected), (start, count)
        if restricting:
            assert close(coarse, restricted), (start, count)
            x = torch.zeros_like(r) if u is None else expected
            squares = torch.stack([y.double().square().flatten(1).sum(1) for y in (r, x)], 1)
            torch.testing.assert_close(sums.cpu(), squares, rtol=10 * DTYPES[dtype], atol=0)


@kernels
def test_the_result_is_in_u_from_another_source():
    here = Setting((12, 13), "dirichlet", 1.0, 0, 1, torch.float64)
    for start, count in ((ZERO, 1), (GIVEN, 2), (GIVEN, 1), (CORRECTED, 2)):
        source = here.u.to(DEVICE, copy=True)
        out, sums, _, u = here.sweep(start, count, restricting=False, source=source)
        assert out is u
        assert sums is None
        assert torch.equal(source.cpu(), here.u)
        assert close(u, here.swept(start, count)[0])


@kernels
@pytest.mark.parametrize(
    ("case", "dtype"), [*((case, torch.float64) for case in CASES), (PLANE, torch.float32)], ids=str
)
def test_interpolation_is_that_of_the_composed_level(case, dtype):
    from pde.kernels.gpu.nested import interpolate

    here = Setting(*case, dtype)
    out = torch.empty_like(here.u, device=DEVICE)
    interpolate(here.plan, out, here.e.to(DEVICE), torch.empty_like(out))
    assert close(out, here.level.interpolate(State(None, here.f), State(here.e, here.e)).u)


@pytest.mark.gpu
def test_a_replayed_graph_repeats_its_launches():
    from pde.kernels.gpu.graph import Graph
    from pde.kernels.gpu.sweep import sweep

    here = Setting((255, 254), CORNER, 1.0, 0, 2, torch.float64)
    u, f, e = (x.to(DEVICE) for x in (here.u, here.f, here.e))
    work, coarse = torch.empty_like(u), torch.empty_like(e)

    def run():
        out, parts = sweep(here.plan, CORRECTED, here.plan.pre, u, u, work, f, e, coarse, sums=True)
        return out, coarse, parts

    graph = Graph(run, DEVICE)
    for _ in range(2):
        f.normal_()
        e.normal_()
        start = u.normal_().clone()
        replayed = [x.clone() for x in graph()]
        u.copy_(start)
        assert all(torch.equal(x, y) for x, y in zip(replayed, run(), strict=True))
