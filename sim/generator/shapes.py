"""Shapes of roads: clothoids, turns through junctions, turns through roundabouts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from drivelab.geometry.poses import compose, wrap_angle

Piece = tuple[float, float, float]  # length [m], curvature at its start and at its end [1/m]

FINE = 0.05  # step of the integration [m]
EASE = 0.3  # share of a turn's length at each end over which the curvature builds up
SHORTEST = 0.02  # a joint closer than this to the next vertex is dropped [m]


def trace(
    start: Float[np.ndarray, "3"], pieces: Sequence[Piece], *, spacing: float = 2.0
) -> Float[np.ndarray, "n 3"]:
    """Follow a curvature that is linear within each piece; vertices at most `spacing` [m] apart."""
    path, pose = [np.asarray(start, float)[None]], np.asarray(start, float)
    for length, first, last in pieces:
        part = _clothoid(length, first, last, spacing)
        path.append(compose(pose, part[1:]))
        pose = path[-1][-1]
    return np.concatenate(path)


def straight(
    start: Float[np.ndarray, "3"], length: float, *, spacing: float = 2.0
) -> Float[np.ndarray, "n 3"]:
    """Straight on from a pose."""
    return trace(start, [(length, 0.0, 0.0)], spacing=spacing)


def turn(
    start: Float[np.ndarray, "3"], end: Float[np.ndarray, "3"], *, spacing: float = 1.0
) -> Float[np.ndarray, "n 3"]:
    """Connect two poses: straight where they face each other, else one eased turn.

    The longer of the two legs to the crossing of their tangents begins or ends straight.
    """
    angle = float(wrap_angle(end[2] - start[2]))
    if abs(angle) < 0.02:
        return _shift_over(start, end, spacing)
    first, second = _legs(start, end)
    unit = trace(np.zeros(3), _eased(angle, 1.0), spacing=0.01)
    leg = _legs(unit[0], unit[-1])[0]
    size = min(first, second) / leg
    lead = max(first - second, 0.0)
    tail = max(second - first, 0.0)
    pieces = [(lead, 0.0, 0.0), *_eased(angle, size), (tail, 0.0, 0.0)]
    path = trace(start, [piece for piece in pieces if piece[0] > SHORTEST], spacing=spacing)
    return pin(path, end)


def ring_turn(
    start: Float[np.ndarray, "3"],
    end: Float[np.ndarray, "3"],
    *,
    centre: Float[np.ndarray, "2"],
    radius: float,
    flare: float,
    spacing: float = 1.0,
) -> Float[np.ndarray, "n 3"]:
    """Through a roundabout, counter-clockwise: bend in, follow the ring, bend out.

    `radius` [m] is the ring lane's, `flare` [m] that of the right bends at entry and exit; both
    poses must lie outside the bends, heading towards and away from the ring.
    """
    into = _ring_entry(start, centre, radius, flare)
    # The way out is the way in, mirrored: turn the exit round, mirror, enter, and mirror back.
    mirrored = np.array([end[0], -end[1], wrap_angle(np.pi - end[2])])
    out = _ring_entry(mirrored, centre * [1.0, -1.0], radius, flare)
    entry_angle, exit_angle = into[2], -out[2]
    sweep = float((exit_angle - entry_angle) % (2.0 * np.pi))
    pieces = [
        (into[0], 0.0, 0.0),
        (into[1] * flare, -1.0 / flare, -1.0 / flare),
        (sweep * radius, 1.0 / radius, 1.0 / radius),
        (out[1] * flare, -1.0 / flare, -1.0 / flare),
        (out[0], 0.0, 0.0),
    ]
    path = trace(start, [piece for piece in pieces if piece[0] > SHORTEST], spacing=spacing)
    return pin(path, end)


def _ring_entry(
    start: np.ndarray, centre: np.ndarray, radius: float, flare: float
) -> tuple[float, float, float]:
    """Straight length [m], angle of the right bend and polar angle at which the ring begins."""
    cos, sin = np.cos(start[2]), np.sin(start[2])
    dx, dy = centre - start[:2]
    ahead, left = cos * dx + sin * dy, -sin * dx + cos * dy
    bend_y = -flare  # centre of the bend's circle, in the frame of `start`
    reach = np.sqrt((radius + flare) ** 2 - (left - bend_y) ** 2)
    lead = ahead - reach
    if lead < 0.0:
        raise ValueError(f"the roundabout's bend needs {-lead:.2f} m more in front of it")
    polar = np.arctan2(bend_y - left, -reach)  # from the ring's centre, in the frame of `start`
    # On the ring the heading is the polar angle + 90 degrees; the bend turns right up to it.
    angle = float((-(polar + np.pi / 2)) % (2.0 * np.pi))
    return float(lead), angle, float(wrap_angle(polar + start[2]))


def _eased(angle: float, size: float) -> list[Piece]:
    peak = angle / (size * (1.0 - EASE))
    return [
        (EASE * size, 0.0, peak),
        ((1.0 - 2.0 * EASE) * size, peak, peak),
        (EASE * size, peak, 0.0),
    ]


def _clothoid(length: float, first: float, last: float, spacing: float) -> np.ndarray:
    count = max(1, int(np.ceil(length / spacing - 1e-9)))
    fine = max(1, int(np.ceil(length / count / FINE)))
    edges = np.linspace(0.0, length, count * fine + 1)
    middle = 0.5 * (edges[1:] + edges[:-1])
    step = length / (count * fine)
    slope = (last - first) / (2.0 * length)
    yaw = first * middle + slope * middle**2
    x = np.concatenate([[0.0], np.cumsum(np.cos(yaw)) * step])[::fine]
    y = np.concatenate([[0.0], np.cumsum(np.sin(yaw)) * step])[::fine]
    s = edges[::fine]
    return np.column_stack([x, y, first * s + slope * s**2])


def _legs(start: np.ndarray, end: np.ndarray) -> tuple[float, float]:
    """Distances from the poses to the crossing of their tangents (one ahead, one behind)."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    cross = np.sin(end[2] - start[2])
    first = (dx * np.sin(end[2]) - dy * np.cos(end[2])) / cross
    second = (np.cos(start[2]) * dy - np.sin(start[2]) * dx) / cross
    return float(first), float(second)


def _shift_over(start: np.ndarray, end: np.ndarray, spacing: float) -> np.ndarray:
    length = float(np.hypot(*(end - start)[:2]))
    count = max(2, int(np.ceil(length / spacing)) + 1)
    u = np.linspace(0.0, 1.0, count)
    share = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    heading = np.array([np.cos(start[2]), np.sin(start[2])])
    ahead = float((end - start)[:2] @ heading)
    aside = float((end - start)[:2] @ np.array([-heading[1], heading[0]]))
    slope = 30.0 * u**2 * (1.0 - u) ** 2 * aside / ahead
    local = np.column_stack([u * ahead, share * aside, np.arctan(slope)])
    return pin(compose(np.asarray(start, float), local), end)


def pin(path: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Spread the closing error of the integration over the path, so that it ends where it must."""
    error = np.asarray(end[:2], float) - path[-1, :2]
    if np.hypot(*error) > 0.05:
        raise ValueError(f"the shape misses its end by {np.hypot(*error):.3f} m")
    path = path.copy()
    path[:, :2] += np.linspace(0.0, 1.0, len(path))[:, None] * error
    return path
