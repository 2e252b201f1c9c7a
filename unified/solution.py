"""What a solver returns. The reason of stopping is an enum whose members are the messages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import final

from torch import Tensor

NOTABLE = 1e-6  # an imbalance beyond rounding: the solution is that of another right-hand side, by so much


@final
class Result(Enum):
    """Why a solver stopped: symptom, likely causes, remedy."""

    converged = "converged: the relative residual is at or below rtol"
    maximum_cycles = (
        "the cycles ran out before the tolerance was reached. Either the tolerance needs more of them, or "
        "the rate is poor: look at `rate`; raise `max_cycles`, or the smoother's degree, or use method='pcg' if it "
        "was another"
    )
    stagnated = (
        "the residual no longer falls: it has reached the rounding floor of this dtype, which grows with "
        "1/h² and with jumps of coefficients. Accept it, or use float64 where it was float32"
    )
    diverged = (
        "the residual grows or is no longer finite: the smoother's roots lie below the spectrum, or the "
        "right-hand side overflows. Use smoother='chebyshev4', whose bound is safe, and scale f"
    )
    stopped = (
        "the callback returned a true value, which ends the solve. u and the residuals are those of that cycle; "
        "if no end was meant, let the callback return None"
    )

    @property
    def ok(self) -> bool:
        return self is Result.converged


@final
@dataclass(frozen=True, eq=False)
class Solution:
    """A solution and how it came about.

    u: in the shape of f. residuals: relative residual norms, the worst of a batch, before the first cycle and after
    each: ‖load - A u‖₂ in a unit of the problem's (see the solver). rate: the geometric mean of the last (at most five)
    reductions. seconds: time by phase, which together are the call: "setup" (checks, hierarchy, boundary values),
    "start" (to the first residual: full multigrid, or nearly nothing), "cycles" (with the callback's own time).
    precision: that of the cycles, or "mixed". imbalance: of a singular problem, the part of the right-hand side that no
    u can balance, 0 to 1.
    """

    u: Tensor
    result: Result
    residuals: tuple[float, ...]
    level: str
    method: str
    seconds: dict[str, float] = field(default_factory=dict)
    precision: str = "float64"
    imbalance: float = 0.0

    @property
    def cycles(self) -> int:
        return len(self.residuals) - 1

    @property
    def rate(self) -> float:
        """Mean reduction of the residual a cycle, over the last five; NaN before the first cycle."""
        return mean_rate(self.residuals)

    def __repr__(self) -> str:
        phases = ", ".join(f"{phase} {value:.2g}" for phase, value in self.seconds.items())
        return (
            f"Solution({self.result.name}, {self.method}, {self.cycles} cycles, rate {self.rate:.3f}, "
            f"relative residual {self.residuals[-1]:.1e}, {sum(self.seconds.values()):.3g} s"
            f"{f' ({phases})' if phases else ''}, {self.precision}, {self.level}"
            f"{f', imbalance {self.imbalance:.1e}' if self.imbalance > NOTABLE else ''})"
        )

    def __str__(self) -> str:
        """The line of `repr`; and the message, where the solver did not converge."""
        return repr(self) if self.result.ok else f"{self!r}\n{self.result.value}"


def mean_rate(residuals: Sequence[float]) -> float:
    """The geometric mean of the last five reductions; NaN where there is none.

    >>> mean_rate([1.0, 0.5, 0.01])
    0.1
    """
    last = residuals[-6:]
    if len(last) < 2 or last[0] == 0:
        return float("nan")
    return float((last[-1] / last[0]) ** (1 / (len(last) - 1)))
