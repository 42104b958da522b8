"""Gaussians onto images, compiled: what is seen of each, packed one behind the other."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from drivelab.kernels.splat.settings import LEAST_ALPHA, WIDEST

# A row: x, y, a, b, c (the conic), opacity, red, green, blue, depth, the largest power drawn, 0
ROW = 12
PINHOLE, FISHEYE, ORTHO = 0, 1, 2


@njit(nogil=True)
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


@njit(nogil=True)
def _jacobian(x, y, z, lens, bounds, model):  # type: ignore[no-untyped-def]
    """Place on the image and the Jacobian's six entries."""
    fx, fy, cx, cy = lens[0], lens[1], lens[2], lens[3]
    if model == ORTHO:
        return fx * x + cx, fy * y + cy, fx, 0.0, 0.0, 0.0, fy, 0.0
    if model == FISHEYE:
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
    u, v = x / z, y / z
    hu = min(max(u, bounds[0]), bounds[1])
    hv = min(max(v, bounds[2]), bounds[3])
    return fx * u + cx, fy * v + cy, fx / z, 0.0, -fx * hu / z, 0.0, fy / z, -fy * hv / z


@njit(nogil=True)
def _colour(sh, i, x, y, z, degree, out):  # type: ignore[no-untyped-def]
    """Red, green, blue seen along a unit direction; see `harmonics.basis`."""
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


@njit(nogil=True)
def project(  # type: ignore[no-untyped-def]
    means, quats, scales, opacities, sh, view, eye, lens, bounds, model, size, numbers, degree,
    rows, boxes,
):  # fmt: skip
    """Pack what one camera sees; returns how many Gaussians that is.

    `numbers` are near, far, blur, whether antialiased, least radius, least opacity. `rows`
    (n, ROW) takes the seen in the order of the scene, `boxes` (n, 4) the first and last pixels
    column and row that they may touch.
    """
    near, far, blur, soft, least_radius, least_opacity = (
        numbers[0], numbers[1], numbers[2], numbers[3] > 0, numbers[4], numbers[5],
    )  # fmt: skip
    width, height = size
    seen = 0
    colour = np.empty(3)
    for i in range(len(means)):
        opacity = np.float64(opacities[i])
        if opacity < LEAST_ALPHA or opacity < least_opacity:
            continue
        mx, my, mz = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
        z = view[2, 0] * mx + view[2, 1] * my + view[2, 2] * mz + view[2, 3]
        if not near <= z <= far:
            continue
        x = view[0, 0] * mx + view[0, 1] * my + view[0, 2] * mz + view[0, 3]
        y = view[1, 0] * mx + view[1, 1] * my + view[1, 2] * mz + view[1, 3]
        u, v, j00, j01, j02, j10, j11, j12 = _jacobian(x, y, z, lens, bounds, model)
        turn = _rotation(quats, i)
        sxx, sxy, syy = 0.0, 0.0, 0.0
        for axis in range(3):
            s = np.float64(scales[i, axis])
            ax, ay, az = turn[axis] * s, turn[3 + axis] * s, turn[6 + axis] * s
            px = view[0, 0] * ax + view[0, 1] * ay + view[0, 2] * az
            py = view[1, 0] * ax + view[1, 1] * ay + view[1, 2] * az
            pz = view[2, 0] * ax + view[2, 1] * ay + view[2, 2] * az
            gx = j00 * px + j01 * py + j02 * pz
            gy = j10 * px + j11 * py + j12 * pz
            sxx += gx * gx
            sxy += gx * gy
            syy += gy * gy
        sharp = sxx * syy - sxy * sxy
        sxx += blur
        syy += blur
        area = sxx * syy - sxy * sxy
        if not area > 0.0:
            continue
        if soft:
            opacity *= math.sqrt(max(0.0, sharp / area))
            if opacity < LEAST_ALPHA or opacity < least_opacity:
                continue
        power = math.log(255.0 * opacity)
        extent = min(WIDEST, math.sqrt(2.0 * power))
        rx, ry = math.ceil(extent * math.sqrt(sxx)), math.ceil(extent * math.sqrt(syy))
        if rx <= least_radius and ry <= least_radius:
            continue
        if not (u + rx > 0 and u - rx < width and v + ry > 0 and v - ry < height):
            continue
        dx, dy, dz = mx - eye[0], my - eye[1], mz - eye[2]
        one = 1.0 / max(math.sqrt(dx * dx + dy * dy + dz * dz), 1e-12)
        _colour(sh, i, dx * one, dy * one, dz * one, degree, colour)
        row = rows[seen]
        row[0], row[1] = u, v
        row[2], row[3], row[4] = syy / area, -sxy / area, sxx / area
        row[5] = opacity
        row[6], row[7], row[8] = colour[0], colour[1], colour[2]
        row[9], row[10], row[11] = z, power, 0.0
        box = boxes[seen]
        box[0] = max(0, math.floor(u - rx))
        box[1] = min(width - 1, math.floor(u + rx))
        box[2] = max(0, math.floor(v - ry))
        box[3] = min(height - 1, math.floor(v + ry))
        seen += 1
    return seen
