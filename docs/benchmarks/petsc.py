"""Peers in PETSc: geometric multigrid (PCMG) and hypre's BoomerAMG, around them conjugate gradients. Run by speed.py:

mpiexec -n 2 /usr/bin/python3 docs/benchmarks/petsc.py F.npy [--methods NAME ...] [--rtol 1e-8] [--save FOLDER]

Plain Python with numpy and petsc4py (Debian: python3-petsc4py). -Δu = f on the unit box, u = 0 on its boundary; F.npy
has f at the n points an axis within it. Prints a line of JSON: the version, and seconds and iterations by method.

PCMG: n = 2^k - 1. DMDAs coarsen from 2^k + 1 points an axis, so the boundary's points are in the system, with a row of
the diagonal alone. No other row refers to them, and the interpolation (PETSc's own, linear) is zero there: they take no
part. The stencil of 5 or 7 points, times h^d, is assembled on each level; the restriction is the interpolation's
transpose. Down to 9 points an axis, which are solved by LU.
BoomerAMG: the same stencil on the n points alone.
Conjugate gradients stop by the residual that is not preconditioned, and start from zero.

Seconds: "assembly" of matrices (and interpolations), "setup" (KSPSetUp), "first iteration" (a KSPSolve of one, which
makes what was put off and counts as neither), "solve" (KSPSolve).
"""

import argparse
import json
import sys
import time
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

try:
    import petsc4py
except ImportError:  # Debian keeps it beside its build of PETSc; PETSC_DIR would say which
    sys.path += sorted(map(str, Path("/usr/lib/petscdir").glob("*/*-real/lib/python3/dist-packages")))
    import petsc4py

petsc4py.init(sys.argv[:1])
from petsc4py import PETSc  # noqa: E402

WORLD = PETSc.COMM_WORLD
COARSEST = 9
SMOOTHER = "-pc_type mg -mg_levels_ksp_type {} -mg_levels_ksp_max_it {} -mg_levels_pc_type {}"
BOOMER = "-pc_type hypre -pc_hypre_type boomeramg"
HMIS = (
    f"{BOOMER} -pc_hypre_boomeramg_coarsen_type HMIS -pc_hypre_boomeramg_interp_type ext+i "
    "-pc_hypre_boomeramg_P_max 4 -pc_hypre_boomeramg_strong_threshold THRESHOLD"  # 0.25 in 2-D, 0.5 in 3-D
)
METHODS = {
    "PCMG, defaults": "-pc_type mg",  # Chebyshev 2 with SOR
    "PCMG, Chebyshev 2 with Jacobi": SMOOTHER.format("chebyshev", 2, "jacobi"),
    "PCMG, Chebyshev 1 with SOR": SMOOTHER.format("chebyshev", 1, "sor"),
    "PCMG, SOR": SMOOTHER.format("richardson", 1, "sor"),
    "BoomerAMG, defaults": BOOMER,
    "BoomerAMG, HMIS": HMIS,
    "BoomerAMG, HMIS, aggressive": f"{HMIS} -pc_hypre_boomeramg_agg_nl 1",
}


class Grid:
    """Points of a box, split among the ranks along axis 0. wall: how many outermost points are on the boundary."""

    def __init__(self, da, wall):
        self.da, self.wall, self.points, self.ndim = da, wall, da.getSizes()[0], da.getDim()
        self.first, self.end = da.getRanges()[-1]  # PETSc's axes are ours backwards
        self.at = np.ogrid[(slice(self.first, self.end), *[slice(self.points)] * (self.ndim - 1))]
        self.inside = np.logical_and.reduce(np.broadcast_arrays(*map(self.within, self.at)))
        self.h = 1 / (self.points + 1 - 2 * wall)

    def within(self, index):
        return (index >= self.wall) & (index < self.points - self.wall)

    def laplacian(self):
        """The stencil times h^d; rows and columns of the boundary are its diagonal alone."""
        ndim, strides = self.ndim, [self.points ** (self.ndim - 1 - k) for k in range(self.ndim)]
        keep = np.ones((*self.inside.shape, 2 * ndim + 1), dtype=bool)
        for k, at in enumerate(self.at):  # columns ascend: -stride of axis 0, of axis 1, ..., 0, ..., +stride of axis 0
            keep[..., k], keep[..., 2 * ndim - k] = (self.inside & self.within(at + step) for step in (-1, 1))
        keep = keep.reshape(-1, 2 * ndim + 1)
        start = self.first * strides[0]
        offsets = np.array([*(-s for s in strides), 0, *reversed(strides)], dtype=PETSc.IntType)
        rows = np.append(0, np.cumsum(keep.sum(1))).astype(PETSc.IntType)
        columns = (np.arange(start, start + len(keep), dtype=PETSc.IntType)[:, None] + offsets)[keep]
        row = np.full(2 * ndim + 1, -(self.h ** (ndim - 2)))
        row[ndim] *= -2 * ndim
        values, sizes = np.broadcast_to(row, keep.shape)[keep], (len(keep), self.points**ndim)
        A = PETSc.Mat().createAIJ((sizes, sizes), csr=(rows, columns, values), comm=WORLD)
        A.setOption(PETSc.Mat.Option.SPD, True)
        return A

    def vector(self, values):
        x = self.da.createGlobalVec()
        x.setArray(np.ascontiguousarray(values, dtype=float).ravel())
        return x

    def load(self, f):
        """f (the points within) times h^d, zero on the boundary."""
        out = np.zeros(self.inside.shape)
        out[self.inside] = f[self.mine()].ravel()
        return self.vector(out * self.h**self.ndim)

    def mine(self):
        """This rank's rows among the points within."""
        return slice(max(self.first - self.wall, 0), self.end - self.wall)

    def values(self, x):
        """At the points within."""
        rows = np.flatnonzero(self.within(self.at[0]))
        return x.getArray()[self.inside.ravel()].reshape(len(rows), *[self.points - 2 * self.wall] * (self.ndim - 1))


def grid(points, ndim, wall):
    ranks = [1] * (ndim - 1) + [WORLD.size]  # so PETSc's numbering is that of the array
    return Grid(PETSc.DMDA().create(ndim, sizes=[points] * ndim, proc_sizes=ranks, stencil_width=1, comm=WORLD), wall)


def interpolation(coarse, fine):
    P, _ = coarse.da.createInterpolation(fine.da)
    P.diagonalScale(fine.vector(fine.inside), coarse.vector(coarse.inside))
    return P


def assemble(n, ndim, geometric):
    """Grids, matrices and interpolations, finest first."""
    grids = [grid(n + 2, ndim, 1) if geometric else grid(n, ndim, 0)]
    while geometric and grids[-1].points > COARSEST:
        grids.append(Grid(grids[-1].da.coarsen(), 1))
    return grids, [g.laplacian() for g in grids], [interpolation(c, f) for f, c in pairwise(grids)]


def solver(options, matrices, interpolations, rtol):
    for name in PETSc.Options().getAll():
        PETSc.Options().delValue(name)
    PETSc.Options().insertString(options)
    ksp = PETSc.KSP().create(comm=WORLD)
    ksp.setType("cg")
    ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
    ksp.setTolerances(rtol=rtol, atol=0, max_it=200)
    ksp.setOperators(matrices[0])
    pc = ksp.getPC()
    if interpolations:
        pc.setType("mg")
        pc.setMGLevels(len(matrices))
        for i, A in enumerate(reversed(matrices)):  # PETSc's level 0 is the coarsest
            pc.getMGSmoother(i).setOperators(A)
        for i, P in enumerate(reversed(interpolations), start=1):
            pc.setMGInterpolation(i, P)
    ksp.setFromOptions()
    return ksp


def timed(action):
    WORLD.barrier()
    began = time.perf_counter()
    action()
    WORLD.barrier()
    return time.perf_counter() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("f", help="an array in NumPy's format")
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=METHODS)
    parser.add_argument("--rtol", type=float, default=1e-8)
    parser.add_argument("--save", type=Path, help="each rank's rows of u go here, METHOD.RANK.npy")
    args = parser.parse_args()
    results = {}
    f = np.load(args.f, mmap_mode="r")
    for kind in ("PCMG", "BoomerAMG"):
        methods = [name for name in args.methods if name.startswith(kind)]
        if not methods:
            continue
        began = time.perf_counter()
        grids, matrices, interpolations = assemble(f.shape[0], f.ndim, kind == "PCMG")
        assembly = time.perf_counter() - began
        b = grids[0].load(f)
        for name in methods:
            options = METHODS[name].replace("THRESHOLD", "0.25" if f.ndim == 2 else "0.5")
            x = b.duplicate()
            ksp = solver(options, matrices, interpolations, args.rtol)
            seconds = {"assembly": assembly, "setup": timed(ksp.setUp)}
            most = ksp.getTolerances()[-1]
            ksp.setTolerances(max_it=1)
            seconds["first iteration"] = timed(partial(ksp.solve, b, x))
            ksp.setTolerances(max_it=most)
            seconds["solve"] = timed(partial(ksp.solve, b, x))
            row = {"options": f"-ksp_type cg {options}", "seconds": seconds, "iterations": ksp.getIterationNumber()}
            results[name] = row
            if args.save:
                np.save(args.save / f"{name}.{WORLD.rank}.npy", grids[0].values(x))
            ksp.destroy()
    if WORLD.rank == 0:
        about = {"version": ".".join(map(str, PETSc.Sys.getVersion())), "ranks": WORLD.size}
        print(json.dumps({**about, "methods": results}))


if __name__ == "__main__":
    main()
