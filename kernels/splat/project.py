"""Gaussians onto images, compiled: what is seen of each, packed one behind the other."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from drivelab.kernels.registers import fetch
from drivelab.kernels.splat.cells import DEPTH, LABEL, ROW
from drivelab.kernels.splat.cull import BLOCK, WORD
from drivelab.kernels.splat.flatten import (
    DX,
    DY,
    DZ,
    GIVEN,
    HIGH,
    LANES,
    SHARP,
    SXX,
    SXY,
    SYY,
    TAKEN,
    WIDE,
    U,
    V,
    Z,
    flatten,
)
from drivelab.kernels.splat.pack import (
    harmonics,
    pack,
    shade_0,
    shade_1,
    shade_4,
    shade_9,
    shade_16,
)
from drivelab.kernels.splat.turns import next_of

_AHEAD = 16  # Gaussians before its turn that one is fetched
PINHOLE, FISHEYE, ORTHO = 0, 1, 2


@njit(nogil=True, cache=True, error_model="numpy")
def _rotation(quats, i):  # type: ignore[no-untyped-def]
    w, x, y, z = (
        np.float64(quats[i, 0]), np.float64(quats[i, 1]), np.float64(quats[i, 2]),
        np.float64(quats[i, 3]),
    )  # fmt: skip
    one = 1.0 / math.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w * one, x * one, y * one, z * one
    return (
        1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
        2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
        2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
    )  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def _jacobian(x, y, z, lens, model):  # type: ignore[no-untyped-def]
    """Place on the image and the Jacobian's six entries, for a fisheye or an orthographic lens."""
    fx, fy, cx, cy = lens[0], lens[1], lens[2], lens[3]
    if model == ORTHO:
        return fx * x + cx, fy * y + cy, fx, 0.0, 0.0, 0.0, fy, 0.0
    flat = x * x + y * y
    if flat < 1e-12 * z * z:
        return fx * x / z + cx, fy * y / z + cy, fx / z, 0.0, 0.0, 0.0, fy / z, 0.0
    radius, full = math.sqrt(flat), flat + z * z
    stretch = math.atan2(radius, z) / radius
    along, across = z / (flat * full), stretch / flat
    mixed = x * y * (along - across)
    return (
        fx * stretch * x + cx, fy * stretch * y + cy,
        fx * (x * x * along + y * y * across), fx * mixed, -fx * x / full,
        fy * mixed, fy * (y * y * along + x * x * across), -fy * y / full,
    )  # fmt: skip


@njit(nogil=True, cache=True)
def _gather(means, quats, scales, which, block):  # type: ignore[no-untyped-def]
    """Bring some Gaussians together, each in a lane; lanes that are left repeat the last one."""
    for lane in range(LANES):
        i = which[min(lane, len(which) - 1)]
        for k in range(3):
            block[k, lane], block[7 + k, lane] = means[i, k], scales[i, k]
        for k in range(4):
            block[3 + k, lane] = quats[i, k]


@njit(nogil=True, cache=True, error_model="numpy")
def _flatten_one(means, quats, scales, i, lens, model, out):  # type: ignore[no-untyped-def]
    """As `flatten`, of one Gaussian and by a lens that is no pinhole."""
    view, eye, blur = lens[:12].reshape(3, 4), lens[12:15], lens[23]
    mx, my, mz = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
    z = view[2, 0] * mx + view[2, 1] * my + view[2, 2] * mz + view[2, 3]
    x = view[0, 0] * mx + view[0, 1] * my + view[0, 2] * mz + view[0, 3]
    y = view[1, 0] * mx + view[1, 1] * my + view[1, 2] * mz + view[1, 3]
    u, v, j00, j01, j02, j10, j11, j12 = _jacobian(x, y, z, lens[15:19], model)
    turn = _rotation(quats, i)
    sxx, sxy, syy = 0.0, 0.0, 0.0
    for axis in range(3):
        s = np.float64(scales[i, axis])
        ax, ay, az = turn[axis] * s, turn[3 + axis] * s, turn[6 + axis] * s
        px = view[0, 0] * ax + view[0, 1] * ay + view[0, 2] * az
        py = view[1, 0] * ax + view[1, 1] * ay + view[1, 2] * az
        pz = view[2, 0] * ax + view[2, 1] * ay + view[2, 2] * az
        gx, gy = j00 * px + j01 * py + j02 * pz, j10 * px + j11 * py + j12 * pz
        sxx += gx * gx
        sxy += gx * gy
        syy += gy * gy
    out[U], out[V], out[Z], out[SHARP] = u, v, z, sxx * syy - sxy * sxy
    out[SXX], out[SXY], out[SYY] = sxx + blur, sxy, syy + blur
    out[WIDE], out[HIGH] = math.sqrt(sxx + blur), math.sqrt(syy + blur)
    dx, dy, dz = mx - eye[0], my - eye[1], mz - eye[2]
    one = 1.0 / max(math.sqrt(dx * dx + dy * dy + dz * dz), 1e-12)
    out[DX], out[DY], out[DZ] = dx * one, dy * one, dz * one


@njit(nogil=True, cache=True)
def _found(masks, first, last, found):  # type: ignore[no-untyped-def]
    """Numbers of the Gaussians [first, last) whose bits are set, until BLOCK are found.

    Returns how many, and the first that has not been looked at.
    """
    count = np.int64(0)
    while first < last and count < BLOCK:
        bits = np.int64(masks[first // WORD])
        if bits != 0:
            for n in range(WORD):  # no branch for each of them
                found[count] = first + n
                count += (bits >> n) & 1
        first += WORD
    return count, first


@njit(nogil=True, cache=True)
def _fetch(fields, i):  # type: ignore[no-untyped-def]
    """Have all numbers of a Gaussian brought near."""
    means, quats, scales, opacities, sh, per_colour = fields
    fetch(means, i * 3)
    fetch(quats, i * 4)
    fetch(scales, i * 3)
    fetch(opacities, i)
    for line in range(0, per_colour, 16):
        fetch(sh, i * per_colour + line)


@njit(nogil=True, cache=True, error_model="numpy")
def _soften(flat, opacity):  # type: ignore[no-untyped-def]
    """Take from opacities what blurring added to the areas."""
    for n in range(LANES):
        area = flat[SXX, n] * flat[SYY, n] - flat[SXY, n] * flat[SXY, n]
        if area > 0.0:
            opacity[n] *= math.sqrt(max(0.0, flat[SHARP, n] / area))


@njit(nogil=True, cache=True)
def _flatten_some(  # type: ignore[no-untyped-def]
    means, quats, scales, opacities, which, lens, model, soft, block, flat, opacity
):
    """Up to LANES Gaussians onto the picture: `flat` (GIVEN, LANES) and `opacity` (LANES,)."""
    count = len(which)
    if model == PINHOLE:
        _gather(means, quats, scales, which, block)
        flatten(block, lens, flat)
    else:
        for n in range(count):
            _flatten_one(means, quats, scales, which[n], lens, model, flat[:, n])
    for n in range(LANES):
        opacity[n] = opacities[which[min(n, count - 1)]]
    if soft:
        _soften(flat, opacity)


@njit(nogil=True, cache=True)
def _shade(sh, first, values, packed, lane, degree, rows, at):  # type: ignore[no-untyped-def]
    if degree == 3:
        shade_16(sh, first, values, packed, lane, rows, at)
    elif degree == 2:
        shade_9(sh, first, values, packed, lane, rows, at)
    elif degree == 1:
        shade_4(sh, first, values, packed, lane, rows, at)
    elif degree == 0:
        shade_1(sh, first, values, packed, lane, rows, at)
    else:
        shade_0(sh, first, values, packed, lane, rows, at)


@njit(nogil=True, cache=True)
def _mark(span, stride, corners):  # type: ignore[no-untyped-def]
    """Note the four corners of a span, which takes no branch; see `_count`."""
    left, right = span & 0xFFFF, (span >> 16) & 0xFFFF
    top, bottom = ((span >> 32) & 0xFFFF) * stride, ((span >> 48) + 1) * stride
    corners[top + left] += 1
    corners[top + right + 1] -= 1
    corners[bottom + left] -= 1
    corners[bottom + right + 1] += 1


@njit(nogil=True, cache=True)
def _count(corners, across, counts):  # type: ignore[no-untyped-def]
    """Corners of spans (down + 1, across + 1) -> how many spans hold each tile (down * across,)."""
    for t in range(len(counts)):
        row, column = t // across, t % across
        above = counts[t - across] if row > 0 else 0
        before = counts[t - 1] if column > 0 else 0
        both = counts[t - across - 1] if row > 0 and column > 0 else 0
        counts[t] = corners[row * (across + 1) + column] + above + before - both


@njit(nogil=True, cache=True, error_model="numpy")
def _project(  # type: ignore[no-untyped-def]
    means, quats, scales, opacities, sh, labels, masks, first, last, lens, limits, model, soft,
    degree, across, at, rows, spans, keys, counts,
):  # fmt: skip
    """One part for one camera, into the rows from `at` on; returns where they end."""
    flat_sh, per_colour = sh.reshape(-1), 3 * sh.shape[1]
    fields = (
        means.reshape(-1), quats.reshape(-1), scales.reshape(-1), opacities, flat_sh, per_colour
    )  # fmt: skip
    block, flat = np.empty((TAKEN, LANES)), np.empty((GIVEN, LANES))
    opacity, found = np.empty(LANES), np.empty(BLOCK + WORD + 1, np.int64)
    packed, boxes = np.empty((LANES, ROW), np.float32), np.empty(LANES, np.int64)
    values = np.empty((16, LANES), np.float32)
    corners = np.zeros((len(counts) // across + 1) * (across + 1), np.int64)
    while first < last:
        count, first = _found(masks, first, last, found)
        for n in range(min(_AHEAD, count)):
            _fetch(fields, found[n])
        for some in range(0, count, LANES):
            together = min(LANES, count - some)
            for n in range(some + _AHEAD, min(some + _AHEAD + LANES, count)):
                _fetch(fields, found[n])
            _flatten_some(
                means, quats, scales, opacities, found[some : some + together], lens, model, soft,
                block, flat, opacity,
            )  # fmt: skip
            drawn = np.int64(pack(flat, opacity, limits, packed, boxes))
            if degree > 0:
                harmonics(flat, values)
            elif degree == 0:
                values[0] = 0.28209479177387814
            for n in range(together):
                if (drawn >> n) & 1 == 0:
                    continue
                i = found[some + n]
                _shade(flat_sh, i * per_colour, values, packed, n, degree, rows, at)
                if len(labels) > 0:
                    rows[at, LABEL] = labels[i]
                spans[at], keys[at] = boxes[n], packed[n, DEPTH]
                _mark(boxes[n], across + 1, corners)
                at += 1
    _count(corners, across, counts)
    return at


@njit(nogil=True, cache=True)
def project(  # type: ignore[no-untyped-def]
    means, quats, scales, opacities, sh, labels, masks, ends, counter, lenses, limits, model, soft,
    degree, across, begins, rows, spans, keys, stops, counts,
):  # fmt: skip
    """Pack what some cameras see, part by part as the counter hands them out.

    Args:
        means: (n, 3) as all of `Gaussians`, float32.
        quats: (n, 4).
        scales: (n, 3).
        opacities: (n,).
        sh: (n, k, 3).
        labels: (n,) uint8; may be empty.
        masks: (c, words) of `cull`.
        ends: (parts + 1,) as `cull` takes them.
        counter: (1,) see `next_of`.
        lenses: (c, LENS) see `flatten`.
        limits: (LIMITS,) see `pack`.
        model: PINHOLE, FISHEYE or ORTHO.
        soft: whether antialiased.
        degree: of the colours; -1 is grey.
        across: tiles in a row of the picture.
        begins: (c, parts) places in `rows` that are taken from there on, in the scene's order.
        rows: (m, ROW) of the seen Gaussians.
        spans: (m,) tiles of their boxes, see `pack`.
        keys: (m,) float32 their depths.
        stops: (c, parts) takes where the rows of a part end.
        counts: (parts, c, tiles) takes how many of a part touch each tile.
    """
    while True:
        part: int = next_of(counter)
        if part >= len(ends) - 1:
            return
        for camera in range(len(lenses)):
            stops[camera, part] = _project(
                means, quats, scales, opacities, sh, labels, masks[camera], ends[part],
                ends[part + 1], lenses[camera], limits, model, soft, degree, across,
                begins[camera, part], rows, spans, keys, counts[part, camera],
            )  # fmt: skip
