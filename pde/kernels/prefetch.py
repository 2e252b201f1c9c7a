"""Memory that is asked for before it is needed, while rows that are in cache are worked on."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba import uintp as u
from numba.core import cgutils
from numba.extending import intrinsic

from . import rows

FAR = 2**19  # points of a level from which on its arrays are not in cache
LINE = 64  # bytes
READ, SECOND_LEVEL, DATA = 0, 2, 1  # what llvm.prefetch is told: for what, into which cache, of what kind


@intrinsic
def _ask(typingctx: Any, x: Any, i: Any) -> Any:
    """Of the line that x[i] is in, by LLVM's intrinsic: Numba has none of its own."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        place = builder.bitcast(builder.gep(data, [arguments[1]]), pointer)
        builder.call(function, [place, number(READ), number(SECOND_LEVEL), number(DATA)])
        return context.get_dummy_value()

    return types.void(x, i), build


@numba.njit(**rows.LENT)
def row(x, i, low, high, pitch, begin, end):
    """Columns begin to end of row i of flat x, if it is one of those from low to high."""
    if low <= i < high:
        step = u(LINE // x.itemsize)
        for k in range(u(i * pitch + begin), u(i * pitch + end), step):
            _ask(x, k)
