"""Eight tokens of the linear recurrence at once, over one register's width of columns.

With P_t the product of the decays up to token t of the block, and R_ts that of those behind s up to
t,

    out_t = P_t read_t . state + sum over s <= t of R_ts (read_t . write_s) values_s
    state <- P_8 state + sum over s of R_8s write_s values_s^T

so a number of the state costs 17 operations in a block, where token by token it costs 24. The
factors are products of decays, never quotients: what a decay takes away stays away, and nothing
overflows. The products read_t . write_s, 36 a block, are the same for all columns.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from drivelab.kernels.registers import Registers

TOGETHER = 8  # tokens of a block
PAIRS = [(t, s) for t in range(TOGETHER) for s in range(t + 1)]
ROOM = 48  # for their products, in whole registers of either type

_NUMBER = types.intp


def pair(t: int, s: int) -> int:
    """Place of the product of token t's read with token s's write."""
    return t * (t + 1) // 2 + s


def token_places(regs: Registers, base: Any, first: Any, step: Any, count: int) -> list[Any]:
    """Addresses of tokens in a stream."""
    build = regs.builder
    return [
        regs.offset(base, build.add(first, build.mul(step, ir.Constant(first.type, t))))
        for t in range(count)
    ]


def _store_sums(regs: Registers, vectors: list[Any], address: Any) -> None:
    """Write the sum over the lanes of each vector."""
    empty = -len(vectors) % regs.lanes
    vectors = [*vectors, *([regs.zero] * empty)]
    for begin in range(0, len(vectors), regs.lanes):
        sums = regs.sums_over_lanes(vectors[begin : begin + regs.lanes])
        regs.store(sums, regs.offset(address, ir.Constant(ir.IntType(64), begin)))


@intrinsic
def dots(
    typing: Any, read: Any, write: Any, products: Any, rows: Any, first: Any, step: Any
) -> Any:
    """Products read_t . write_s of a block, where decays do not vary with the row."""
    arrays = (read, write, products)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = Registers(context, builder, read.dtype)
        base = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
        rows, first, step = args[3:]
        begin, stride = (cgutils.unpack_tuple(builder, pack, 2) for pack in (first, step))
        tokens = [token_places(regs, base[i], begin[i], stride[i], TOGETHER) for i in (0, 1)]
        sums = regs.sums(len(PAIRS))
        with regs.each_width(rows) as (row, mask):
            reads, writes = (
                [regs.load_where(mask, regs.offset(place, row)) for place in places]
                for places in tokens
            )
            for place, (t, s) in zip(sums, PAIRS, strict=True):
                total = regs.multiply_add(reads[t], writes[s], builder.load(place))
                builder.store(total, place)
        _store_sums(regs, [builder.load(place) for place in sums], base[2])
        return context.get_dummy_value()

    two = types.UniTuple(_NUMBER, 2)
    return types.none(*arrays, _NUMBER, two, two), emit


@intrinsic
def decayed_dots(
    typing: Any, read: Any, write: Any, decay: Any, products: Any, reads: Any, writes: Any,
    fade: Any, rows: Any, pitch: Any, first: Any, step: Any,
) -> Any:  # fmt: skip
    """The same where decays vary with the row, R_ts within the products.

    Also P_t read_t in `reads`, R_8s write_s in `writes` (`pitch` from token to token), and P_8 in
    `fade`.
    """
    arrays = (read, write, decay, products, reads, writes, fade)

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = Registers(context, builder, read.dtype)
        base = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
        rows, pitch, first, step = args[7:]
        begin, stride = (cgutils.unpack_tuple(builder, pack, 3) for pack in (first, step))
        tokens = [token_places(regs, base[i], begin[i], stride[i], TOGETHER) for i in range(3)]
        none = ir.Constant(pitch.type, 0)
        kept = [token_places(regs, base[i], none, pitch, TOGETHER) for i in (4, 5)]
        sums = regs.sums(len(PAIRS))
        with regs.each_width(rows) as (row, mask):
            past: Any = None
            held: list[Any] = []
            for t in range(TOGETHER):
                one, new, decays = (
                    regs.load_where(mask, regs.offset(places[t], row)) for places in tokens
                )
                past = decays if past is None else builder.fmul(past, decays)
                held = [*(builder.fmul(older, decays) for older in held), new]
                regs.store(builder.fmul(past, one), regs.offset(kept[0][t], row))
                for s, older in enumerate(held):
                    place = sums[pair(t, s)]
                    builder.store(regs.multiply_add(one, older, builder.load(place)), place)
            for place, older in zip(kept[1], held, strict=True):
                regs.store(older, regs.offset(place, row))
            regs.store(past, regs.offset(base[6], row))
        _store_sums(regs, [builder.load(place) for place in sums], base[3])
        return context.get_dummy_value()

    three = types.UniTuple(_NUMBER, 3)
    return types.none(*arrays, _NUMBER, _NUMBER, three, three), emit


class _Columns:
    """Emits what one register's width of columns needs, by kind of decay."""

    def __init__(self, kind: str, regs: Registers, mask: Any) -> None:
        self.kind, self.regs, self.mask = kind, regs, mask
        self.one = ir.Constant(regs.vector, [1.0] * regs.lanes)

    def decays(self, places: list[Any]) -> list[Any]:
        """Those of each token; of a decay that varies with the row there are none here."""
        if self.kind == "lane":
            return [self.regs.load_where(self.mask, place) for place in places]
        return [self.regs.broadcast(place) for place in places]

    def ahead(self, held: list[Any], decays: list[Any]) -> tuple[list[Any], Any]:
        """R_8s values_s, and P_8."""
        build, after, out = self.regs.builder, None, []
        for one, fade in zip(reversed(held), reversed(decays), strict=True):
            out.append(one if after is None else build.fmul(after, one))
            after = fade if after is None else build.fmul(after, fade)
        return out[::-1], after

    def within(self, t: int, held: list[Any], products: Any) -> Any:
        """Sum over the tokens of the block up to t of product times value."""
        total = self.regs.zero
        for s, one in enumerate(held[: t + 1]):
            place = self.regs.offset(products, ir.Constant(ir.IntType(64), pair(t, s)))
            total = self.regs.multiply_add(self.regs.broadcast(place), one, total)
        return total


def _advance(kind: str) -> Any:
    """An intrinsic of a block; `kind` says what decays vary with: "row", "lane" or "token".

    Its `first` and `step` are those of read, write, values, decay and out. For "row" read and write
    hold decays already and `decay` is P_8 of each row.
    """

    @intrinsic
    def advance(
        typing: Any, state: Any, read: Any, write: Any, values: Any, decay: Any, out: Any,
        products: Any, pitch: Any, rows: Any, columns: Any, first: Any, step: Any, factor: Any,
        scale: Any, add: Any,
    ) -> Any:  # fmt: skip
        arrays = (state, read, write, values, decay, out, products)

        def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            regs = Registers(context, builder, state.dtype)
            base = [regs.data(a, v) for a, v in zip(arrays, args, strict=False)]
            pitch, rows, columns, first, step, factor, scale, add = args[7:]
            begin, stride = (cgutils.unpack_tuple(builder, pack, 5) for pack in (first, step))
            places = [
                token_places(regs, base[1 + i], begin[i], stride[i], TOGETHER) for i in range(5)
            ]
            mask = regs.first(columns)
            block = _Columns(kind, regs, mask)
            weight = regs.splat(factor, regs.vector)

            def values_of() -> list[Any]:
                found = [regs.load_where(mask, place) for place in places[2]]
                return [builder.fmul(weight, one) for one in found]

            held, whole = values_of(), None
            if kind != "row":
                held, whole = block.ahead(held, block.decays(places[3]))
            sums = regs.sums(TOGETHER)
            with cgutils.for_range(builder, rows) as loop:
                spot = regs.offset(base[0], builder.mul(loop.index, pitch))
                before = regs.load(spot)
                fade = (
                    whole if whole is not None else regs.broadcast(regs.offset(base[4], loop.index))
                )
                after = builder.fmul(fade, before)
                for t in range(TOGETHER):
                    seen = regs.broadcast(regs.offset(places[0][t], loop.index))
                    total = regs.multiply_add(seen, before, builder.load(sums[t]))
                    builder.store(total, sums[t])
                for t in range(TOGETHER):
                    new = regs.broadcast(regs.offset(places[1][t], loop.index))
                    after = regs.multiply_add(new, held[t], after)
                regs.store(after, spot)
            share = regs.splat(scale, regs.vector)
            held, past = values_of(), None
            decays = block.decays(places[3]) if kind != "row" else []
            for t in range(TOGETHER):
                total = builder.load(sums[t])
                if decays:
                    past = decays[t] if past is None else builder.fmul(past, decays[t])
                    total = builder.fmul(past, total)
                    held = [*(builder.fmul(one, decays[t]) for one in held[:t]), *held[t:]]
                total = builder.fadd(total, block.within(t, held, base[6]))
                place = places[4][t]
                kept = builder.select(add, regs.load_where(mask, place), regs.zero)
                regs.store_where(mask, regs.multiply_add(share, total, kept), place)
            return context.get_dummy_value()

        five = types.UniTuple(_NUMBER, 5)
        last = (_NUMBER, _NUMBER, _NUMBER, five, five, state.dtype, state.dtype, types.boolean)
        return types.none(*arrays, *last), emit

    return advance


advance_rows = _advance("row")
advance_lanes = _advance("lane")
advance_token = _advance("token")
