"""What a hierarchy allocates on its device."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class Memory:
    """Arrays, instructions and graphs, made once for a number of right-hand sides; another number begins anew.

    A graph reads and writes where it was captured, so what it uses must not go before it: all of it is kept together.
    A copy is empty.
    """

    def __init__(self) -> None:
        self.batch = 0
        self.kept: dict[Hashable, Any] = {}

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        return Memory, ()

    def get(self, batch: int, key: Hashable, make: Callable[[], T]) -> T:
        if batch != self.batch:
            self.kept.clear()
            self.batch = batch
        if key not in self.kept:
            self.kept[key] = make()
        out: T = self.kept[key]
        return out
