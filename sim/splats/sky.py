"""The sky as a cube of colours: painted for a weather, looked up by direction."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from numba import njit

from drivelab.sim.splats.scene import Sky
from drivelab.sim.splats.weather import Weather, sky_tints, sun_direction

TEXELS = 128  # along an edge of a face
GROUND = (0.30, 0.34, 0.24)  # of far land by day, below the horizon
TAR = (0.30, 0.30, 0.31)  # below that, by day
HEADLIT = 0.42  # how bright headlights and lamps make it by night
STARS = 500
SUN = 0.03  # radius of the sun's disc [rad], larger than life so that a small picture shows it


def paint_sky(weather: Weather, *, seed: int = 0, texels: int = TEXELS) -> Sky:
    """A sky: gradient, haze, clouds, sun or moon, stars by night, far land below the horizon.

    Raises:
        ValueError: fewer than two texels along an edge.
    """
    if texels < 2:
        raise ValueError(f"a sky of texels={texels}; expected at least 2")
    rays = texel_directions(texels).reshape(-1, 3)
    zenith, horizon = sky_tints(weather)
    height = np.clip(rays[:, 2], 0.0, 1.0)[:, None]
    colours = zenith + (horizon - zenith) * np.exp(-4.5 * height)
    colours = _with_sun(colours, rays, weather)
    if weather.light.darkness == 1.0:
        colours = _with_stars(colours, rays, weather, seed)
    colours = _with_clouds(colours, rays, weather, seed)
    land = np.array(GROUND) * (0.3 + 0.7 * float(horizon.mean()))
    clear = 1.0 - min(1.0, 2.0 * weather.fog**0.5)
    colours = _with_hills(colours, rays, horizon + 0.55 * clear * (land - horizon), seed)
    below = np.clip(-rays[:, 2:] / 0.06, 0.0, 1.0)
    colours = colours + (horizon + 0.75 * clear * (land - horizon) - colours) * below
    # Seams between the Gaussians of a road let through what is painted here: let it be as dark.
    under = np.clip((-rays[:, 2:] - 0.05) / 0.12, 0.0, 1.0)
    tar = np.array(TAR) * max(0.1 + 0.9 * float(horizon.mean()), HEADLIT * weather.light.darkness)
    colours = colours + (tar - colours) * under
    faces = np.clip(colours, 0.0, 1.0).reshape(6, texels, texels, 3)
    return Sky(faces.astype(np.float32))


def sky_colours(sky: Sky, directions: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Colours of the sky along directions of any length but 0, bilinear within a face.

    Raises:
        ValueError: the directions are not (n, 3).
    """
    rays = np.ascontiguousarray(directions, np.float32)
    if rays.ndim != 2 or rays.shape[1] != 3:
        raise ValueError(f"directions have the shape {rays.shape}; expected (n, 3)")
    out = np.empty(rays.shape, np.float32)
    look_up(np.ascontiguousarray(sky.faces, np.float32), rays, out)
    return out


@njit(inline="always")
def texel_of(rays, i, n):  # type: ignore[no-untyped-def]
    """Face, row and column of the upper left texel, shares of the lower and the right one."""
    x, y, z = rays[i, 0], rays[i, 1], rays[i, 2]
    size, face, a, b = abs(x), 0 if x > 0 else 1, y, z
    if abs(y) > size:
        size, face, a, b = abs(y), 2 if y > 0 else 3, x, z
    if abs(z) > size:
        size, face, a, b = abs(z), 4 if z > 0 else 5, x, y
    one = 1.0 / max(size, 1e-30)
    column = min(max(0.5 * (a * one + 1.0) * n - 0.5, 0.0), n - 1.0)
    row = min(max(0.5 * (b * one + 1.0) * n - 0.5, 0.0), n - 1.0)
    left, top = min(int(column), n - 2), min(int(row), n - 2)
    return face, top, left, row - top, column - left


@njit(nogil=True, cache=True)
def look_up(faces, rays, out):  # type: ignore[no-untyped-def]
    """Fill `out` (k, 3) with the colours of faces (6, n, n, 3) along rays (k, 3), bilinear."""
    n = faces.shape[1]
    for i in range(len(rays)):
        face, top, left, v, u = texel_of(rays, i, n)
        for c in range(3):
            upper = faces[face, top, left, c] * (1 - u) + faces[face, top, left + 1, c] * u
            lower = faces[face, top + 1, left, c] * (1 - u) + faces[face, top + 1, left + 1, c] * u
            out[i, c] = upper * (1 - v) + lower * v


def texel_directions(texels: int) -> Float[np.ndarray, "6 n n 3"]:
    """Unit directions to the middles of all texels, see `Sky`."""
    at = (2 * np.arange(texels) + 1) / texels - 1
    b, a = np.meshgrid(at, at, indexing="ij")
    rays = np.empty((6, texels, texels, 3))
    for face in range(6):
        axis = face // 2
        first, second = (k for k in range(3) if k != axis)
        rays[face, ..., axis] = 1.0 if face % 2 == 0 else -1.0
        rays[face, ..., first], rays[face, ..., second] = a, b
    unit: np.ndarray = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    return unit


def _with_sun(colours: np.ndarray, rays: np.ndarray, weather: Weather) -> np.ndarray:
    angle = np.arccos(np.clip(rays @ sun_direction(weather), -1.0, 1.0))
    clear = 1.0 - weather.dull
    night = weather.light.darkness == 1.0
    tint = np.array([0.85, 0.87, 0.9]) if night else np.array([1.0, 0.95, 0.82])
    disc = np.clip((SUN * 1.5 - angle) / (0.5 * SUN), 0.0, 1.0)
    halo = (0.08 if night else 0.45) * np.exp(-angle / 0.16)
    share = clear * np.maximum(disc, halo)[:, None]
    return np.asarray(colours + share * (tint - colours))


def _with_hills(colours: np.ndarray, rays: np.ndarray, tint: np.ndarray, seed: int) -> np.ndarray:
    """Low hills in the haze: heights are a few waves over the whole circle."""
    rng = np.random.default_rng([seed, 29])
    turn = np.arctan2(rays[:, 1], rays[:, 0])
    height = np.full(len(rays), 0.035)
    for wave in (2, 3, 5, 8, 13):
        height += 0.02 / wave**0.5 * np.sin(wave * turn + rng.uniform(0, 2 * math.pi))
    share = np.clip((np.maximum(height, 0.008) - rays[:, 2]) / 0.012, 0.0, 1.0)[:, None]
    return np.asarray(colours + share * (tint - colours))


def _with_stars(colours: np.ndarray, rays: np.ndarray, weather: Weather, seed: int) -> np.ndarray:
    rng = np.random.default_rng([seed, 17])
    chosen = rng.choice(len(rays), min(STARS, len(rays)), replace=False)
    chosen = chosen[rays[chosen, 2] > 0.05]
    found = colours.copy()
    strength = rng.uniform(0.15, 0.75, len(chosen)) * (1.0 - weather.dull)
    found[chosen] += strength[:, None] * np.array([0.95, 0.97, 1.0])
    return found


def _with_clouds(colours: np.ndarray, rays: np.ndarray, weather: Weather, seed: int) -> np.ndarray:
    """Heaps of waves on a flat ceiling, where they come out above what the cover leaves free."""
    rng = np.random.default_rng([seed, 23])
    above = np.maximum(rays[:, 2], 0.04)
    ceiling = rays[:, :2] / above[:, None]
    field, weight, wave = np.zeros(len(rays)), 1.0, 1.1
    for _ in range(5):
        for _ in range(3):
            turn, shift = rng.uniform(0, 2 * math.pi, 2)
            way = ceiling @ np.array([math.cos(turn), math.sin(turn)])
            field += weight * np.sin(wave * way + shift)
        weight, wave = 0.55 * weight, 2.1 * wave
    cover = max(weather.clouds, weather.dull)
    amount = np.clip(0.55 * field + 3.2 * (cover - 0.62), 0.0, 1.0)
    amount = amount * np.clip((rays[:, 2] - 0.03) / 0.15, 0.0, 1.0) * (1.0 - weather.fog)
    zenith, horizon = sky_tints(weather)
    tone = np.minimum(1.0, 1.12 * horizon) * (1.0 - 0.25 * weather.dull)
    tone = tone + 0.25 * weather.dull * zenith
    return np.asarray(colours + 0.85 * amount[:, None] * (tone - colours))
