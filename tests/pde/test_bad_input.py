"""Every bad input gives one error that names the argument, what it got, what it expects and what to do."""

import re

import numpy as np
import pytest
import torch

import pde
from unified import ArgumentError, polynomial

NAN = float("nan")
P = pde.Poisson((15, 15))
F = P.zeros()


NEUMANN = pde.Poisson((15, 15), bc="neumann")
MIXED = pde.Poisson((15, 15), bc=[("dirichlet", "neumann"), "periodic"])
SINGLE = pde.Poisson((15, 15), dtype=torch.float32)
CUBIC = pde.Poisson((15, 15), g=lambda u: u**3)
BATCH = pde.Poisson((15, 15), a=torch.ones(2, 16, 16, dtype=torch.float64))


def field(shape, value):
    out = torch.ones(shape, dtype=torch.float64)
    out[1, 2] = value
    return out


def fields(batch, n):
    return torch.ones(batch, n, n, dtype=torch.float64)


def with_value(value):
    f = F.clone()
    f[3, 4] = value
    return f


CASES = [
    # problem
    ("shape", "1 to 3 whole numbers", lambda: pde.Poisson(15)),
    ("shape", "1 to 3 whole numbers", lambda: pde.Poisson((15, 0))),
    ("shape", "1 to 3 whole numbers", lambda: pde.Poisson((15, 1.5))),
    ("shape", "1 to 3 whole numbers", lambda: pde.Poisson((3, 3, 3, 3))),
    ("bc", "dirichlet", lambda: pde.Poisson((15, 15), bc="robin")),
    ("shape", ">= 3", lambda: pde.Poisson((15, 2))),
    ("bc", "one of dirichlet, neumann, periodic", lambda: pde.Poisson((15, 15), bc=("dirichlet",))),
    ("bc", "a pair (lower, upper)", lambda: pde.Poisson((15, 15), bc=[("dirichlet",) * 3, "neumann"])),
    ("bc", "periodic on both sides", lambda: pde.Poisson((15,), bc=[("dirichlet", "periodic")])),
    ("a", "positive numbers", lambda: pde.Poisson((15, 15), a=0.0)),
    ("a", "positive numbers", lambda: pde.Poisson((15, 15), a=NAN)),
    ("a", "one an axis", lambda: pde.Poisson((15, 15), a=(1.0, 2.0, 3.0))),
    ("a", "the cells (16, 16)", lambda: pde.Poisson((15, 15), a=F + 1)),
    ("a", "a > 0 everywhere", lambda: pde.Poisson((15, 15), a=field((16, 16), 0.0))),
    ("a", "a > 0 everywhere", lambda: pde.Poisson((15, 15), a=lambda x, y: x - 0.5)),
    ("a", "finite", lambda: pde.Poisson((15, 15), a=field((16, 16), NAN))),
    ("a", "torch.float64 on cpu", lambda: pde.Poisson((15, 15), a=torch.ones(16, 16))),
    ("a", "torch.float64 on cpu", lambda: pde.Poisson((15, 15), a=field((16, 16), 1.0).to("meta"))),
    ("a", "a tensor of the cells", lambda: pde.Poisson((15, 15), a="one")),
    ("c", ">= 0", lambda: pde.Poisson((15, 15), c=-1.0)),
    ("c", "c >= 0 everywhere", lambda: pde.Poisson((15, 15), c=F - 1)),
    ("c", "a tensor of the grid (15, 15)", lambda: pde.Poisson((15, 15), c=field((16, 16), 1.0))),
    ("c", "as many as of a", lambda: pde.Poisson((15, 15), a=fields(2, 16), c=fields(3, 15))),
    ("g", "a function of u", lambda: pde.Poisson((15, 15), g=3.0)),
    ("g", "the same shape", lambda: pde.solve(pde.Poisson((15, 15), g=lambda u: u.sum()), F)),
    ("order", "2 or 4", lambda: pde.Poisson((15, 15), order=3)),
    ("order", "constant a and c", lambda: pde.Poisson((15, 15), order=4, a=fields(1, 16))),
    ("spacing", "one for each axis", lambda: pde.Poisson((15, 15), spacing=(0.1,))),
    ("spacing", "positive", lambda: pde.Poisson((15, 15), spacing=-1.0)),
    ("spacing", "positive", lambda: pde.Poisson((15, 15), spacing=NAN)),
    ("spacing", "positive", lambda: pde.Poisson((15, 15), spacing="fine")),
    ("spacing", "from 1e-100", lambda: pde.Poisson((15, 15), spacing=1e-200)),
    ("spacing", "to 1e100", lambda: pde.Poisson((15, 15), spacing=1e200)),
    ("dtype", "torch.float64", lambda: pde.Poisson((15, 15), dtype=torch.int64)),
    ("dtype", "torch.float64", lambda: pde.Poisson((15, 15), dtype=torch.float16)),
    ("device", "a device that torch can use", lambda: pde.Poisson((15, 15), device="abacus")),
    # hierarchy
    ("problem", "a Poisson", lambda: pde.multigrid((15, 15))),
    (
        "smoother",
        "one of chebyshev4, chebyshev1, optimised4, jacobi",
        lambda: pde.multigrid(P, smoother="ilu"),
    ),
    ("smoother", "one of chebyshev4", lambda: pde.multigrid(P, smoother=["a"])),
    ("smoother", "numbers", lambda: pde.multigrid(P, smoother=3.0)),
    ("smoother", "numbers", lambda: pde.multigrid(P, smoother=(x for x in [0.3, 0.9]))),
    ("smoother", "a function of a level's operator", lambda: pde.multigrid(P, smoother=polynomial([3.0]))),
    ("smoother", "an AbstractSmoother", lambda: pde.multigrid(P, smoother=lambda p: 3)),
    ("roots", "conjugate pairs", lambda: pde.multigrid(P, smoother=[0.5 + 0.1j])),
    ("roots", "at least one", lambda: pde.multigrid(P, smoother=[])),
    ("roots", "finite roots other than 0", lambda: pde.multigrid(P, smoother=[0.0])),
    ("degree", ">= 1", lambda: pde.multigrid(P, degree=0)),
    ("degree", "1 to 6", lambda: pde.multigrid(P, smoother="optimised4", degree=9)),
    ("program", "one of V, W, F, fmg, backslash", lambda: pde.multigrid(P, "X")),
    ("program", "a sequence of ops", lambda: pde.multigrid(P, 3)),
    ("program", "a sequence of Op", lambda: pde.multigrid(P, ["pre0"])),
    ("program", "a sequence of Op", lambda: pde.multigrid(P, lambda n: None)),
    ("program", "back to level 0", lambda: pde.solve(P, F, program=())),
    ("pre", ">= 0", lambda: pde.multigrid(P, pre=-1)),
    ("post", ">= 0", lambda: pde.multigrid(P, post=1.5)),
    ("scheme", "one of auto, correction, fas", lambda: pde.multigrid(P, scheme="fast")),
    ("level", "what kernels exist for", lambda: pde.multigrid(pde.Poisson((15,)), level="fused")),
    ("level", "what kernels exist for", lambda: pde.multigrid(P, level="fused", smoother="redblack")),
    ("level", "what kernels exist for", lambda: pde.multigrid(P, level="fused", smoother=[1 + 1j, 1 - 1j])),
    ("level", "what kernels exist for", lambda: pde.multigrid(P, level="fused", scheme="fas")),
    ("level", "what kernels exist for", lambda: pde.multigrid(pde.Poisson((15, 15), order=4), level="fused")),
    ("level", "one of", lambda: pde.multigrid(P, level="fast")),
    ("level", "one of auto, composed", lambda: pde.multigrid(P, level="fastest")),
    ("coarsest", ">= 1", lambda: pde.multigrid(P, coarsest=-1)),
    # solve
    ("problem", "a Poisson", lambda: pde.solve((15, 15), F)),
    ("f", "finite", lambda: pde.solve(P, with_value(NAN))),
    ("f", "finite", lambda: pde.solve(P, with_value(float("inf")))),
    ("f", "(15, 15), (B, 15, 15), (B, 1, 15, 15)", lambda: pde.solve(P, F[1:])),
    ("f", "one of", lambda: pde.solve(P, F.expand(2, 3, 15, 15))),
    ("f", "one of", lambda: pde.solve(P, P.zeros(0))),
    ("f", "torch.float64", lambda: pde.solve(P, F.float())),
    ("f", "a Tensor", lambda: pde.solve(P, np.zeros((15, 15)))),
    ("f", "cpu, as the problem", lambda: pde.solve(P, F.to("meta"))),
    ("u0", "one of", lambda: pde.solve(P, F, u0=F[1:])),
    ("u0", "finite", lambda: pde.solve(P, F, u0=with_value(NAN))),
    ("u0", "1 or 3", lambda: pde.solve(P, P.zeros(3), u0=P.zeros(2))),
    ("rtol", ">= 0", lambda: pde.solve(P, F, rtol=-1e-8)),
    ("rtol", ">= 0", lambda: pde.solve(P, F, rtol=NAN)),
    ("rtol", ">= 0", lambda: pde.solve(P, F, rtol="small")),
    ("max_cycles", ">= 1", lambda: pde.solve(P, F, max_cycles=0)),
    ("method", "one of auto, fmg, mg, pcg", lambda: pde.solve(P, F, method="lu")),
    ("boundary", "its boundary", lambda: pde.solve(P, F, boundary=F)),
    ("boundary", "finite", lambda: pde.solve(P, F, boundary=NAN)),
    ("boundary", "torch.float64", lambda: pde.solve(P, F, boundary=torch.zeros(17, 17))),
    ("boundary", "a number, a tensor", lambda: pde.solve(P, F, boundary="zero")),
    ("boundary", "a number, a tensor", lambda: pde.solve(P, F, boundary=lambda x, y: None)),
    (
        "boundary",
        "1 or 3",
        lambda: pde.solve(P, P.zeros(3), boundary=torch.zeros(2, 17, 17, dtype=torch.float64)),
    ),
    ("mg", "one or the other", lambda: pde.solve(P, F, mg=pde.multigrid(P), degree=3)),
    ("mg", "numbers of now", lambda: pde.solve(P, F, mg=pde.multigrid(pde.Poisson((7, 7))))),
    ("mg", "a PoissonMultigrid", lambda: pde.solve(P, F, mg=3)),
    ("program", "back to level 0", lambda: pde.solve(P, F, program="backslash")),
    ("option", "one of program, smoother", lambda: pde.solve(P, F, colour="red")),
    ("f", "only ∫f + ∮g = 0 has solutions", lambda: pde.solve(NEUMANN, F + 1)),
    ("f", "only ∫f + ∮g = 0 has solutions", lambda: pde.solve(NEUMANN, F, boundary=1.0)),
    ("f", "1 or 2, as the problem's coefficients", lambda: pde.solve(BATCH, P.zeros(3))),
    ("boundary", "one for each side", lambda: pde.solve(MIXED, F, boundary=1.0)),
    ("boundary", "2 pairs (lower, upper)", lambda: pde.solve(MIXED, F, boundary=[1.0, 2.0])),
    ("boundary", "none", lambda: pde.solve(MIXED, F, boundary=[None, (1.0, 1.0)])),
    ("boundary", "the shape of the grid", lambda: pde.solve(MIXED, F, boundary=[(F, None), None])),
    ("precision", "one of problem, mixed", lambda: pde.solve(P, F, precision="half")),
    ("precision", "torch.float64", lambda: pde.solve(SINGLE, F.float(), precision="mixed")),
    ("precision", "a linear problem", lambda: pde.solve(CUBIC, F, precision="mixed")),
    ("method", "a linear problem", lambda: pde.solve(CUBIC, F, method="pcg")),
    ("scheme", '"fas"', lambda: pde.solve(CUBIC, F, scheme="correction")),
    ("smoother", "real ones", lambda: pde.solve(CUBIC, F, smoother=[0.5 + 0.1j, 0.5 - 0.1j])),
    ("mg", "in float32", lambda: pde.solve(P, F, mg=pde.multigrid(P), precision="mixed")),
    ("shape", "that are free on cpu", lambda: pde.multigrid(pde.Poisson((10**6, 10**6)))),
    ("shape", "that are free on cpu", lambda: pde.solve(P, F.expand(10**10, 15, 15))),
    ("problem", "one linear operator", lambda: pde.multigrid(CUBIC).aspreconditioner()),
    ("problem", "one matrix", lambda: BATCH.to_scipy()),
    ("u0", "none", lambda: pde.solve(CUBIC, F, u0=F, method="fmg")),
    ("scheme", "corrections", lambda: pde.solve(P, F, precision="mixed", scheme="fas")),
    ("g", "finite there", lambda: pde.multigrid(pde.Poisson((15, 15), g=torch.log))),
    ("g", "the same shape and dtype", lambda: pde.multigrid(pde.Poisson((15, 15), g=lambda u: u.float()))),
    ("g", "each number of u", lambda: pde.multigrid(pde.Poisson((15, 15), g=lambda u: u * torch.ones(15, 15)))),
    ("g", "u * 2 instead", lambda: pde.multigrid(pde.Poisson((15, 15), g=lambda u: u.mul_(2)))),
    ("precision", 'use precision="problem"', lambda: pde.solve(pde.Poisson((15, 15), a=1e60), F, precision="mixed")),
    ("f", "a Tensor", lambda: pde.multigrid(P)(np.ones((1, 1, 15, 15)))),
    ("boundary", "1, as f; give one boundary, or f", lambda: pde.solve(P, F, boundary=torch.ones(3, 17, 17).double())),
    ("boundary", "use [(lower, upper)]", lambda: pde.solve(pde.Poisson((15,)), F[0], boundary=(1.0, 5.0))),
    ("a", "torch.float32", lambda: pde.Poisson((15, 15), a=1e-80, dtype=torch.float32)),
    ("a", "torch.float32", lambda: pde.Poisson((15, 15), spacing=1e25, dtype=torch.float32)),
    ("c", "torch.float32", lambda: pde.Poisson((15, 15), c=1e50, dtype=torch.float32)),
    ("c", "zero everywhere", lambda: pde.Poisson((15, 15), bc="neumann", c=1e-16)),
    ("c", "zero everywhere", lambda: pde.Poisson((15, 15), bc="neumann", c=torch.stack([F, F + 1]))),
    ("f", "one of (15, 16)", lambda: pde.Poisson((15, 16)).load(P.zeros())),
    # cycle
    ("u", "none", lambda: pde.multigrid(P, "fmg")(F[None, None], F[None, None])),
    ("mg", "f, or f and u", lambda: pde.multigrid(P)(*[F[None, None]] * 3)),
    ("program", "pre or solve", lambda: pde.multigrid(P, ())(F[None, None])),
    ("f", "(B, 1, 15, 15)", lambda: pde.multigrid(P)(F)),
]


@pytest.mark.parametrize(("argument", "expected", "call"), CASES, ids=[f"{i}-{c[0]}" for i, c in enumerate(CASES)])
def test_message(argument, expected, call):
    with pytest.raises(ArgumentError) as caught:
        call()
    message = str(caught.value)
    assert re.match(rf"{argument}: got .+; expected .+; .+", message, re.DOTALL), message
    assert expected in message


@pytest.mark.parametrize(("name", "value"), [("a", NAN), ("a", -1.0), ("a", np.inf), ("c", NAN), ("c", np.inf)])
def test_fields_spoilt_after_they_were_checked_are_told(name, value):
    spoilt = torch.ones((16, 16) if name == "a" else (15, 15), dtype=torch.float64)
    problem = pde.Poisson((15, 15), **{name: spoilt})
    spoilt[4, 4] = value
    with pytest.raises(ArgumentError, match=f"{name}: got values from .*; expected the numbers of a problem"):
        pde.solve(problem, F)


@pytest.mark.filterwarnings("error")
def test_numpy_numbers_of_any_precision_are_numbers():
    problem = pde.Poisson((15, 15), a=np.float32(2), c=np.float32(3))
    assert (problem.a, problem.c) == ((2.0, 2.0), 3.0)


def test_the_conversion_advised_works():
    with pytest.raises(ArgumentError, match=re.escape("use f.to(torch.float64)")):
        pde.solve(P, F.float())
