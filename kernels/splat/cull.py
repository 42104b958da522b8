"""Which Gaussians a camera may see: 16 at a time, float32, never one too few."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from drivelab.kernels.splat.settings import WIDEST
from drivelab.kernels.splat.terms import LONG, Lanes
from drivelab.kernels.splat.turns import next_of

WORD = 16  # Gaussians whose bits are kept together
BLOCK = 512  # Gaussians that are looked at for all cameras before the next ones
# Numbers of an outlook: rotation (9, row by row), eye (3), what float32 leaves out of it (3), fx,
# fy, cx, cy, bounds of x/z and y/z (4), blur, near, far, least opacity, width, height, WIDEST^2
OUTLOOK = 30
_ROUND = 2e-6  # of a distance: what rounding may move a point


def outlook(
    lens: np.ndarray, near: float, far: float, least: float, size: tuple[int, int], everywhere: bool
) -> np.ndarray:
    """The numbers of a camera (OUTLOOK,) from those of `flatten`; `everywhere` asks no sides."""
    view, eye = lens[:12].reshape(3, 4), lens[12:15]
    rest = eye - eye.astype(np.float32)
    wide = np.inf if everywhere else 1.0001 * WIDEST**2
    solid = np.nextafter(np.float32(least), np.float32(0.0))
    limits = [near, far, solid, *size, wide]
    return np.concatenate([view[:, :3].ravel(), eye, rest, lens[15:24], limits]).astype(np.float32)


@intrinsic
def _seen(typing: Any, means: Any, scales: Any, opacities: Any, first: Any, place: Any) -> Any:
    """Bits of the Gaussians from `first` on that a camera with an outlook may see.

    A pinhole surely does not see what lies outside of its picture by more than the extent that a
    ball of the largest scale s would have there: its variance along u is at most
    (fx s / z)^2 (1 + h^2) + blur, h the clamped x / z. One pixel more, as extents are rounded up.
    """

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        regs = Lanes(context, builder, types.float32, WORD)
        three = builder.mul(args[3], ir.Constant(LONG, 3))
        kinds = (means, scales, opacities, place)
        centres, sizes, opaque, camera = (
            regs.data(kind, value) for kind, value in zip(kinds, (*args[:3], args[4]), strict=True)
        )
        mean = regs.thirds(regs.offset(centres, three))
        s0, s1, s2 = regs.thirds(regs.offset(sizes, three))
        opacity = regs.row(regs.offset(opaque, args[3]), 0)
        numbers = regs.numbers(camera, OUTLOOK)
        turn, eye, rest = numbers[:9], numbers[9:12], numbers[12:15]
        fx, fy, cx, cy, left, right, top, bottom, blur = numbers[15:24]
        near, far, solid, width, height, wide = numbers[24:]
        one, zero = regs.constant(1.0), regs.constant(0.0)
        away = [m - e - r for m, e, r in zip(mean, eye, rest, strict=True)]
        x, y, z = (
            turn[n] * away[0] + turn[n + 1] * away[1] + turn[n + 2] * away[2] for n in (0, 3, 6)
        )
        spare = (away[0].size() + away[1].size() + away[2].size()) * regs.constant(_ROUND)
        per = one / z
        spread = (s0.most(s1).most(s2) + spare) * per
        spread = spread * spread
        missed = None
        for slope, focal, middle, low, high, size in (
            (x * per, fx, cx, left, right, width), (y * per, fy, cy, top, bottom, height),
        ):  # fmt: skip
            held = slope.most(low).least(high)
            most = wide * (focal * focal * spread * (one + held * held) + blur)
            at = focal * slope + middle
            out = (zero - at).most(at - size) - regs.constant(1.01)
            beyond = builder.and_(out > zero, out * out > most)
            missed = beyond if missed is None else builder.or_(missed, beyond)
        # Where rounding could turn a point from before the eye to behind it, sides mean nothing.
        missed = builder.and_(missed, z > spare + spare)
        between = builder.and_(z + spare >= near, far >= z - spare)
        kept = builder.and_(builder.and_(opacity >= solid, between), builder.not_(missed))
        return regs.bits(kept)

    return types.uint16(means, scales, opacities, types.intp, place), emit


@njit(nogil=True, cache=True)
def cull(means, scales, opacities, outlooks, ends, counter, masks, counts):  # type: ignore[no-untyped-def]
    """Mark what each camera may see, part by part as the counter hands them out.

    `outlooks` (c, OUTLOOK); part p reaches from ends[p] to ends[p + 1], a multiple of WORD but at
    the end of the scene. Fills masks (c, words) uint16 and counts (c, parts).
    """
    few = (np.zeros((WORD, 3), np.float32), np.zeros((WORD, 3), np.float32))
    solid = np.zeros(WORD, np.float32)
    while True:
        part: int = next_of(counter)
        if part >= len(ends) - 1:
            return
        for begin in range(ends[part], ends[part + 1], BLOCK):
            end = min(begin + BLOCK, ends[part + 1])
            for camera in range(len(outlooks)):
                own = outlooks[camera]
                for first in range(begin, end, WORD):
                    if first + WORD <= end:
                        mask = _seen(means, scales, opacities, first, own)
                    else:
                        rest = end - first
                        few[0][:rest], few[1][:rest] = means[first:end], scales[first:end]
                        solid[:rest] = opacities[first:end]
                        solid[rest:] = -1.0
                        mask = _seen(few[0], few[1], solid, 0, own)
                    masks[camera, first // WORD] = mask
                    bits = np.int64(mask)
                    bits = (bits & 0x5555) + ((bits >> 1) & 0x5555)
                    bits = (bits & 0x3333) + ((bits >> 2) & 0x3333)
                    bits = (bits & 0x0F0F) + ((bits >> 4) & 0x0F0F)
                    counts[camera, part] += (bits & 0xFF) + (bits >> 8)
