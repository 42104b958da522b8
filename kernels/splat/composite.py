"""Pixels of tiles from their lists of Gaussians, front to back."""

from __future__ import annotations

import numpy as np
from numba import njit

from drivelab.kernels.exponential import exponential
from drivelab.kernels.splat.settings import LEAST_ALPHA, LEAST_LIGHT
from drivelab.kernels.splat.tiles import TILE

_CHECK = 16  # Gaussians between two looks whether the tile is finished
_SLACK = np.float32(0.01)  # px by which rounding may move the edge of a row


@njit(nogil=True, fastmath={"contract", "nsz"})
def _row(light, open_, red, green, blue, far, splat, x0, dy, most):  # type: ignore[no-untyped-def]
    """Lay one Gaussian over one row of a tile."""
    least, last, none = np.float32(LEAST_ALPHA), np.float32(LEAST_LIGHT), np.float32(0.0)
    half, one = np.float32(0.5), np.float32(1.0)
    straight, mixed, u = half * splat[2], splat[3] * dy, splat[0]
    fixed = half * splat[4] * dy * dy
    opacity, r, g, b, z = splat[5], splat[6], splat[7], splat[8], splat[9]
    for p in range(TILE):
        dx = (x0 + np.float32(p)) - u
        power = (straight * dx + mixed) * dx + fixed
        alpha = min(opacity * exponential(-power), most)
        alpha = alpha if (alpha >= least) & (power >= none) else none
        alpha *= open_[p]
        rest = light[p] * (one - alpha)
        stop = rest <= last
        open_[p] = none if stop else open_[p]
        weight = none if stop else alpha * light[p]
        light[p] = light[p] if stop else rest
        red[p] += weight * r
        green[p] += weight * g
        blue[p] += weight * b
        far[p] += weight * z


@njit(nogil=True)
def tile(rows, members, left, top, width, height, most, back, rgb, depth, cover):  # type: ignore[no-untyped-def]
    """Fill one tile of the pictures rgb (h, w, 3), depth (h, w) and cover (h, w)."""
    light, open_ = np.ones((TILE, TILE), np.float32), np.ones((TILE, TILE), np.float32)
    sums = np.zeros((4, TILE, TILE), np.float32)
    right, bottom = min(left + TILE, width), min(top + TILE, height)
    x0, half = np.float32(left) + np.float32(0.5), np.float32(0.5)
    two, far_off = np.float32(2.0), np.float32(TILE)
    for n in range(len(members)):
        if n % _CHECK == 0 and n > 0 and not _any_open(open_, right - left, bottom - top):
            break
        splat = rows[members[n]]
        a, b = splat[2], splat[3]
        upright = splat[4] - b * b / a  # the conic at the row's nearest column
        for j in range(bottom - top):
            dy = np.float32(top + j) + half - splat[1]
            spare = two * splat[10] - upright * dy * dy
            if spare < -_SLACK:
                continue
            reach = np.sqrt(max(spare, np.float32(0.0)) / a) + _SLACK * far_off
            middle = splat[0] - b / a * dy
            if middle + reach < left or middle - reach > right:
                continue
            _row(
                light[j], open_[j], sums[0, j], sums[1, j], sums[2, j], sums[3, j], splat, x0, dy,
                most,
            )  # fmt: skip
    for j in range(bottom - top):
        for p in range(right - left):
            for c in range(3):
                rgb[top + j, left + p, c] = sums[c, j, p] + light[j, p] * back[c]
            depth[top + j, left + p] = sums[3, j, p]
            cover[top + j, left + p] = np.float32(1.0) - light[j, p]


@njit(nogil=True)
def _any_open(open_, width, height):  # type: ignore[no-untyped-def]
    for j in range(height):
        for p in range(width):
            if open_[j, p] > 0:
                return True
    return False


@njit(nogil=True)
def tiles(rows, begins, members, first, step, across, size, most, back, rgb, depth, cover):  # type: ignore[no-untyped-def]
    """Every `step`-th tile from `first` on."""
    width, height = size
    for t in range(first, len(begins) - 1, step):
        tile(
            rows, members[begins[t] : begins[t + 1]], t % across * TILE, t // across * TILE, width,
            height, most, back, rgb, depth, cover,
        )  # fmt: skip
