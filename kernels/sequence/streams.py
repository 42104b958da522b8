"""Tensors as addresses and steps, which compiled code takes as they are: no copies, no wrapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

Steps = tuple[int, int, int, int]  # from one sequence, head, token to the next; heads


END = 1 << 48  # elements that a flat array claims to have


class Call(NamedTuple):
    """Tensors as addresses of their first elements, with the steps in them."""

    addresses: tuple[int, ...]
    steps: tuple[Steps, ...]


def stream(tensor: Tensor, heads: int = 1) -> tuple[int, Steps]:
    """Address and steps of a tensor on the CPU, which has to outlive their use.

    Args:
        tensor: (B, H, L, D), its channels side by side, or (B, H, L).
        heads: axis of the heads, 2 where tokens come before them.
    """
    stride = tensor.stride()
    return tensor.data_ptr(), (stride[0], stride[heads], stride[3 - heads], tensor.shape[heads])


def flatten(*tensors: Tensor, heads: int = 1) -> Call:
    """The `stream` of each tensor."""
    parts = [stream(x, heads) for x in tensors]
    return Call(*zip(*parts, strict=True))


def prepared(dtype: torch.dtype, *tensors: Tensor) -> list[Tensor]:
    """The tensors as `stream` takes them; only those of another type or layout are copied."""
    made = [x if x.dtype == dtype else x.to(dtype) for x in tensors]
    return [x if side_by_side(x) else x.contiguous() for x in made]


def as_types(found: Sequence[Tensor], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Tensors in the types of others; asking first costs a tenth of a conversion to the same."""
    pairs = zip(found, like, strict=True)
    return tuple(x if x.dtype == y.dtype else x.to(y.dtype) for x, y in pairs)


def _flats_at(typing: Any, addresses: Any, like: Any) -> Any:
    """Flat arrays from addresses on, of the type of another array; they know no end."""
    kind = types.Array(like.dtype, 1, "C")
    several = types.UniTuple(kind, addresses.count)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        item, length = (
            context.get_constant(types.intp, n) for n in (kind.dtype.bitwidth // 8, END)
        )
        found = []
        for address in cgutils.unpack_tuple(builder, args[0], addresses.count):
            made = context.make_array(kind)(context, builder)
            data = builder.inttoptr(address, made.data.type)
            context.populate_array(
                made, data=data, shape=[length], strides=[item], itemsize=item, meminfo=None
            )
            found.append(made._getvalue())
        return context.make_tuple(builder, several, found)

    return several(addresses, like), emit


flats_at: Any = intrinsic(_flats_at)


def side_by_side(tensor: Tensor) -> bool:
    """Whether the last axis has no gaps."""
    return tensor.shape[-1] <= 1 or tensor.stride(-1) == 1


def room_like(tensor: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Memory laid out as a tensor is, but its last axis without gaps: a `stream` can be written.

    What counts is the layout of the room itself: where another axis has step 1 too, as windows
    that overlap have, torch may put that one last.
    """
    room = torch.empty_like(tensor, dtype=dtype or tensor.dtype)
    return room if side_by_side(room) else tensor.new_empty(room.shape, dtype=room.dtype)


def compute_dtype(*tensors: Tensor) -> torch.dtype:
    """Float64 where one is, float32 for everything shorter: states are never half precision."""
    doubled = any(tensor.dtype == torch.float64 for tensor in tensors)
    return torch.float64 if doubled else torch.float32
