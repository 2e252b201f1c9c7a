"""One axis of a grid: its points, the gaps between them, its two sides, and every second point of it.

Point i lies between gap i and gap i + 1. A gap reaches from the last point to a Dirichlet side, is infinite at a
Neumann side, which the last point lies on, and reaches around to the first point of a periodic axis. Widths are the
control volume's (Trottenberg et al. 2001, 2.8.4), in units of the nominal spacing: 1 inside, 1/2 on a Neumann side.

Any number of points coarsens, and what is left over must not add up over the levels: a gap that stays while all others
double is a local anisotropy, which a point smoother does not bear (a factor of 0.6 for 129 x 129 periodic points,
instead of 0.16). Beside a Dirichlet side the larger gap is left over. What lies beyond the last coarse point before a
Neumann side takes that point's value and gives it its width. An odd periodic axis keeps two neighbours, its last point
and its first; a coarse grid that is odd too counts from elsewhere (`shift`), so it keeps another two. On every level
gaps are then 1/3 to 1 of the nominal spacing, widths 1/2 to 3/2.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

NARROW = 0.75  # of the nominal spacing: a gap that is not left over once more

Side = Literal["dirichlet", "neumann", "periodic"]


@final
@dataclass(frozen=True, eq=False)
class Axis:
    """gaps: (n + 1,), widths: (n,), unit: the nominal spacing."""

    sides: tuple[Side, Side]
    gaps: np.ndarray
    widths: np.ndarray
    unit: float

    @staticmethod
    @functools.lru_cache(256)  # axes are not written to; those of a square are one, and those of the next solve
    def uniform(n: int, h: float, sides: tuple[Side, Side]) -> Axis:
        """n points, h apart."""
        gaps, widths = np.full(n + 1, h), np.ones(n)
        for end, side in zip((0, -1), sides, strict=True):
            if side == "neumann":
                gaps[end] = np.inf
                widths[end] -= 0.5
        return Axis(sides, gaps, widths, h)

    @property
    def n(self) -> int:
        return len(self.widths)

    @property
    def is_uniform(self) -> bool:
        """Whether it is what `uniform` makes, up to rounding."""
        same = Axis.uniform(self.n, self.unit, self.sides)
        return np.allclose(self.gaps, same.gaps) and np.allclose(self.widths, same.widths)

    @property
    def periodic(self) -> bool:
        return self.sides[0] == "periodic"

    @property
    def intervals(self) -> int:
        """Gaps that exist: cells of a coefficient."""
        return self.n if self.periodic else self.n + 1 - self.sides.count("neumann")

    @property
    def first(self) -> int:
        """The first point that a coarser grid keeps, 0 or 1: it keeps every second one from there."""
        odd = self.n % 2
        if self.periodic:
            return 0
        if self.sides == ("dirichlet", "dirichlet"):
            return 1 if odd else int(self.gaps[0] <= self.gaps[-1])  # the larger gap is left over
        if self.sides == ("neumann", "neumann"):
            return 0 if odd else int(self.widths[0] < self.widths[-1])  # the narrower end gives up its point
        low = self.sides[0] == "dirichlet"
        if odd:  # the Neumann side keeps its point, unless the gap that is left over beside the other gets too narrow
            return int(self.gaps[0 if low else -1] < NARROW * self.unit)
        return int(low)

    @property
    def shift(self) -> int:
        """Which of the points kept is the coarse grid's first; 0 except where that is periodic and odd.

        A third of the way: the narrow gaps of successive levels lie apart.
        """
        kept = (self.n + 1) // 2
        return kept // 3 if self.periodic and kept % 2 else 0

    @functools.cached_property
    def conductances(self) -> np.ndarray:
        """1 / gap, zero at a Neumann side: (n + 1,)."""
        return 1 / self.gaps

    @functools.cached_property
    def coupling(self) -> float:
        """Of a point to the next along the axis, 1/length²: the mean over control volumes, 1/unit² where uniform."""
        first, last = self.conductances[[0, -1]]
        ends = first if self.periodic else (first + last) / 2  # an edge to a side has one point
        return float((self.conductances[1:-1].sum() + ends) / (self.unit * self.widths.sum()))

    @functools.lru_cache(256)  # noqa: B019 (of so many axes, and no more)
    def coarsen(self) -> Axis | None:
        """Every second point; None for a single one."""
        if self.n == 1:
            return None
        kept = np.arange(self.first, self.n, 2)
        inner = self.gaps[kept[:-1] + 1] + self.gaps[kept[:-1] + 2]  # equal ones stay so, to the last bit
        low = self.gaps[: kept[0] + 1].sum() if self.sides[0] == "dirichlet" else np.inf
        high = np.inf if self.sides[1] == "neumann" else self.gaps[kept[-1] + 1 :].sum()
        if self.periodic:  # the way around
            low = high
        gaps, widths = np.concatenate([[low], inner, [high]]), self._gather(self.widths)
        if shift := self.shift:
            gaps, widths = np.roll(gaps[:-1], -shift), np.roll(widths, -shift)
            gaps = np.append(gaps, gaps[0])
        return Axis(self.sides, gaps, widths, 2 * self.unit)

    @functools.lru_cache(256)  # noqa: B019 (as `coarsen`)
    def weights(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the points between: the parts that the coarse point before and the one after have in it, linearly."""
        between = np.arange(1 - self.first, self.n, 2)
        left, right = self.conductances[between], self.conductances[between + 1]
        return left / (left + right), right / (left + right)

    def _gather(self, fine: np.ndarray) -> np.ndarray:
        """Half the transpose of linear interpolation."""
        left, right = self.weights()
        between = fine[1 - self.first :: 2]
        kept = fine[self.first :: 2]
        start = 1 - self.first  # of the coarse point before the first one between, in a padded array
        coarse = np.zeros(len(kept) + 2)
        coarse[1:-1] = kept
        coarse[start : start + len(between)] += left * between
        coarse[start + 1 : start + 1 + len(between)] += right * between
        if self.periodic:
            coarse[1] += coarse[-1]
        return coarse[1:-1] / 2
