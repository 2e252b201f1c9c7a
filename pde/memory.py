"""An estimate of the memory that a solve takes, and a refusal before it is allocated in vain."""

from __future__ import annotations

import psutil
import torch
from torch import Tensor

from unified.errors import ArgumentError

from .algebraic import jumps
from .kernels import wanted
from .problems import Poisson

# fine-grid arrays, measured at 1023² and 101³ (peak of the process): of each right-hand side; of the operators of
# numbers, of which only Neumann sides make arrays, and of those of fields, whose coarse stencils are full; and of those
# that jump, the sparse matrices of the algebraic cycle and its set-up besides (at 1023² and 63³)
VECTORS = 18
OPERATOR, FIELD_OPERATOR = 2, {1: 10, 2: 16, 3: 24}
ALGEBRAIC = {2: 24, 3: 48}
FUSED = 3  # of each right-hand side, where levels are fused
REACTION = 8  # of the edges that kernels read beside a field c, where a is a number


def estimate(problem: Poisson, batch: int = 1, level: str = "auto") -> int:
    """Bytes that `pde.solve` takes beyond f for that many right-hand sides, within a factor of about 2."""
    field = isinstance(problem.a, Tensor)
    vectors = FUSED if wanted(problem, level) and not field else VECTORS  # of fields a it is not known yet
    operators = problem.batch * FIELD_OPERATOR[problem.ndim] if field else OPERATOR
    if not field and isinstance(problem.c, Tensor):
        operators += problem.batch * REACTION
    if problem.g is None and jumps(problem.a, problem.ndim):
        operators += problem.batch * ALGEBRAIC[problem.ndim]
    size = torch.zeros((), dtype=problem.dtype).element_size()
    return (vectors * max(batch, problem.batch) + operators) * problem.unknowns * size


def available(device: torch.device) -> int:
    """Bytes that are free: of a CUDA device, or of the machine (what its processes may still take)."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def check(problem: Poisson, batch: int = 1, level: str = "auto") -> None:
    """Raise an ArgumentError where the estimate is more than what is free."""
    device = torch.device(problem.device)
    needed, free = estimate(problem, batch, level), available(device)
    if needed > free:
        raise ArgumentError(
            "shape",
            got=f"{problem.shape} with {batch} right-hand side{'' if batch == 1 else 's'}, which take about "
            f"{needed / 2**30:.3g} GiB",
            expected=f"at most the {free / 2**30:.3g} GiB that are free on {device}",
            do="use fewer points or right-hand sides at once, or torch.float32",
        )
