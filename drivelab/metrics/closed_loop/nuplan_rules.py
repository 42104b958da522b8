"""The sub-scores of nuPlan's closed-loop score, each as value and what explains it.

Rules and thresholds: nuplan-devkit (Karnchanachari et al., arXiv 2403.04133), `planning/metrics`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from drivelab.kernels.boxes import box_gap
from drivelab.kernels.collisions import (
    ACTIVE_FRONT,
    ACTIVE_LATERAL,
    STOPPED_TRACK,
    collision_type,
    place_ego_box,
)
from drivelab.kernels.contacts import projected_collision_times
from drivelab.metrics.closed_loop.drive import DT, Drive
from drivelab.metrics.closed_loop.nuplan_lanes import Lanes
from drivelab.metrics.closed_loop.road import along
from drivelab.types import LaneMap

FORGIVEN_OBJECTS = 1  # static objects that may be hit before the score is 0
TTC_HORIZON, TTC_LEAST = 29, 0.95  # steps of 0.1 s looked ahead; [s]
DIRECTION_WINDOW = 10  # [steps]
WRONG_WAY_HALF, WRONG_WAY_ZERO = 2.0, 6.0  # [m] driven back within the window
OFF_ROAD = 0.3  # from here on a corner is off the drivable area [m]
OVERSPEED = 2.23  # mean excess that empties the score [m/s]


@dataclass(frozen=True, slots=True)
class Contact:
    """The first time that the ego and a box met."""

    step: int
    actor: int
    kind: int  # a collision type of `drivelab.kernels.collisions`
    at_fault: bool
    gap: float  # signed [m]


def first_contacts(drive: Drive, one_course: Bool[np.ndarray, " t"]) -> list[Contact]:
    """One contact for each box that was touched, in the order in which they happened.

    Types as in PDMS, but by the box's own speed at that moment. Lateral contacts are the ego's
    fault where its corners are not all in one lane or in lanes that follow each other.
    """
    touching = drive.contacts() > 0
    speeds = np.hypot(*np.moveaxis(drive.velocities, -1, 0))
    contacts = []
    ego = np.empty(6)
    for actor in np.flatnonzero(touching.any(0)):
        step = int(np.argmax(touching[:, actor]))
        state, box = drive.states[step], drive.boxes[step, actor]
        place_ego_box(state, drive.ego_size, 0.0, ego)
        kind = collision_type(state, ego, box, drive.is_agent[actor], speeds[step, actor])
        fault = kind in (STOPPED_TRACK, ACTIVE_FRONT)
        fault = fault or (kind == ACTIVE_LATERAL and not one_course[step])
        contacts.append(Contact(step, int(actor), kind, fault, float(box_gap(ego, box))))
    return sorted(contacts, key=lambda contact: contact.step)


def collision_score(contacts: Sequence[Contact], kinds: Sequence[str]) -> float:
    """Product over road-user classes: any person or vehicle empties it, two objects do."""
    hit = [kinds[contact.actor] for contact in contacts if contact.at_fault]
    objects = sum(kind not in ("vehicle", "pedestrian", "bicycle") for kind in hit)
    if len(hit) > objects:
        return 0.0
    return max(0.0, 1.0 - objects / (FORGIVEN_OBJECTS + 1))


def times_to_collision(
    drive: Drive, contacts: Sequence[Contact], exposed: Bool[np.ndarray, " t"]
) -> tuple[Float[np.ndarray, " t"], np.ndarray]:
    """Time to collision at each step [s] (infinity = none), and the box it is with (or -1).

    Boxes are left out from their first contact on; at an at-fault contact the time is 0.
    """
    watched = np.ones(drive.boxes.shape[:2], bool)
    for contact in contacts:
        watched[contact.step :, contact.actor] = False
    speeds = np.hypot(*np.moveaxis(drive.velocities, -1, 0)) * drive.is_agent
    times, actors = projected_collision_times(
        drive.states, drive.ego_size, drive.boxes, speeds, watched, exposed, TTC_HORIZON, DT
    )
    for contact in contacts:
        if contact.at_fault:
            times[contact.step], actors[contact.step] = 0.0, contact.actor
    return times, actors


def backward_travel(
    drive: Drive, lane_map: LaneMap, path: Sequence[Lanes]
) -> Float[np.ndarray, " t"]:
    """Distance driven against the lane within the last second, at each step [m], >= 0.

    Steps count where the lane is that of the step before; the first step in a lane and steps
    outside of lanes count 0.
    """
    centers = drive.centers + drive.origin
    names = [lanes[0] if lanes else "" for lanes in path]
    moved = np.zeros(len(names))
    for name in set(names) - {""}:
        steps = np.flatnonzero([other == name for other in names])
        arc, _ = along(lane_map.lanes[name].centreline, centers[steps])
        moved[steps[1:]] = np.where(np.diff(steps) == 1, np.diff(arc), 0.0)
    for step in range(1, len(names)):
        if names[step] != names[step - 1]:
            moved[step : step + 2] = 0.0  # official: the sample after a change counts 0 as well
    total = np.concatenate([np.zeros(DIRECTION_WINDOW + 1), np.cumsum(moved)])
    return np.maximum(0.0, total[: len(moved)] - total[DIRECTION_WINDOW + 1 :])


def direction_score(backward: Float[np.ndarray, " t"]) -> float:
    """1, 0.5 or 0 by the largest distance driven back."""
    worst = float(backward.max())
    if worst < WRONG_WAY_HALF:
        return 1.0
    return 0.5 if worst < WRONG_WAY_ZERO else 0.0


def overspeed(drive: Drive, lane_map: LaneMap, path: Sequence[Lanes]) -> Float[np.ndarray, " t"]:
    """Speed above the limit [m/s], 0 where the limit is unknown or the ego in no lane."""
    limits = {lanes: _limit(lane_map, lanes) for lanes in set(path)}
    limit = np.array([limits[lanes] for lanes in path])
    return np.maximum(0.0, drive.speed - limit)


def _limit(lane_map: LaneMap, lanes: Lanes) -> float:
    """Limit of a lane; of connectors the largest of the lanes they join."""
    if not lanes:
        return np.inf
    first = lane_map.lanes[lanes[0]]
    if not first.connector:
        known = [first.speed_limit]
    else:
        joined = [
            lane_map.lanes[name]
            for lane in lanes
            for name in (*lane_map.lanes[lane].successors, *lane_map.lanes[lane].predecessors)
            if name in lane_map.lanes
        ]
        known = [lane.speed_limit for lane in joined] or [first.speed_limit]
    values = [value for value in known if value]
    return max(values) if len(values) == len(known) else np.inf


def speed_score(excess: Float[np.ndarray, " t"]) -> float:
    """1 minus the mean excess as a share of 2.23 m/s, at least 0."""
    duration = (len(excess) - 1) * DT
    if duration <= 0.0 or not excess.any():
        return 1.0
    return max(0.0, 1.0 - float(excess.sum()) * DT / (OVERSPEED * duration))
