"""RAD's nine closed-loop metrics (arXiv 2502.13144v2, section 4.2 and table 6).

A clip ends with its first event: dynamic collision, static collision, positional deviation (more
than 2 m from the nearest recorded pose) or heading deviation (more than 40 degrees from it). Ratios
are shares of clips; ADD and jerks look at the safe steps before the event. Departure: the recorded
path is lengthened along the clip's route, and events of the world count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from drivelab.geometry.polyline import arc_lengths, sample
from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.boxes import box_gap
from drivelab.kernels.collisions import place_ego_box
from drivelab.metrics.aggregate import MeanOfScenes, mean_over_valid
from drivelab.metrics.closed_loop.drive import Drive, drive_of
from drivelab.metrics.closed_loop.expert import expert_poses
from drivelab.metrics.closed_loop.jerk import mean_jerk, released_jerk
from drivelab.metrics.closed_loop.road import EDGE_TOLERANCE, road_under
from drivelab.metrics.metric import Event, SceneScore
from drivelab.metrics.rollout_metric import check_inputs
from drivelab.types import Rollout, Scene, StateColumn

POSITION_LIMIT = 2.0  # [m]
HEADING_LIMIT = np.radians(40.0)
PATH_SPACING = 0.5  # of the poses beyond the end of the record [m]
GUARD = 0.2  # [m]: the released code forgives static and heading events nearer to the path

# Events of one step, the first of them counts.
DYNAMIC, STATIC, POSITION, HEADING = range(4)
_KINDS = ("dynamic_collision", "static_collision", "position_deviation", "heading_deviation")


@dataclass(frozen=True, slots=True, eq=False)
class _Deviation:
    """From the nearest recorded pose, step by step."""

    distance: Float[np.ndarray, " t"]  # [m]
    heading: Float[np.ndarray, " t"]  # absolute [rad]


@dataclass(frozen=True, slots=True)
class Rad9(MeanOfScenes):
    """The nine metrics; `released` switches to the rules of the published scripts.

    The scripts count static collisions and heading deviations only where the ego is more than 0.2 m
    off the recorded path, put the yaw rate in the place of the lateral velocity, and difference
    centrally.
    """

    name: str
    released: bool
    subscores: tuple[str, ...] = (
        "collision_ratio",
        "dynamic_collision_ratio",
        "static_collision_ratio",
        "deviation_ratio",
        "position_deviation_ratio",
        "heading_deviation_ratio",
        "average_deviation_distance",
        "longitudinal_jerk",
        "lateral_jerk",
    )
    failed_score: float | None = None
    inputs: tuple[str, ...] = ("expert",)

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge one clip; its score is 1 where no event ended it."""
        check_inputs(self, scene, rollout)
        drive = drive_of(scene, rollout)
        deviation = _deviation(drive, _expert_path(scene, rollout, drive))
        _note_world(deviation, rollout)
        happened = self._events(scene, rollout, drive, deviation)
        steps = np.flatnonzero(happened.any(1))
        end = int(steps[0]) if len(steps) else drive.steps
        kind = int(np.argmax(happened[end])) if len(steps) else None
        flags = [float(kind == which) for which in range(4)]
        parts = (
            *(flags[DYNAMIC] + flags[STATIC], flags[DYNAMIC], flags[STATIC]),
            *(flags[POSITION] + flags[HEADING], flags[POSITION], flags[HEADING]),
            *self._motion(drive, deviation, max(end, 1)),
        )
        return SceneScore(
            score=float(kind is None),
            subscores=dict(zip(self.subscores, parts, strict=True)),
            states=rollout.ego,
            events=() if kind is None else (_event(drive, deviation, end, kind),),
            details={"safe_steps": max(end, 1), "mean_speed": _mean_speed(drive, end)},
        )

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Ratios and jerks as means over clips; the distance as the mean over all safe steps."""
        means = mean_over_valid(rows, ("score", *self.subscores))
        valid = [row for row in rows if row.get("status", "ok") == "ok" and "safe_steps" in row]
        if valid:
            steps = np.array([row["safe_steps"] for row in valid], float)
            distance = np.array([row["average_deviation_distance"] for row in valid], float)
            means["average_deviation_distance"] = float((steps * distance).sum() / steps.sum())
        return means

    def _events(
        self, scene: Scene, rollout: Rollout, drive: Drive, deviation: _Deviation
    ) -> Bool[np.ndarray, "t 4"]:
        touching = drive.contacts() > 0
        off_path = deviation.distance > (GUARD if self.released else -np.inf)
        out = np.zeros((drive.steps, 4), bool)
        out[:, DYNAMIC] = touching[:, drive.is_agent].any(1)
        out[:, STATIC] = touching[:, ~drive.is_agent].any(1) | _over_kerb(scene, rollout, drive)
        out[:, STATIC] &= off_path
        out[:, POSITION] = deviation.distance > POSITION_LIMIT
        out[:, HEADING] = (deviation.heading > HEADING_LIMIT) & off_path
        out[0] = False  # the start is given, not driven
        return out

    def _motion(self, drive: Drive, deviation: _Deviation, end: int) -> tuple[float, float, float]:
        """Mean distance to the path and mean absolute jerks over the safe steps."""
        states, distance = drive.states[:end], float(deviation.distance[:end].mean())
        forward, turning = states[:, StateColumn.VX], states[:, StateColumn.YAW_RATE]
        if self.released:
            return distance, released_jerk(forward), released_jerk(turning)
        sideways = states[:, StateColumn.VY] + drive.vehicle.rear_axle_to_center * turning
        return distance, mean_jerk(forward), mean_jerk(sideways)


def paper() -> Rad9:
    """As the paper defines them, but for two things that our world adds.

    The recorded path goes on along the clip's route where its record ends (see `_expert_path`; in
    the paper a clip ends with its record), and a kerb or deviation that the world noted counts.
    """
    return Rad9("rad9_v2", released=False)


def released() -> Rad9:
    """As the released scripts count them, with the same two additions as `paper`."""
    return Rad9("rad9_released_v3", released=True)


def _expert_path(scene: Scene, rollout: Rollout, drive: Drive) -> Float[np.ndarray, "k 3"]:
    """The recorded poses, and the rollout's route from where the record ends.

    A recorded driver who waits at the clip's end would else put everybody off the path who drives
    on; the rule is meant for those who leave it sideways (its reward trains steering only).
    """
    poses = expert_poses(scene, rollout, drive.origin)
    if rollout.route is None or len(rollout.route) < 2:
        return poses
    route = rollout.route - np.array([*drive.origin, 0.0])
    gaps = np.hypot(*(route[:, :2] - poses[-1, :2]).T)
    last = int(np.argmin(gaps))
    if gaps[last] > POSITION_LIMIT or last + 1 >= len(route):
        return poses
    length = arc_lengths(route)
    beyond = sample(route, np.arange(length[last], length[-1], PATH_SPACING))
    return np.concatenate([poses, beyond])


def _deviation(drive: Drive, expert: Float[np.ndarray, "k 3"]) -> _Deviation:
    gaps = np.hypot(
        drive.states[:, None, 0] - expert[None, :, 0], drive.states[:, None, 1] - expert[None, :, 1]
    )
    nearest = np.argmin(gaps, 1)
    error = wrap_angle(drive.states[:, StateColumn.HEADING] - expert[nearest, 2])
    return _Deviation(gaps[np.arange(drive.steps), nearest], np.abs(error))


def _mean_speed(drive: Drive, end: int) -> float:
    """Of the safe steps [m/s]; none of the nine, which a policy that stands hardly fails."""
    return float(np.abs(drive.states[: max(end, 1), StateColumn.VX]).mean())


def _note_world(deviation: _Deviation, rollout: Rollout) -> None:
    """Put in where the world saw the ego beyond a limit, and perhaps ended the clip there.

    It measures from the path, this metric from the nearest recorded pose: where one of them says
    that a limit was passed, a clip that ended there must not count as driven.
    """
    for kind, key, limit, values in (
        ("route_deviation", "distance", POSITION_LIMIT, deviation.distance),
        ("heading_deviation", "angle", HEADING_LIMIT, deviation.heading),
    ):
        for event in rollout.events:
            step, seen = int(event["step"]), float(event.get(key, np.nan))
            if event["kind"] == kind and seen > limit and 0 <= step < len(values):
                values[step] = max(values[step], seen)


def _over_kerb(scene: Scene, rollout: Rollout, drive: Drive) -> Bool[np.ndarray, " t"]:
    """Where the ego's box crosses the border of the drivable area, or its world said so."""
    road = road_under(scene.map, drive.states, drive.origin)
    masks = road.masks(drive.states, drive.ego_size)
    over = road.off_distance(drive.states, drive.ego_size, masks) > EDGE_TOLERANCE
    for event in rollout.events:
        if event["kind"] == "kerb" and 0 <= int(event["step"]) < len(over):
            over[int(event["step"])] = True
    return over


def _event(drive: Drive, deviation: _Deviation, step: int, kind: int) -> Event:
    if kind == POSITION:
        return Event(_KINDS[kind], step, margin=POSITION_LIMIT - float(deviation.distance[step]))
    if kind == HEADING:
        error = float(np.degrees(deviation.heading[step]))
        return Event(_KINDS[kind], step, detail=f"{error:.0f} deg off the recorded heading")
    wanted = drive.is_agent if kind == DYNAMIC else ~drive.is_agent
    hit = np.flatnonzero((drive.contacts()[step] > 0) & wanted)
    if not len(hit):
        return Event(_KINDS[kind], step, detail="kerb")
    ego = np.empty(6)
    place_ego_box(drive.states[step], drive.ego_size, 0.0, ego)
    gap = float(box_gap(ego, drive.boxes[step, hit[0]]))
    return Event(_KINDS[kind], step, drive.ids[hit[0]], margin=gap)
