"""Bytes that the ops must move, and that our launches move, to hold measured times against.

The floor of a call reads each of its inputs once and writes each of its outputs once, whatever
happens between: 2 bytes a channel for bfloat16 tensors and 4 for gates unless told, states left
out (they are small against a sequence). What our launches move counts each launch's reads and
writes of the tensors once; blocks of columns of one head read the same tiles side by side, which
the second-level cache serves, and are not counted again.

A floor in seconds is bytes over the bandwidth that a copy reaches on the device. The published
kernels of flash-linear-attention take 6 to 8 times that floor at large shapes.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """Sizes of a call; heads of a group share queries and keys, each has its own unless told."""

    batch: int
    heads: int
    tokens: int
    keys: int
    values: int
    groups: int | None = None

    @property
    def places(self) -> int:
        """Tokens of all heads."""
        return self.batch * self.heads * self.tokens

    @property
    def shared(self) -> int:
        """Tokens of all groups."""
        return self.batch * (self.groups or self.heads) * self.tokens


def floor(op: str, shape: Shape, *, backward: bool = False, item: int = 2, gate: int = 4) -> int:
    """Bytes of one pass over the inputs and outputs of `op`, or of its gradient.

    Args:
        op: "gla", "gla_bidirectional", "simple_gla" or "ssd" (whose scan is that of simple_gla).
        shape: of the call.
        backward: count the gradient's call: inputs and the outputs' gradient read, four written.
        item: bytes of an element of q, k, v and o.
        gate: bytes of an element of the gates.
    """
    gates = _gates(op, shape) * gate
    q, v = shape.shared * shape.keys * item, shape.places * shape.values * item
    inputs = 2 * q + v + gates
    return 2 * inputs + v if backward else inputs + v


def moved(op: str, shape: Shape, *, backward: bool = False, item: int = 2, gate: int = 4) -> int:
    """Bytes that our launches read and write for `op` where no segments are cut; see `floor`."""
    if not backward:
        return floor(op, shape, item=item, gate=gate) + _second(op, shape, item)
    gates = _gates(op, shape) * gate
    q, v = shape.shared * shape.keys * item, shape.places * shape.values * item
    alone = shape.groups in (None, shape.heads)
    dq = q if alone else shape.places * shape.keys * 4  # of each head, in float32
    wide = op in ("gla", "gla_bidirectional")
    moment = (_gates(op, shape) if wide else 0) * 4
    first = v + v + 2 * q + gates + dq + moment
    second = v + v + 2 * q + gates + dq + moment + gates
    third = 2 * q + v + gates + v
    again = 10 * q + 7 * v if op == "gla_bidirectional" else 0
    return first + second + third + again


def _gates(op: str, shape: Shape) -> int:
    """Elements of the gates of a call."""
    known = {"gla": shape.keys, "gla_bidirectional": 2 * shape.keys, "simple_gla": 1, "ssd": 1}
    if op not in known:
        raise ValueError(f"traffic: op={op!r}; expected one of {', '.join(known)}")
    return shape.places * known[op]


def _second(op: str, shape: Shape, item: int) -> int:
    """What a second direction reads again and adds to, where no cache serves it."""
    if op != "gla_bidirectional":
        return 0
    q, v = shape.shared * shape.keys * item, shape.places * shape.values * item
    return 2 * q + v + 2 * v
