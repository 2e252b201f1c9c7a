"""What of a program one sweep can do."""

from __future__ import annotations

from collections.abc import Sequence

from unified.program import Kind


def sweeps(kinds: Sequence[Kind]) -> list[list[Kind]]:
    """Ops that follow each other on a level, cut into what one pass over memory can do: a start, smoothing, a residual.

    >>> sweeps(["up", "post", "pre", "down", "up"])
    [['up', 'post', 'pre', 'down'], ['up']]
    """
    out: list[list[Kind]] = []
    for kind in kinds:
        if not out or kind in ("up", "interpolate") or out[-1][-1] == "down":
            out.append([])
        out[-1].append(kind)
    return out
