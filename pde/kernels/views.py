"""Parts of a flat array, for kernels: quicker to compile than slices, which clip and count references."""

from __future__ import annotations

from numba.core import types
from numba.core.errors import TypingError
from numba.extending import intrinsic
from numba.np.arrayobj import make_array, populate_array


def _view(context, builder, kind, of, x, at, shape):
    """An array of type `kind` and that shape, in the memory of x (of type `of`) from `at` on, which it does not own.

    Nothing looks whether it is within x.
    """
    memory = make_array(of)(context, builder, x)
    out = make_array(kind)(context, builder)
    size = context.get_constant(types.intp, context.get_abi_sizeof(context.get_data_type(of.dtype)))
    strides = [size]
    for n in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], n))
    data = builder.gep(memory.data, [at])
    populate_array(out, data=data, shape=list(shape), strides=strides, itemsize=size, meminfo=None)
    return out._getvalue()


def _kind(x, ndim):
    """The type of a view of x."""
    if x.layout != "C":
        raise TypingError(f"a view of {x}: expected an array whose numbers follow each other")
    return types.Array(x.dtype, ndim, "C", readonly=not x.mutable)


@intrinsic
def part(typing, x, at, n):
    """n numbers of x."""
    kind = _kind(x, 1)

    def code(context, builder, signature, args):
        return _view(context, builder, kind, x, args[0], args[1], [args[2]])

    return kind(x, types.intp, types.intp), code


@intrinsic
def rest(typing, x, at):
    """x from a place on."""
    kind = _kind(x, 1)

    def code(context, builder, signature, args):
        n = builder.sub(make_array(x)(context, builder, args[0]).nitems, args[1])
        return _view(context, builder, kind, x, args[0], args[1], [n])

    return kind(x, types.intp), code


@intrinsic
def table(typing, x, at, n, m):
    """(n, m) numbers of x."""
    kind = _kind(x, 2)

    def code(context, builder, signature, args):
        return _view(context, builder, kind, x, args[0], args[1], [args[2], args[3]])

    return kind(x, types.intp, types.intp, types.intp), code
