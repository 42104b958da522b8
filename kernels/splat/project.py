"""Gaussians onto images, compiled: what is seen of each, packed one behind the other."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from drivelab.kernels.registers import fetch
from drivelab.kernels.splat.cells import (
    BLUE,
    DEPTH,
    GREEN,
    LABEL,
    OPACITY,
    PER_A,
    REACH,
    RED,
    SKEW,
    UPRIGHT,
    A,
    B,
    C,
    X,
    Y,
)
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
from drivelab.kernels.splat.settings import LEAST_ALPHA, WIDEST
from drivelab.kernels.splat.tiles import TILE

_BLOCK = 512  # Gaussians that are looked at together
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


@njit(nogil=True, cache=True, error_model="numpy")
def _colour(sh, i, x, y, z, degree, out):  # type: ignore[no-untyped-def]
    """Red, green, blue seen along a unit direction; see `harmonics.basis`. Degree -1 is grey."""
    if degree < 0:
        out[:] = 0.5
        return
    for c in range(3):
        out[c] = 0.5 + 0.28209479177387814 * sh[i, 0, c]
    if degree > 0:
        for c in range(3):
            out[c] += 0.4886025119029199 * (-y * sh[i, 1, c] + z * sh[i, 2, c] - x * sh[i, 3, c])
    if degree > 1:
        b4, b5 = 1.0925484305920792 * x * y, -1.0925484305920792 * y * z
        b6 = 0.31539156525252005 * (2.0 * z * z - x * x - y * y)
        b7, b8 = -1.0925484305920792 * x * z, 0.5462742152960396 * (x * x - y * y)
        for c in range(3):
            out[c] += b4 * sh[i, 4, c] + b5 * sh[i, 5, c] + b6 * sh[i, 6, c]
            out[c] += b7 * sh[i, 7, c] + b8 * sh[i, 8, c]
    if degree > 2:
        xx, yy, zz = x * x, y * y, z * z
        b9, b10 = -0.5900435899266435 * y * (3 * xx - yy), 2.890611442640554 * x * y * z
        b11 = -0.4570457994644658 * y * (4 * zz - xx - yy)
        b12 = 0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy)
        b13 = -0.4570457994644658 * x * (4 * zz - xx - yy)
        b14 = 1.445305721320277 * z * (xx - yy)
        b15 = -0.5900435899266435 * x * (xx - 3 * yy)
        for c in range(3):
            out[c] += b9 * sh[i, 9, c] + b10 * sh[i, 10, c] + b11 * sh[i, 11, c]
            out[c] += b12 * sh[i, 12, c] + b13 * sh[i, 13, c] + b14 * sh[i, 14, c]
            out[c] += b15 * sh[i, 15, c]
    for c in range(3):
        out[c] = max(out[c], 0.0)


@njit(nogil=True, cache=True, error_model="numpy")
def _candidates(  # type: ignore[no-untyped-def]
    means, scales, opacities, first, last, view, lens, bounds, model, size, numbers, kept, found
):
    """Places of [first, last) that one camera may see, without a branch per Gaussian.

    A pinhole surely does not see what lies outside of its picture by more than the extent that a
    ball of the largest scale s would have there: its variance along u is at most
    (fx s / z)^2 (1 + h^2) + blur, h the clamped x / z.
    """
    near, far, blur = numbers[0], numbers[1], numbers[2]
    least = max(LEAST_ALPHA, numbers[5])
    wide, fx, fy, cx, cy = WIDEST * WIDEST, lens[0], lens[1], lens[2], lens[3]
    v00, v01, v02, v03 = view[0, 0], view[0, 1], view[0, 2], view[0, 3]
    v10, v11, v12, v13 = view[1, 0], view[1, 1], view[1, 2], view[1, 3]
    v20, v21, v22, v23 = view[2, 0], view[2, 1], view[2, 2], view[2, 3]
    b0, b1, b2, b3 = bounds[0], bounds[1], bounds[2], bounds[3]
    width, height = np.float64(size[0]), np.float64(size[1])
    anywhere = model != PINHOLE
    for n in range(last - first):
        i = first + n
        x0, y0, z0 = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
        x = v00 * x0 + v01 * y0 + v02 * z0 + v03
        y = v10 * x0 + v11 * y0 + v12 * z0 + v13
        z = v20 * x0 + v21 * y0 + v22 * z0 + v23
        s, s1, s2 = scales[i, 0], scales[i, 1], scales[i, 2]
        s = s if s > s1 else s1
        s = s if s > s2 else s2
        per = 1.0 / z
        u, v, spread = x * per, y * per, np.float64(s) * per
        hu = u if u > b0 else b0
        hu = hu if hu < b1 else b1
        hv = v if v > b2 else b2
        hv = hv if hv < b3 else b3
        spread *= spread
        most_u = wide * (fx * fx * spread * (1.0 + hu * hu) + blur)
        most_v = wide * (fy * fy * spread * (1.0 + hv * hv) + blur)
        u, v = fx * u + cx, fy * v + cy
        # One pixel more, as the extent is rounded up
        out_u = (-u if -u > u - width else u - width) - 1.0
        out_v = (-v if -v > v - height else v - height) - 1.0
        missed = ((out_u > 0.0) & (out_u * out_u > most_u)) | (
            (out_v > 0.0) & (out_v * out_v > most_v)
        )
        solid = np.float64(opacities[i]) >= least
        kept[n] = solid & (z >= near) & (z <= far) & (anywhere | (not missed))
    count = 0
    for n in range(last - first):
        found[count] = first + n
        count += kept[n]
    return count


@njit(nogil=True, cache=True)
def _meets(u, v, rx, ry, width, height):  # type: ignore[no-untyped-def]
    """Whether a box reaches into the picture; touching its edge is outside."""
    return u + rx > 0 and u - rx < width and v + ry > 0 and v - ry < height


@njit(nogil=True, cache=True)
def _span(u, v, rx, ry, width, height):  # type: ignore[no-untyped-def]
    """Last row, first row, last column and first column of tiles, 16 bits each."""
    left = np.int64(max(0.0, math.floor(u - rx))) // TILE
    right = np.int64(min(width - 1.0, math.floor(u + rx))) // TILE
    top = np.int64(max(0.0, math.floor(v - ry))) // TILE
    bottom = np.int64(min(height - 1.0, math.floor(v + ry))) // TILE
    return (bottom << 48) | (top << 32) | (right << 16) | left


@njit(nogil=True, cache=True)
def _fetch_all(flat, first, count):  # type: ignore[no-untyped-def]
    for line in range(0, count, 16):
        fetch(flat, first + line)


@njit(nogil=True, cache=True)
def _gather(means, quats, scales, found, first, count, block):  # type: ignore[no-untyped-def]
    """Bring some Gaussians together, each in a lane; lanes that are left repeat the last one."""
    for lane in range(LANES):
        i = found[first + min(lane, count - 1)]
        for k in range(3):
            block[k, lane], block[7 + k, lane] = means[i, k], scales[i, k]
        for k in range(4):
            block[3 + k, lane] = quats[i, k]


@njit(nogil=True, cache=True, error_model="numpy")
def _flatten_one(means, quats, scales, i, view, eye, lens, blur, model, out):  # type: ignore[no-untyped-def]
    """As `flatten`, of one Gaussian and by a lens that is no pinhole."""
    mx, my, mz = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
    z = view[2, 0] * mx + view[2, 1] * my + view[2, 2] * mz + view[2, 3]
    x = view[0, 0] * mx + view[0, 1] * my + view[0, 2] * mz + view[0, 3]
    y = view[1, 0] * mx + view[1, 1] * my + view[1, 2] * mz + view[1, 3]
    u, v, j00, j01, j02, j10, j11, j12 = _jacobian(x, y, z, lens, model)
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


@njit(nogil=True, cache=True, error_model="numpy")
def project(  # type: ignore[no-untyped-def]
    means, quats, scales, opacities, sh, labels, span, view, eye, lens, bounds, model, size,
    numbers, degree, rows, spans,
):  # fmt: skip
    """Pack what one camera sees of the Gaussians of `span` (first, last); returns how many.

    `labels` may be empty. `numbers` are near, far, blur, whether antialiased, least radius, least
    opacity. `rows` (n, ROW) and `spans` (n,), see `_span`, take the seen from the span's first
    place on, in the order of the scene.
    """
    blur, soft, least_radius, least_opacity = numbers[2], numbers[3] > 0, numbers[4], numbers[5]
    width, height = size
    at = span[0]
    colour = np.empty(3)
    flat_quats, flat_sh, per_colour = quats.reshape(-1), sh.reshape(-1), 3 * sh.shape[1]
    block, flat = np.empty((TAKEN, LANES)), np.empty((GIVEN, LANES))
    flat_lens = np.empty(24)
    flat_lens[:12], flat_lens[12:15], flat_lens[15:19] = view[:3].reshape(-1), eye, lens
    flat_lens[19:23], flat_lens[23] = bounds, blur
    kept, found = np.empty(_BLOCK, np.uint8), np.empty(_BLOCK, np.int64)
    for begin in range(span[0], span[1], _BLOCK):
        count = _candidates(
            means, scales, opacities, begin, min(begin + _BLOCK, span[1]), view, lens, bounds,
            model, size, numbers, kept, found,
        )  # fmt: skip
        for first in range(0, count, LANES):
            together = min(LANES, count - first)
            if model == PINHOLE:
                _gather(means, quats, scales, found, first, together, block)
                flatten(block, flat_lens, flat)
            for n in range(together):
                i, row = found[first + n], rows[at]
                ahead = found[min(first + n + _AHEAD, count - 1)]
                fetch(flat_quats, ahead * 4)
                _fetch_all(flat_sh, ahead * per_colour, per_colour)
                if model != PINHOLE:
                    _flatten_one(means, quats, scales, i, view, eye, lens, blur, model, flat[:, n])
                u, v = flat[U, n], flat[V, n]
                sxx, sxy, syy = flat[SXX, n], flat[SXY, n], flat[SYY, n]
                area = sxx * syy - sxy * sxy
                if not area > 0.0:
                    continue
                opacity = np.float64(opacities[i])
                if soft:
                    opacity *= math.sqrt(max(0.0, flat[SHARP, n] / area))
                    if opacity < LEAST_ALPHA or opacity < least_opacity:
                        continue
                reach = 2.0 * math.log(255.0 * opacity)
                extent = min(WIDEST, math.sqrt(reach))
                rx, ry = math.ceil(extent * flat[WIDE, n]), math.ceil(extent * flat[HIGH, n])
                if max(rx, ry) <= least_radius or not _meets(u, v, rx, ry, width, height):
                    continue
                _colour(sh, i, flat[DX, n], flat[DY, n], flat[DZ, n], degree, colour)
                per = 1.0 / area
                row[X], row[Y] = u, v
                row[A], row[B], row[C] = syy * per, -sxy * per, sxx * per
                row[OPACITY] = opacity
                row[RED], row[GREEN], row[BLUE] = colour[0], colour[1], colour[2]
                row[DEPTH], row[REACH] = flat[Z, n], reach
                per = 1.0 / syy
                row[PER_A], row[SKEW], row[UPRIGHT] = area * per, -sxy * per, per
                row[LABEL] = labels[i] if len(labels) > 0 else 0
                spans[at] = _span(u, v, rx, ry, width, height)
                at += 1
    return at - span[0]
