"""What `pde.learn` makes: roots for each level, and what they were measured to do."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final, overload

from unified.errors import ArgumentError
from unified.files import replace

Roots = tuple[complex, ...]  # of a level, relative to its λmax of D⁻¹A; real ones are floats


@final
@dataclass(frozen=True)
class Learned(Sequence[Roots]):
    """Roots for each level from the finest, the last for all coarser ones: a `smoother` for `pde.multigrid`.

    before, after: the asymptotic factor a cycle of each validation problem, with the best classical roots (or the start
    of the training, where that is better) and with these.
    losses: of every evaluation, as a factor a cycle. seconds: that it took.
    """

    roots: tuple[Roots, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    losses: tuple[float, ...] = ()
    seconds: float = 0.0

    @overload
    def __getitem__(self, level: int) -> Roots: ...
    @overload
    def __getitem__(self, level: slice) -> tuple[Roots, ...]: ...
    def __getitem__(self, level: int | slice) -> Roots | tuple[Roots, ...]:
        return self.roots[level]

    def __len__(self) -> int:
        return len(self.roots)

    def save(self, path: str | Path) -> None:
        """As JSON; a complex root is [re, im]. All or nothing; DataError where it cannot be written."""
        roots = [[[z.real, z.imag] if isinstance(z, complex) else z for z in level] for level in self.roots]
        text = json.dumps({**asdict(self), "roots": roots}, indent=1)
        replace(Path(path), f"{text}\n".encode())

    @classmethod
    def load(cls, path: str | Path) -> Learned:
        try:
            read = json.loads(Path(path).read_text(encoding="utf-8"))
            roots = (tuple(complex(*z) if isinstance(z, list) else float(z) for z in level) for level in read["roots"])
            factors = {name: tuple(map(float, read[name])) for name in ("before", "after", "losses")}
            return cls(tuple(roots), **factors, seconds=float(read["seconds"]))
        except (ValueError, TypeError, KeyError) as error:
            expected = "a file that Learned.save wrote"
            raise ArgumentError("path", got=repr(str(path)), expected=expected, do="train and save again") from error

    def __repr__(self) -> str:
        def number(z: complex) -> str:
            return f"{z:.4f}" if isinstance(z, complex) else f"{z:>8.4f}"

        rows = [f"{i:>5}{' ' if i + 1 < len(self) else '+'} {' '.join(map(number, r))}" for i, r in enumerate(self)]
        head = f"Learned: {mean(self.before):.3f} -> {mean(self.after):.3f} a cycle, in {self.seconds:.1f} s"
        return "\n".join([head, "level   roots relative to λmax of D⁻¹A", *rows])


def mean(factors: Sequence[float]) -> float:
    """Geometric."""
    return math.exp(sum(math.log(max(x, 1e-300)) for x in factors) / len(factors)) if factors else math.nan
