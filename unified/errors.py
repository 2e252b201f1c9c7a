"""One form for every message about bad input: the argument, what it got, what it expects, what to do."""

from __future__ import annotations

from functools import partial
from numbers import Integral


class ArgumentError(ValueError):
    """An argument that cannot be used.

    >>> raise ArgumentError("rtol", got=-1.0, expected="a number >= 0", do="use rtol=1e-8")
    Traceback (most recent call last):
    ...
    unified.errors.ArgumentError: rtol: got -1.0; expected a number >= 0; use rtol=1e-8
    """

    def __init__(self, argument: str, *, got: object, expected: str, do: str) -> None:
        self.argument, self.got, self.expected, self.do = argument, got, expected, do
        super().__init__(f"{argument}: got {got}; expected {expected}; {do}")

    def __reduce__(self) -> tuple[object, ...]:  # BaseException's own forgets the keywords
        return partial(type(self), got=self.got, expected=self.expected, do=self.do), (self.argument,)


def whole(argument: str, value: object, *, least: int = 1, do: str) -> None:
    """value is a whole number, NumPy's included, `least` or more."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ArgumentError(argument, got=repr(value), expected=f"a whole number >= {least}", do=do)


class DataError(ArgumentError):
    """A file or data set that cannot be used; `argument` is its path or name."""
