"""Sums over tiles -> gradients of Gaussians and of the poses of cameras."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from drivelab.kernels.splat.bend import bend, unbend
from drivelab.kernels.splat.cells import RED, ROW
from drivelab.kernels.splat.cull import BLOCK, WORD
from drivelab.kernels.splat.flatten import GIVEN, LANES, TAKEN, flatten
from drivelab.kernels.splat.moments import IN_RED, MOMENTS
from drivelab.kernels.splat.pack import pack
from drivelab.kernels.splat.project import (
    PINHOLE,
    _fetch,
    _flatten_one,
    _flatten_some,
    _found,
    _gather,
)
from drivelab.kernels.splat.turns import next_of
from drivelab.kernels.splat.unflatten import (
    BENCH,
    FLAT,
    POSE,
    SOLID,
    SUMS,
    TO_MEAN,
    TO_OPACITY,
    TO_PLACE,
    TO_QUAT,
    TO_SCALE,
    TO_TURN,
    mean,
    pinhole,
    pinhole_point,
    shape,
)
from drivelab.kernels.splat.unshade import (
    HARMONICS,
    direct,
    unshade_1,
    unshade_4,
    unshade_9,
    unshade_16,
    values_of,
)


@njit(nogil=True, cache=True)
def _reached(  # type: ignore[no-untyped-def]
    scene, which, lens, limits, model, soft, at, homes, marks, room, live, places, slots, drawn_on
):
    """Of the Gaussians `which`, those that a pixel has a word about; returns how many, and rows.

    `live`, `places` and `slots` take their numbers, rows, and first and last slots; `drawn_on` (n,)
    counts all that are drawn.
    """
    means, quats, scales, opacities = scene
    block, flat, opacity, packed, boxes = room
    count = 0
    for some in range(0, len(which), LANES):
        own = which[some : some + LANES]
        _flatten_some(means, quats, scales, opacities, own, lens, model, soft, block, flat, opacity)
        drawn = np.int64(pack(flat, opacity, limits, packed, boxes))
        for n in range(len(own)):
            if (drawn >> n) & 1 == 0:
                continue
            box = boxes[n]
            left, top, wide = box & 0xFFFF, (box >> 32) & 0xFFFF, homes[at] & 0xFFFF
            first = (homes[at] >> 16) + top * wide + left
            last = first + wide * ((box >> 48) + 1 - top)
            for slot in range(first, last):
                if marks[slot] != 0:
                    live[count], places[count] = own[n], at
                    slots[count, 0], slots[count, 1] = slot, last
                    count += 1
                    break
            drawn_on[own[n]] += 1
            at += 1
    return count, at


@njit(nogil=True, cache=True)
def _sum_up(sums, marks, slots, rows, places, bench, colours):  # type: ignore[no-untyped-def]
    """Add up the slots of up to LANES Gaussians; lanes that are left get 0."""
    bench[SUMS : SUMS + MOMENTS] = 0.0
    colours[:] = 0.0
    for lane in range(len(places)):
        for slot in range(slots[lane, 0], slots[lane, 1]):
            if marks[slot] != 0:
                for n in range(MOMENTS):
                    bench[SUMS + n, lane] += sums[slot, n]
        for n in range(3):  # a colour that is held at 0 has no gradient
            if rows[places[lane], RED + n] > 0:
                colours[lane, n] = bench[SUMS + IN_RED + n, lane]


@njit(nogil=True, cache=True)
def _lay_out(scene, which, lens, model, bench):  # type: ignore[no-untyped-def]
    """Fill a bench with up to LANES Gaussians and what is on the picture of them."""
    means, quats, scales, opacities = scene
    _gather(means, quats, scales, which, bench)
    for n in range(LANES):
        bench[SOLID, n] = opacities[which[min(n, len(which) - 1)]]
    if model == PINHOLE:
        flatten(bench, lens, bench[FLAT:])
        pinhole(bench, lens, 0.0)
        return
    for n in range(LANES):
        i = which[min(n, len(which) - 1)]
        _flatten_one(means, quats, scales, i, lens, model, bench[FLAT : FLAT + GIVEN, n])
        bend(bench, n, lens, model)


@njit(nogil=True, cache=True)
def _uncolour(sh, which, bench, colours, degree, values, dots, to_sh):  # type: ignore[no-untyped-def]
    """Gradients of coefficients and directions."""
    per_colour = 3 * sh.shape[1]
    flat_sh, flat_to = sh.reshape(-1), to_sh.reshape(-1)
    if degree > 0:
        values_of(bench, values)
        dots[len(which) :] = 0.0
    for lane in range(len(which)):
        first = which[lane] * per_colour
        if degree == 3:
            unshade_16(flat_sh, first, values, lane, colours, flat_to, dots)
        elif degree == 2:
            unshade_9(flat_sh, first, values, lane, colours, flat_to, dots)
        elif degree == 1:
            unshade_4(flat_sh, first, values, lane, colours, flat_to, dots)
        elif degree == 0:
            unshade_1(flat_sh, first, values, lane, colours, flat_to, dots)
    if degree > 0:
        direct(bench, dots)


@njit(nogil=True, cache=True)
def _hand_out(bench, which, limits, gradients):  # type: ignore[no-untyped-def]
    """Add a bench's gradients to those of its Gaussians."""
    to_means, to_quats, to_scales, to_opacities, _, pulls, _ = gradients
    wide, high = 0.5 * limits[4], 0.5 * limits[5]
    for lane in range(len(which)):
        i = which[lane]
        for n in range(3):
            to_means[i, n] += bench[TO_MEAN + n, lane]
            to_scales[i, n] += bench[TO_SCALE + n, lane]
        for n in range(4):
            to_quats[i, n] += bench[TO_QUAT + n, lane]
        to_opacities[i] += bench[TO_OPACITY, lane]
        across, down = wide * bench[TO_PLACE, lane], high * bench[TO_PLACE + 1, lane]
        pulls[i] += math.sqrt(across * across + down * down)


@njit(nogil=True, cache=True)
def _unproject(  # type: ignore[no-untyped-def]
    scene, sh, found, lens, limits, model, soft, degree, at, rows, homes, sums, marks, tools,
    gradients, pose,
):  # fmt: skip
    """Some Gaussians of one camera, whose rows begin at `at`; returns where they end."""
    room, bench, live, places, slots, values, dots, colours = tools
    count, at = _reached(
        scene, found, lens, limits, model, soft, at, homes, marks, room, live, places, slots,
        gradients[6],
    )  # fmt: skip
    pose[:] = 0.0
    fields = (
        scene[0].reshape(-1), scene[1].reshape(-1), scene[2].reshape(-1), scene[3],
        sh.reshape(-1), 3 * sh.shape[1],
    )  # fmt: skip
    for some in range(0, count, LANES):
        which = live[some : min(some + LANES, count)]
        for n in range(some + LANES, min(some + 3 * LANES, count)):
            _fetch(fields, live[n])
        _lay_out(scene, which, lens, model, bench)
        _sum_up(sums, marks, slots[some:], rows, places[some : some + len(which)], bench, colours)
        _uncolour(sh, which, bench, colours, degree, values, dots, gradients[4])
        shape(bench, lens, 1.0 if soft else 0.0)
        if model == PINHOLE:
            pinhole_point(bench, lens, 0.0)
        else:
            for n in range(LANES):
                unbend(bench, n, lens, model)
        mean(bench, lens, 0.0)
        _hand_out(bench, which, limits, gradients)
        for n in range(POSE):
            for lane in range(LANES):
                pose[n, lane] += bench[TO_TURN + n, lane]
    return at


@njit(nogil=True, cache=True)
def _tools():  # type: ignore[no-untyped-def]
    """Room for a thread."""
    bench, values = np.zeros((BENCH, LANES)), np.zeros((LANES, HARMONICS), np.float32)
    values[:, 0] = 0.28209479177387814
    room = (
        np.empty((TAKEN, LANES)), np.empty((GIVEN, LANES)), np.empty(LANES),
        np.empty((LANES, ROW), np.float32), np.empty(LANES, np.int64),
    )  # fmt: skip
    return (
        room, bench, np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64),
        np.empty((BLOCK, 2), np.int64), values, np.zeros((LANES, HARMONICS), np.float32),
        np.zeros((LANES, 4), np.float32),
    )  # fmt: skip


@njit(nogil=True, cache=True)
def unproject(  # type: ignore[no-untyped-def]
    means, quats, scales, opacities, sh, masks, ends, counter, lenses, limits, model, soft, degree,
    begins, rows, homes, sums, marks, fresh, gradients, poses,
):  # fmt: skip
    """Gradients of what some cameras see, part by part as the counter hands them out.

    Args:
        means: (n, 3) as all of `Gaussians`, float32.
        quats: (n, 4).
        scales: (n, 3).
        opacities: (n,).
        sh: (n, k, 3).
        masks: (c, words) of `cull`.
        ends: (parts + 1,) as `cull` takes them.
        counter: (1,) see `next_of`.
        lenses: (c, LENS) see `flatten`.
        limits: (LIMITS,) see `pack`.
        model: PINHOLE, FISHEYE or ORTHO.
        soft: whether antialiased.
        degree: of the colours; -1 is grey.
        begins: (c, parts) first rows, as `project` took them.
        rows: (m, ROW) see `project`.
        homes: (m,) see `house`.
        sums: (slots, MOMENTS) of `untile`.
        marks: (slots,) of `untile`.
        fresh: whether gradients are set and not added to.
        gradients: of means, quats, scales, opacities and sh, float32, with `pulls` float32 and
            `drawn` int32 of `Gradients` behind them; are written.
        poses: (c, blocks, POSE) sums over every BLOCK Gaussians; are written.
    """
    tools, pose = _tools(), np.empty((POSE, LANES))
    found, at = np.empty(BLOCK + WORD + 1, np.int64), np.empty(len(lenses), np.int64)
    scene = (means, quats, scales, opacities)
    while True:
        part: int = next_of(counter)
        if part >= len(ends) - 1:
            return
        at[:] = begins[:, part]
        for first in range(ends[part], ends[part + 1], BLOCK):
            last = min(first + BLOCK, ends[part + 1])
            if fresh:
                gradients[0][first:last] = 0
                gradients[1][first:last] = 0
                gradients[2][first:last] = 0
                gradients[3][first:last] = 0
                gradients[4][first:last] = 0
                gradients[5][first:last] = 0
                gradients[6][first:last] = 0
            for camera in range(len(lenses)):
                count, _ = _found(masks[camera], first, last, found)
                at[camera] = _unproject(
                    scene, sh, found[:count], lenses[camera], limits, model, soft, degree,
                    at[camera], rows, homes, sums, marks, tools, gradients, pose,
                )  # fmt: skip
                for n in range(POSE):
                    poses[camera, first // BLOCK, n] = pose[n].sum()
