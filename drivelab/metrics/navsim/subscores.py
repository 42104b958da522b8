"""All sub-scores of a batch of simulated proposals, before progress is normalised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from drivelab.geometry.polyline import arc_lengths
from drivelab.kernels.collisions import at_fault_collisions, time_to_collision
from drivelab.kernels.comfort import comfort_signals, filter_matrix, within_bounds
from drivelab.kernels.ego_area import NON_DRIVABLE, area_flags, first_red_light, wrong_way_distance
from drivelab.kernels.polylines import chunk_bounds
from drivelab.kernels.progress import lane_keeping, route_progress
from drivelab.maps.drivable import DrivableMap
from drivelab.metrics.navsim.observation import ObjectFrames
from drivelab.metrics.navsim.rules import COMFORT_BOUNDS, DT, NavsimRules
from drivelab.types import VehicleParameters


@dataclass(frozen=True, slots=True, eq=False)
class Centreline:
    """The progress path relative to an origin, ready for projection."""

    points: Float[np.ndarray, "n 2"]
    arc: Float[np.ndarray, " n"]
    bounds: Float[np.ndarray, "c 4"]

    @staticmethod
    def from_points(points: Float[np.ndarray, "n 2"]) -> Centreline:
        """Measure a polyline."""
        points = np.ascontiguousarray(points[:, :2])
        return Centreline(points, arc_lengths(points), chunk_bounds(points))


@dataclass(frozen=True, slots=True, eq=False)
class RedLights:
    """Polygons of connectors that are red at some step, and when."""

    ids: tuple[str, ...]
    polygons: tuple[np.ndarray, ...]
    red: Bool[np.ndarray, "t l"]


@dataclass(frozen=True, slots=True, eq=False)
class Surroundings:
    """What proposals are judged against."""

    vehicle: VehicleParameters
    drivable: DrivableMap
    objects: ObjectFrames
    centreline: Centreline
    lights: RedLights
    ignored: Bool[np.ndarray, " n"]  # objects that are forgiven from the start

    @property
    def ego_size(self) -> Float[np.ndarray, "3"]:
        """Half length, half width, rear axle to centre [m]."""
        car = self.vehicle
        return np.array([car.length / 2, car.width / 2, car.rear_axle_to_center])


@dataclass(frozen=True, slots=True, eq=False)
class Subscores:
    """One row per proposal; steps are -1 where nothing happened."""

    flags: UInt8[np.ndarray, "b t"]
    no_collision: Float[np.ndarray, " b"]
    collision: Int[np.ndarray, "b 3"]  # step, object, type
    collision_margin: Float[np.ndarray, " b"]
    collision_types: UInt8[np.ndarray, "b n"]
    drivable: Float[np.ndarray, " b"]
    off_road_step: Int[np.ndarray, " b"]
    direction: Float[np.ndarray, " b"]
    wrong_way: Float[np.ndarray, " b"]  # [m] within the window
    wrong_way_step: Int[np.ndarray, " b"]
    red_light: Float[np.ndarray, " b"]
    red_light_step: Int[np.ndarray, " b"]
    red_light_index: Int[np.ndarray, " b"]
    ttc: Float[np.ndarray, " b"]
    ttc_first: Int[np.ndarray, "b 3"]  # step, object, frames ahead
    comfort_flags: Bool[np.ndarray, "b 6"]
    comfort_steps: Int[np.ndarray, "b 6"]
    lane: Float[np.ndarray, " b"]
    lane_step: Int[np.ndarray, " b"]
    lane_deviation: Float[np.ndarray, " b"]
    progress: Float[np.ndarray, " b"]  # raw [m]

    @property
    def comfort(self) -> Float[np.ndarray, " b"]:
        """1 where all six signals stay within their bounds."""
        return self.comfort_flags.all(1).astype(float)


def comfort_filters(rules: NavsimRules, count: int) -> tuple[np.ndarray, ...]:
    """The five filter matrices for `count` samples."""
    return (
        filter_matrix(count, rules.acceleration_window, 2, 0, DT),
        filter_matrix(count, 8, 2, 0, DT),
        filter_matrix(count, rules.jerk_window, 2, 1, DT),
        filter_matrix(count, 5, 2, 1, DT),
        filter_matrix(count, 5, 3, 2, DT),
    )


def comfort(
    states: Float[np.ndarray, "b t 11"], rules: NavsimRules, vehicle: VehicleParameters
) -> tuple[Bool[np.ndarray, "b 6"], Int[np.ndarray, "b 6"]]:
    """Which comfort signals stay within bounds, and the first sample that does not."""
    to_center = vehicle.rear_axle_to_center if rules.at_center else 0.0
    signals = comfort_signals(states, comfort_filters(rules, states.shape[1]), to_center)
    return within_bounds(signals, COMFORT_BOUNDS)


def score_states(
    states: Float[np.ndarray, "b 41 11"],
    around: Surroundings,
    rules: NavsimRules,
    history: Float[np.ndarray, "h 11"] | None = None,
) -> Subscores:
    """Judge simulated states (relative to the origin of the surroundings).

    `history` states are put before them for comfort alone; without them and with `at_center` rules
    comfort is 1 (v2.2 counts it only when there is a past).
    """
    drivable, line = around.drivable, around.centreline
    flags = area_flags(
        states, around.ego_size, drivable.polygons, drivable.kinds, drivable.on_route
    )
    comfort_flags, comfort_steps = _comfort_with(states, history, rules, around.vehicle)
    return Subscores(
        flags=flags,
        **_contacts(states, flags, around, rules),
        **_places(states, flags, around, rules),
        comfort_flags=comfort_flags,
        comfort_steps=comfort_steps,
        progress=route_progress(
            states, around.vehicle.rear_axle_to_center, line.points, line.arc, line.bounds
        ),
    )


def _contacts(
    states: Float[np.ndarray, "b t 11"],
    flags: UInt8[np.ndarray, "b t"],
    around: Surroundings,
    rules: NavsimRules,
) -> dict[str, Any]:
    """The fields of `Subscores` about other road users."""
    size, objects = around.ego_size, around.objects
    no_collision, collision, margin, types = at_fault_collisions(
        states, size, flags, objects.boxes, objects.is_agent, objects.speeds, around.ignored
    )
    look_ahead = np.array(rules.look_ahead)
    ttc, ttc_first = time_to_collision(
        states, size, flags, objects.boxes, around.ignored, rules.ttc_steps, look_ahead, DT
    )
    return {
        "no_collision": no_collision,
        "collision": collision,
        "collision_margin": margin,
        "collision_types": types,
        "ttc": ttc,
        "ttc_first": ttc_first,
    }


def _places(
    states: Float[np.ndarray, "b t 11"],
    flags: UInt8[np.ndarray, "b t"],
    around: Surroundings,
    rules: NavsimRules,
) -> dict[str, Any]:
    """The fields of `Subscores` about where the ego drives."""
    size, lights = around.ego_size, around.lights
    off_road = (flags & NON_DRIVABLE) != 0
    wrong_way, wrong_way_step = wrong_way_distance(
        states, flags, size[2], rules.wrong_way_window, rules.spare_intersections
    )
    limits = [wrong_way < rules.wrong_way_half, wrong_way < rules.wrong_way_zero]
    red_step, red_index = first_red_light(states, size, lights.polygons, lights.red)
    lane, lane_step, deviation = _lane_keeping(states, flags, around, rules)
    return {
        "drivable": 1.0 - off_road.any(1),
        "off_road_step": np.where(off_road.any(1), np.argmax(off_road, 1), -1),
        "direction": np.select(limits, [1.0, 0.5], 0.0),
        "wrong_way": wrong_way,
        "wrong_way_step": wrong_way_step,
        "red_light": (red_step < 0).astype(float),
        "red_light_step": red_step,
        "red_light_index": red_index,
        "lane": lane,
        "lane_step": lane_step,
        "lane_deviation": deviation,
    }


def _lane_keeping(
    states: Float[np.ndarray, "b t 11"],
    flags: UInt8[np.ndarray, "b t"],
    around: Surroundings,
    rules: NavsimRules,
) -> tuple[Float[np.ndarray, " b"], Int[np.ndarray, " b"], Float[np.ndarray, " b"]]:
    """Score, step and largest deviation [m]; v1.1 does not know lane keeping: 1, -1, NaN."""
    if not rules.at_center:
        batch = len(states)
        return np.ones(batch), np.full(batch, -1), np.full(batch, np.nan)
    line = around.centreline
    return lane_keeping(
        states,
        flags,
        around.vehicle.rear_axle_to_center,
        line.points,
        line.arc,
        line.bounds,
        rules.lane_tolerance,
        rules.lane_patience,
    )


def _comfort_with(
    states: Float[np.ndarray, "b t 11"],
    history: Float[np.ndarray, "h 11"] | None,
    rules: NavsimRules,
    vehicle: VehicleParameters,
) -> tuple[Bool[np.ndarray, "b 6"], Int[np.ndarray, "b 6"]]:
    if not rules.at_center:
        return comfort(states, rules, vehicle)
    batch = len(states)
    if history is None:
        return np.ones((batch, 6), bool), np.full((batch, 6), -1)
    past = np.broadcast_to(history, (batch, *history.shape))
    flags, steps = comfort(np.concatenate([past, states], 1), rules, vehicle)
    # Samples of the past count as step 0.
    return flags, np.where(steps < 0, -1, np.maximum(steps - len(history), 0))


def normalised_progress(
    raw: Float[np.ndarray, " b"],
    product: Float[np.ndarray, " b"],
    best: Float[np.ndarray, " b"] | float,
    rules: NavsimRules,
) -> Float[np.ndarray, " b"]:
    """Ego progress in [0, 1] against `best`, the largest progress times product of the batch [m].

    v1.1 measures masked progress and gives 0 to failed proposals when nobody gets far; v2.2
    measures raw progress, clipped, and gives everybody 1 then.
    """
    far = best > rules.progress_threshold
    safe = np.where(far, best, 1.0)
    if rules.spare_intersections:
        return np.where(far, np.clip(raw / safe, 0.0, 1.0), 1.0)
    return np.where(far, raw * product / safe, np.where(product > 0.0, 1.0, 0.0))
