"""Plan-view geometry: pose and curvature of reference lines at any s, exact to 1e-6 m.

Lines and arcs in closed form, spirals by Gauss-Legendre quadrature of their heading (its error is
below 1e-10 m for panels of at most 2 rad), cubics (poly3, paramPoly3) by inverting their arc
length. Source: ASAM OpenDRIVE 1.7, chapter 8.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from drivelab.maps.opendrive.tables import Records, Shape

PARAMETERS = 14  # x, y, heading, length, shape, eight parameters, end of the curve parameter
MAX_TURN = 250.0  # an arc or spiral may turn by this much: 40 times round [rad]
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_PANEL_TURN = 2.0  # [rad]
_CURVE_PANELS = 32


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePoses:
    """Reference line at m places: map frame, heading unwrapped along a piece, signed curvature."""

    x: Float[np.ndarray, " m"]
    y: Float[np.ndarray, " m"]
    heading: Float[np.ndarray, " m"]  # [rad]
    curvature: Float[np.ndarray, " m"]  # [1/m], positive to the left


def reference_poses(
    geometry: Records, road: Int[np.ndarray, " m"], s: Float[np.ndarray, " m"]
) -> ReferencePoses:
    """Evaluate reference lines; s beyond the ends of a road counts as its end."""
    row = geometry.find(road, s)
    along = np.clip(s - geometry.s[row], 0.0, geometry.values[row, 3])
    shape = geometry.values[row, 4].astype(np.int64)
    local = np.zeros((4, len(row)))  # u, v, turn, curvature in the frame of the piece
    for kind, evaluate in (
        (Shape.LINE, _line),
        (Shape.ARC, _arc),
        (Shape.SPIRAL, _spiral),
        (Shape.POLY, _curve),
    ):
        here = np.flatnonzero(shape == kind)
        if len(here):
            local[:, here] = evaluate(geometry.values, row[here], along[here])
    x0, y0, heading = geometry.values[row, :3].T
    cos, sin = np.cos(heading), np.sin(heading)
    u, v, turn, curvature = local
    return ReferencePoses(x0 + cos * u - sin * v, y0 + sin * u + cos * v, heading + turn, curvature)


def _line(
    values: Float[np.ndarray, "n k"], row: Int[np.ndarray, " m"], along: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "4 m"]:
    zero = np.zeros_like(along)
    return np.stack([along, zero, zero, zero])


def _arc(
    values: Float[np.ndarray, "n k"], row: Int[np.ndarray, " m"], along: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "4 m"]:
    curvature = values[row, 5]
    half = curvature * along / 2
    chord = along * np.sinc(half / np.pi)  # sin(half) / half, smooth at zero curvature
    return np.stack([chord * np.cos(half), chord * np.sin(half), 2 * half, curvature])


def _spiral(
    values: Float[np.ndarray, "n k"], row: Int[np.ndarray, " m"], along: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "4 m"]:
    start, end = values[row, 5], values[row, 6]
    rate = (end - start) / np.where(values[row, 3] > 0.0, values[row, 3], 1.0)
    steepest = np.maximum(np.abs(start), np.abs(end)) * along
    panels = max(1, int(np.ceil(float(steepest.max(initial=0.0)) / _PANEL_TURN)))
    u, v = np.zeros_like(along), np.zeros_like(along)
    step = along / panels
    for panel in range(panels):
        s = (panel + (_NODES[:, None] + 1) / 2) * step
        turn = s * (start + rate * s / 2)
        u += step / 2 * (_WEIGHTS @ np.cos(turn))
        v += step / 2 * (_WEIGHTS @ np.sin(turn))
    return np.stack([u, v, along * (start + rate * along / 2), start + rate * along])


def _curve(
    values: Float[np.ndarray, "n k"], row: Int[np.ndarray, " m"], along: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "4 m"]:
    parameter = _by_length(values, row, along)
    cubic = values[row, 5:13]
    a, b, c, d = cubic.reshape(-1, 2, 4).transpose(2, 1, 0)
    position = a + parameter * (b + parameter * (c + parameter * d))
    first = b + parameter * (2 * c + 3 * d * parameter)
    second = 2 * c + 6 * d * parameter
    speed = np.hypot(*first)
    curvature = (first[0] * second[1] - first[1] * second[0]) / np.maximum(speed, 1e-12) ** 3
    return np.stack([position[0], position[1], np.arctan2(first[1], first[0]), curvature])


def _by_length(
    values: Float[np.ndarray, "n k"], row: Int[np.ndarray, " m"], along: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Curve parameter at which the arc length from the start of a piece is `along`.

    Where a paramPoly3's own length differs from the one the file states, the difference is spread
    over the piece, so that its end is met exactly. A poly3 ends where the length is used up.
    """
    pieces, place = np.unique(row, return_inverse=True)
    length, end = values[pieces, 3], values[pieces, 13]
    reach = np.where(end < 0.0, length, end)
    edges = np.linspace(0.0, 1.0, _CURVE_PANELS + 1) * reach[:, None]
    slopes = values[pieces][:, [6, 7, 8, 10, 11, 12], None]
    parts = _arc_length(slopes, edges[:, :-1], edges[:, 1:])
    total = np.concatenate([np.zeros((len(pieces), 1)), np.cumsum(parts, axis=1)], axis=1)
    stretch = np.where(end < 0.0, 1.0, total[:, -1] / np.maximum(length, 1e-12))
    target = along * stretch[place]
    panel = np.clip((total[place] <= target[:, None]).sum(1) - 1, 0, _CURVE_PANELS - 1)
    start, before, part = edges[place, panel], total[place, panel], parts[place, panel]
    share = np.clip((target - before) / np.maximum(part, 1e-12), 0.0, 1.0)
    parameter = start + share * reach[place] / _CURVE_PANELS
    slopes = slopes[place]
    for _ in range(4):
        gap = before + _arc_length(slopes, start[:, None], parameter[:, None])[:, 0] - target
        speed = _speed(slopes, parameter[:, None])[:, 0]
        parameter = parameter - gap / np.maximum(speed, 1e-12)
    return np.clip(parameter, 0.0, reach[place])


def _speed(
    slopes: Float[np.ndarray, "p 6 1"], at: Float[np.ndarray, "p q"]
) -> Float[np.ndarray, "p q"]:
    bu, cu, du, bv, cv, dv = slopes.transpose(1, 0, 2)
    return np.hypot(bu + at * (2 * cu + 3 * du * at), bv + at * (2 * cv + 3 * dv * at))


def _arc_length(
    slopes: Float[np.ndarray, "p 6 1"],
    start: Float[np.ndarray, "p q"],
    stop: Float[np.ndarray, "p q"],
) -> Float[np.ndarray, "p q"]:
    half = (stop - start) / 2
    total = np.zeros_like(half)
    for node, weight in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        total += weight * _speed(slopes, (start + stop) / 2 + node * half)
    return half * total
