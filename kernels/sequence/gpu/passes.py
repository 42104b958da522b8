"""The launches of a gated scan: states of segments first where there are some, then outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from drivelab.kernels.sequence.gpu import scan, state
from drivelab.kernels.sequence.gpu.device import exact, operand, steps
from drivelab.kernels.sequence.gpu.schedule import Blocks, Chosen, Segments, padded, table

_CHOSEN = Chosen()
_JOINED = 1024  # elements of a state that one program carries along


@dataclass(frozen=True, slots=True)
class States:
    """States before and behind each segment: (direction, sequence and head, segment, K, V).

    Segments count in the op's walk, for all passes. `closed` tells that `leave` is known.
    """

    enter: Tensor | None
    leave: Tensor | None
    closed: bool


@dataclass(frozen=True, slots=True)
class Roles:
    """Tensors of one pass (see the table of `gpu/scan.py`), all (B, heads or groups, L, D)."""

    read: Tensor | None
    write: Tensor
    values: Tensor
    column: bool = False  # whether a vector gate fades columns
    against: bool = False
    out_scale: float = 1.0
    value_scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Moments:
    """What the passes of dq and dk hand over for the gates' gradient."""

    partner: Tensor  # q in the pass of dq, k in the one of dk
    moment: Tensor  # (direction, n, L, K) dq q; with one gate a token sums of blocks (n, L, sums)
    gate_grad: tuple[Tensor, ...] = ()  # (n, L, K) a direction, in the pass of dk
    edge: Tensor | None = None  # (direction, n, segment, K)


@dataclass(frozen=True, slots=True)
class Walk:
    """What all passes of a call share: gates, the order of tokens, segments."""

    gates: tuple[Tensor, ...]  # one (B, H, L, K or 1) tensor a direction, of equal strides
    reverse: bool
    segments: Segments

    @property
    def directions(self) -> int:
        """1, or 2 where the second runs the other way."""
        return len(self.gates)

    def states(self, roles: Roles, first: Tensor | None) -> States:
        """States around the segments that a pass will walk over; `first` is (n, K, V) or zero."""
        gate, write, values = self.gates[0], roles.write, roles.values
        n, size = gate.shape[0] * gate.shape[1], (write.shape[3], values.shape[3])
        count = self.segments.count
        if count == 1:
            if first is None:
                return States(None, None, False)
            leave = torch.empty_like(first)
            return States(first[None, :, None], leave[None, :, None], False)
        kind = {"dtype": torch.float32, "device": gate.device}
        slots = torch.empty(self.directions, n, count + 1, *size, **kind)
        begin = slots[:, :, -1 if roles.against else 0]
        begin.zero_() if first is None else begin.copy_(first[None])
        totals = torch.empty(self.directions, n, count, gate.shape[3], **kind)
        before, behind = slots[:, :, :-1], slots[:, :, 1:]
        enter, leave = (behind, before) if roles.against else (before, behind)
        blocks = table(*size, self.directions, exact=exact(write, values))[0]
        self._launch(replace(roles, read=None), States(None, leave, False), blocks, totals=totals)
        cells = size[0] * size[1]
        state.join[(self.directions * n, triton.cdiv(cells, _JOINED))](
            *(slots, totals, cells, size[1], count),
            AGAINST=roles.against,
            WIDE=gate.shape[3] > 1,
            BLOCK=_JOINED,
            enable_fp_fusion=True,
        )
        return States(enter, leave, True)

    def outputs(
        self, roles: Roles, out: Tensor, states: States, moments: Moments | None = None
    ) -> None:
        """Fill `out`, the moments, and the states behind where they are not known yet."""
        write, values = roles.write, roles.values
        rows, columns = write.shape[3], values.shape[3]
        wide = self.gates[0].shape[3] > 1
        give = moments is not None and not moments.gate_grad
        key = (
            *(wide, roles.column, roles.against, self.directions, give, moments is None),
            *(rows, columns, self.segments, out.shape, write.dtype, values.dtype, out.device),
        )
        _CHOSEN.run(
            key,
            table(rows, columns, self.directions, exact=exact(write, values)),
            lambda blocks: self._launch(roles, states, blocks, out=out, moments=moments),
            out,
        )

    def _launch(
        self,
        roles: Roles,
        states: States,
        blocks: Blocks,
        *,
        out: Tensor | None = None,
        moments: Moments | None = None,
        totals: Tensor | None = None,
    ) -> None:
        gate, write, values = self.gates[0], roles.write, roles.values
        b, heads, tokens = gate.shape[:3]
        rows, columns = write.shape[3], values.shape[3]
        read = write if roles.read is None else roles.read
        leave = None if states.closed else states.leave
        wide = gate.shape[3] > 1
        given, precision = operand(read, write, values)
        parts = triton.cdiv(columns, blocks.columns)
        empty = gate  # stands for what a launch does not touch
        handed = _handed(moments, empty)
        if not wide and moments is not None and moments.moment.shape[-1] > parts:
            moments.moment.zero_()
        scan.scan[(b * heads * parts, self.segments.count)](
            *(read, write, values, gate, self.gates[-1], _or(out, empty)),
            *(_or(states.enter, empty), _or(leave, empty), _or(totals, empty)),
            *handed,
            *(*steps(read), *steps(write), *steps(values), *steps(gate), *steps(_or(out, empty))),
            *steps(handed[0]),
            *(heads // one.shape[1] for one in (read, write, values, handed[0])),
            handed[1].shape[-1],
            *_cells(states, roles.column),
            *(heads, b * heads, tokens, self.segments.length, self.segments.count),
            *(rows, columns, parts, roles.out_scale, roles.value_scale),
            KIND=(scan.COLUMN if roles.column else scan.ROW) if wide else scan.TOKEN,
            AGAINST=roles.against,
            REVERSE=self.reverse,
            BOTH=self.directions == 2,
            OUT=out is not None,
            START=states.enter is not None,
            LEAVE=leave is not None,
            TOTALS=totals is not None,
            MOMENT=_moment(moments),
            OPERAND=given,
            PRECISION=precision,
            C=blocks.chunk,
            R=padded(rows),
            N=blocks.columns,
            num_warps=blocks.warps,
            num_stages=1 if wide else 2,
            enable_fp_fusion=True,
        )


def _or(tensor: Tensor | None, other: Tensor) -> Tensor:
    return other if tensor is None else tensor


def _handed(moments: Moments | None, empty: Tensor) -> tuple[Tensor, ...]:
    if moments is None:
        return (empty,) * 5
    grads = moments.gate_grad or (empty,)
    return moments.partner, moments.moment, grads[0], grads[-1], _or(moments.edge, empty)


def _moment(moments: Moments | None) -> tl.constexpr:
    if moments is None:
        return scan.NONE
    return scan.TAKE if moments.gate_grad else scan.GIVE


def _cells(states: States, column: bool) -> tuple[int, int, int, int, int]:
    """Steps between directions, heads, segments, rows and columns of the states.

    States are (K, V) in memory; where a vector gate fades columns, rows are those of V.
    """
    some = states.enter if states.enter is not None else states.leave
    if some is None:
        return (0, 0, 0, 0, 0)
    one: Any = some.stride()
    return one[0], one[1], one[2], one[4 if column else 3], one[3 if column else 4]
