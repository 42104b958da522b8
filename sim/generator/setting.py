"""What a family hands to the world: map, ego, traffic, lights; and the tools to place them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, project, resample, sample
from drivelab.geometry.poses import wrap_angle
from drivelab.planning import IDMParameters, allowed_speed, concatenate
from drivelab.sim.generator.actors import SIZES, Actor, Follow, Interval, StopLine
from drivelab.types import PACIFICA, LaneMap

EGO_DRIVER = IDMParameters(
    min_gap=2.0, headway=1.3, acceleration=1.6, deceleration=2.2, exponent=8.0, braking_limit=3.4
)
TRAFFIC_DRIVER = IDMParameters(
    min_gap=2.0, headway=1.4, acceleration=1.5, deceleration=2.0, exponent=4.0, braking_limit=4.0
)
EGO_LATERAL, TRAFFIC_LATERAL = 2.5, 2.2  # lateral acceleration accepted in bends [m/s^2]
BEND_BRAKING = 1.6  # deceleration with which bends are approached [m/s^2]


@dataclass(frozen=True, slots=True)
class Light:
    """Connectors that share a signal, and when it is red [s]."""

    connectors: tuple[str, ...]
    red: tuple[Interval, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """One world before it runs. `ego_lanes` are the lanes of the ego's way, first to last."""

    map: LaneMap
    ego: Actor
    ego_lanes: tuple[str, ...]
    traffic: tuple[Actor, ...] = ()
    lights: tuple[Light, ...] = ()
    passing: tuple[tuple[str, ...], ...] = ()  # other lanes the ego may change to


def lanes_path(
    lane_map: LaneMap, lanes: Sequence[str], *, spacing: float = 1.0
) -> Float[np.ndarray, "n 3"]:
    """Joined centreline of the lanes, at equal spacing, joints once."""
    joined = concatenate(lane_map, lanes)
    step = np.hypot(*np.diff(joined[:, :2], axis=0).T)
    joined = joined[np.concatenate([[True], step > 1e-3])]
    points = resample(joined[:, :2], spacing)
    s = np.linspace(0.0, arc_lengths(joined[:, :2])[-1], len(points))
    return sample(joined, s)


def speed_limits(
    lane_map: LaneMap, lanes: Sequence[str], path: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Speed limit of the lane at every vertex of the lanes' path [m/s]."""
    lengths = [arc_lengths(lane_map.lanes[lane].centreline[:, :2])[-1] for lane in lanes]
    limits = np.array([lane_map.lanes[lane].speed_limit or 15.0 for lane in lanes])
    s = arc_lengths(path[:, :2])
    which = np.searchsorted(np.cumsum(lengths)[:-1], s, side="right")
    return limits[which]


def driver_on(
    lane_map: LaneMap,
    lanes: Sequence[str],
    *,
    start: float,
    speed: float | None = None,
    pace: float = 1.0,
    kind: str = "car",
    priority: int = 0,
    lights: Sequence[Light] = (),
    ego: bool = False,
    path: Float[np.ndarray, "n 3"] | None = None,
) -> Actor:
    """A driver by IDM along lanes (or along `path` beside them).

    `pace` is the share of the speed limit aimed at; without `speed` it begins at what is allowed.
    """
    path = lanes_path(lane_map, lanes) if path is None else path
    limits = pace * _resampled_limits(lane_map, lanes, path)
    allowed = allowed_speed(
        path,
        limits,
        lateral_acceleration=EGO_LATERAL if ego else TRAFFIC_LATERAL,
        deceleration=BEND_BRAKING,
    )
    free = float(np.interp(start, arc_lengths(path[:, :2]), allowed))
    return Actor(
        kind="vehicle",
        size=(PACIFICA.length, PACIFICA.width) if ego else SIZES[kind],
        path=path,
        start=start,
        speed=free if speed is None else min(speed, free),
        motion=Follow(
            EGO_DRIVER if ego else TRAFFIC_DRIVER, allowed, stop_lines(lane_map, path, lights)
        ),
        priority=priority,
    )


def _resampled_limits(
    lane_map: LaneMap, lanes: Sequence[str], path: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Limits of the lanes' own path, carried over to a path beside it by share of length."""
    own = lanes_path(lane_map, lanes)
    limits = speed_limits(lane_map, lanes, own)
    at = np.linspace(0.0, len(own) - 1.0, len(path))
    return limits[np.floor(at).astype(int)]


def stop_lines(
    lane_map: LaneMap, path: Float[np.ndarray, "n 3"], lights: Sequence[Light]
) -> tuple[StopLine, ...]:
    """Stop lines at the start of every signalled connector that the path enters along its axis."""
    lines = []
    for light in lights:
        for connector in light.connectors:
            entry = lane_map.lanes[connector].centreline[0]
            at, distance = project(path[:, :2], entry[:2])
            heading = sample(path, at)[2]
            if distance < 0.3 and abs(wrap_angle(heading - entry[2])) < 0.2:
                lines.append(StopLine(at, light.red))
                break
    return tuple(lines)


def beside(
    path: Float[np.ndarray, "n 3"], at: float, left: float, *, turned: float = 0.0
) -> Float[np.ndarray, "3"]:
    """The pose `left` [m] to the left of a path at an arc length, turned by an angle [rad]."""
    x, y, yaw = sample(path, at)
    normal = yaw + np.pi / 2
    return np.array(
        [x + left * np.cos(normal), y + left * np.sin(normal), wrap_angle(yaw + turned)]
    )


def sidestep(
    path: Float[np.ndarray, "n 3"],
    at: Float[np.ndarray, " k"],
    left: Float[np.ndarray, " k"],
) -> Float[np.ndarray, "n 3"]:
    """The path shifted by offsets given at arc lengths, eased by a quintic between them."""
    s = arc_lengths(path[:, :2])
    k = np.clip(np.searchsorted(at, s, side="right") - 1, 0, len(at) - 2)
    u = np.clip((s - at[k]) / (at[k + 1] - at[k]), 0.0, 1.0)
    share = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    shift = left[k] + share * (left[k + 1] - left[k])
    normal = path[:, 2] + np.pi / 2
    points = path[:, :2] + shift[:, None] * np.column_stack([np.cos(normal), np.sin(normal)])
    tangent = np.gradient(points, axis=0)
    return np.column_stack([points, wrap_angle(np.arctan2(tangent[:, 1], tangent[:, 0]))])
