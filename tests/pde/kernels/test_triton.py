"""The kernels of a CUDA device against the composed level.

On the CPU they run under Triton's interpreter. That is chosen when Triton is imported, so in a process of its own: this
file once more, by its one test that is not for a GPU.
"""

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import pde
from pde.coarse import DirectSolve
from pde.kernels.gpu.device import move
from pde.kernels.plan import plan
from pde.setup import multigrid
from unified.multigrid import State, execute
from unified.program import named
from unified.smoother import residual

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = torch.device("cpu" if INTERPRETED else "cuda")
pytestmark = pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="needs triton")
kernels = pytest.mark.filterwarnings("default") if INTERPRETED else pytest.mark.gpu

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
EVERY = [(start, n, n == start or n == 0) for start, n in itertools.product((ZERO, GIVEN, CORRECTED), range(4))]
FEW = [(ZERO, 2, True), (GIVEN, 1, False), (CORRECTED, 2, False)]
PLANE, BOX = CASES[0], CASES[8]
SWEEPS = [  # and up to which dimension what can be fused is
    *((case, torch.float64, EVERY if case is PLANE else FEW, 2) for case in CASES),
    *((case, torch.float32, FEW, 2) for case in (PLANE, BOX)),
    (PLANE, torch.float64, [(CORRECTED, 1, True)], 1),
    (((3, 3, 3), "dirichlet", 1.0, 0, 1), torch.float64, [(CORRECTED, 1, True)], 3),
]
PROGRAMS = [  # in one launch
    (CASES[0], "W", False, torch.float64),
    (CASES[1], "V", True, torch.float32),
    (CASES[3], "fmg", False, torch.float64),
    (CASES[7], "V", True, torch.float64),
    (BOX, "V", False, torch.float64),
]


def test_kernels_under_the_interpreter():
    if INTERPRETED:
        pytest.skip("it is what runs")
    root = Path(__file__).parents[3]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__]
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]


@pytest.fixture(autouse=True, scope="module")
def quick():
    """The interpreter patches Triton at every call of a function, which takes most of its time: once is enough."""
    if not INTERPRETED:
        return
    import triton.language as tl
    import triton.runtime.interpreter as interpreter

    from pde.kernels.gpu import points

    if hasattr(interpreter, "_LangPatchScope"):  # of Triton 3.9
        for function in (points.wrap, tl.zeros):
            interpreter._patch_lang(function.fn)
        interpreter._patch_lang = lambda fn: interpreter._LangPatchScope()


class Setting:
    """A composed level on the CPU, random u, f and coarse e, and the plans of all levels on a device."""

    def __init__(self, shape, bc, a, i, batch, dtype, device=DEVICE, degree=2):
        problem = pde.Poisson(shape, bc=bc, a=a, c=0.7, dtype=dtype)
        self.mg = multigrid(problem, degree=degree, coarsest=4, level="composed")
        self.grid, self.level = self.mg.grids[i], self.mg.levels[i]
        kind, each = np.dtype(str(dtype).removeprefix("torch.")), (a,) * len(shape) if isinstance(a, float) else a
        self.plans = []
        for grid, level in zip(self.mg.grids, self.mg.levels, strict=True):
            level.extrapolation = None  # of starts in nested iteration: not a kernel's
            self.plans.append(move(plan(grid, level, each, 0.7, kind), level.interpolation, device))
        self.plan = self.plans[i]
        shapes = (self.grid.shape, self.grid.shape, self.mg.grids[i + 1].shape)
        self.u, self.f, self.e = (torch.randn(batch, 1, *shape, dtype=dtype) for shape in shapes)
        self.steps = torch.tensor([0.9, 0.4, 0.7], dtype=dtype)

    def sweep(self, start, count, *, restricting=True, source=None, device=DEVICE):
        """`sweep` of those of `steps`; its result and the restricted residual."""
        from pde.kernels.gpu.sweep import sweep

        u, f, e, steps = (x.to(device, copy=True) for x in (self.u, self.f, self.e, self.steps))
        work, coarse = torch.full_like(u, torch.nan), torch.full_like(e, torch.nan) if restricting else None
        source, e = u if source is None else source, e if start == CORRECTED else None
        return sweep(self.plan, start, steps[:count], source, u, work, f, e, coarse, sums=True), coarse, u

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

    from pde.kernels.gpu import sweep as module
    from pde.kernels.gpu.nested import interpolate
    from pde.kernels.gpu.tail import Tail

    compiled = []

    def compile_only(function, *args, grid, warmup, **options):
        compiled.append(launch(function, *args, grid=grid, warmup=True, **options).asm["cubin"])

    launch = JITFunction.run
    monkeypatch.setattr(JITFunction, "run", compile_only)
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(driver, "_active", Hopper())
    for case in (PLANE, BOX):
        here = Setting(*case, torch.float64, device="cpu")
        for start in (ZERO, GIVEN, CORRECTED):
            here.sweep(start, 1, restricting=start > ZERO, device="cpu")
        interpolate(here.plan, here.u, here.e, torch.empty_like(here.u))
    monkeypatch.setattr(module, "FUSED_CORRECTION", 3)
    monkeypatch.setattr(module, "FUSED_RESTRICTION", 3)
    here.sweep(CORRECTED, 1, device="cpu")
    Tail(here.plans, here.mg.levels[-1].solver.inverse[0], named("V", len(here.plans)))()
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
        (u, sums), coarse, _ = here.sweep(start, count, restricting=restricting)
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
        out, _, u = here.sweep(start, count, restricting=False, source=source)
        assert out.u is u
        assert out.sums is None
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


@kernels
@pytest.mark.parametrize(("case", "name", "given", "dtype"), PROGRAMS, ids=str)
def test_small_levels_in_one_launch(case, name, given, dtype):
    from pde.kernels.gpu.tail import Tail

    here = Setting(*case[:3], 0, case[4], dtype)
    levels = list(here.mg.levels)[: 3 if name == "W" else 2]
    program = named(name, len(levels))
    levels[-1].solver = solver = DirectSolve(levels[-1].A)
    tail = Tail(here.plans[: len(levels)], solver.inverse[0].to(DEVICE), program, case[4], given)
    tail.f.copy_(here.f)
    tail.start.copy_(here.u)
    expected = execute(program, levels, State(here.u if given else None, here.f))[0].u
    assert close(tail(), expected)


@kernels
@pytest.mark.parametrize(("alone", "degree"), [(0, 2), (1, 1)])
def test_a_cycle_of_kernels_is_a_cycle(alone, degree):
    """alone: the levels above those in one launch; an odd number of steps leaves u in the other buffer."""
    from pde.kernels.gpu.vcycle import VCycle

    here = Setting((12, 11), [("dirichlet", "neumann"), "periodic"], 1.0, 0, 1, torch.float64, degree=degree)
    inverse = here.mg.levels[-1].solver.inverse[0].to(DEVICE)
    cycle = VCycle(here.plans, inverse, 1, alone=alone)
    cycle.f.copy_(here.f)
    cycle.u.copy_(here.u)
    assert cycle().data_ptr() == cycle.u.data_ptr()
    assert close(cycle.u, here.mg(here.f, here.u))


@pytest.mark.gpu
def test_a_replayed_graph_repeats_its_launches():
    from pde.kernels.gpu.graph import Graph
    from pde.kernels.gpu.sweep import sweep

    here = Setting((255, 254), CORNER, 1.0, 0, 2, torch.float64)
    u, f, e = (x.to(DEVICE) for x in (here.u, here.f, here.e))
    work, coarse = torch.empty_like(u), torch.empty_like(e)

    def run():
        return sweep(here.plan, CORRECTED, here.plan.pre, u, u, work, f, e, coarse, sums=True)

    graph = Graph(run, DEVICE)
    for _ in range(2):
        f.normal_()
        e.normal_()
        start = u.normal_().clone()
        out = graph()
        replayed = [x.clone() for x in (out.u, coarse, out.sums)]
        u.copy_(start)
        out = run()
        assert all(torch.equal(x, y) for x, y in zip(replayed, (out.u, coarse, out.sums), strict=True))
