"""Arrays by address: how one compiled call reaches all segments, whatever their number."""

# mypy: ignore-errors
from __future__ import annotations

import numba as nb
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def _pointer(_typing, address):
    """A raw pointer from an address that Python took from an array it keeps alive."""

    def generate(context, builder, _signature, args):
        return builder.inttoptr(args[0], context.get_value_type(types.voidptr))

    return types.voidptr(types.int64), generate


@nb.njit(inline="always")
def u64_at(address, size):
    return nb.carray(_pointer(address), size, nb.uint64)


@nb.njit(inline="always")
def u32_at(address, size):
    return nb.carray(_pointer(address), size, nb.uint32)


@nb.njit(inline="always")
def i32_at(address, size):
    return nb.carray(_pointer(address), size, nb.int32)


@nb.njit(inline="always")
def i64_at(address, size):
    return nb.carray(_pointer(address), size, nb.int64)


@nb.njit(inline="always")
def u16_at(address, size):
    return nb.carray(_pointer(address), size, nb.uint16)


@nb.njit(inline="always")
def u8_at(address, size):
    return nb.carray(_pointer(address), size, nb.uint8)


def _improving(operation):
    """The lesser (or greater) of what stands in an int32 array and a value, safe between threads."""

    @intrinsic
    def improve(_typing, array, index, value):
        def generate(context, builder, signature, args):
            from numba.np.arrayobj import make_array

            held = make_array(signature.args[0])(context, builder, args[0])
            pointer = builder.gep(held.data, [args[1]])
            builder.atomic_rmw(operation, pointer, args[2], "monotonic")
            return context.get_dummy_value()

        return types.none(array, types.int64, types.int32), generate

    return improve


lower = _improving("min")
raise_to = _improving("max")
