"""nuPlan's closed-loop score, CLS-NR and CLS-R (nuplan-devkit v1.2, arXiv 2403.04133).

score = NC x DAC x DDC x MP x (5 progress + 5 TTC + 4 speed limit + 2 comfort) / 16. The two names
hold the same function: whether the traffic answers the ego is a property of the world, and where a
rollout says what its traffic did, the other name is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.metrics.aggregate import MeanOfScenes
from drivelab.metrics.closed_loop.drive import Drive, drive_of
from drivelab.metrics.closed_loop.expert import expert_poses
from drivelab.metrics.closed_loop.nuplan_lanes import driven_lanes, in_one_course
from drivelab.metrics.closed_loop.nuplan_progress import (
    expert_route,
    progress_along,
    progress_ratio,
)
from drivelab.metrics.closed_loop.nuplan_rules import (
    OFF_ROAD,
    TTC_LEAST,
    WRONG_WAY_HALF,
    Contact,
    backward_travel,
    collision_score,
    direction_score,
    first_contacts,
    overspeed,
    speed_score,
    times_to_collision,
)
from drivelab.metrics.closed_loop.road import road_under
from drivelab.metrics.closed_loop.smoothness import SHORTEST, comfort_signals, first_discomfort
from drivelab.metrics.metric import Event, SceneScore
from drivelab.metrics.navsim.events import COLLISION_TYPES
from drivelab.metrics.rollout_metric import check_inputs
from drivelab.types import Rollout, Scene

MULTIPLIERS = (
    "no_ego_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "ego_is_making_progress",
)
WEIGHTS = {
    "ego_progress_along_expert_route": 5.0,
    "time_to_collision_within_bound": 5.0,
    "speed_limit_compliance": 4.0,
    "ego_is_comfortable": 2.0,
}
LEAST_PROGRESS = 0.2  # share of the expert's


@dataclass(frozen=True, slots=True, eq=False)
class _Findings:
    """What the rules measured, step by step."""

    drive: Drive
    contacts: list[Contact]
    off_road: Float[np.ndarray, " t"]  # [m]
    backward: Float[np.ndarray, " t"]  # [m]
    times: Float[np.ndarray, " t"]  # to collision [s]
    actors: np.ndarray  # (t,) boxes of `times`
    excess: Float[np.ndarray, " t"]  # over the speed limit [m/s]
    discomfort: dict[str, int]
    ego_progress: float  # [m]
    expert_progress: float  # [m], NaN where the expert was in no lane


@dataclass(frozen=True, slots=True)
class NuplanClosedLoop(MeanOfScenes):
    """The score under one of its two names."""

    name: str
    traffic: str  # of the worlds that it is for: replay | reactive
    subscores: tuple[str, ...] = (*MULTIPLIERS, *WEIGHTS)
    failed_score: float | None = None
    inputs: tuple[str, ...] = ("expert",)

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge one episode."""
        check_inputs(self, scene, rollout)
        self._check_traffic(rollout)
        found = _find(scene, rollout)
        parts = _subscores(found)
        product = float(np.prod([parts[name] for name in MULTIPLIERS]))
        weighted = sum(weight * parts[name] for name, weight in WEIGHTS.items())
        return SceneScore(
            score=product * weighted / sum(WEIGHTS.values()),
            subscores=parts,
            states=rollout.ego,
            events=_events(found),
            details={
                "contacts": len(found.contacts),
                "ego_progress_m": found.ego_progress,
                "expert_progress_m": found.expert_progress,
                "least_time_to_collision": float(found.times.min()),
                "largest_overspeed": float(found.excess.max()),
            },
        )

    def _check_traffic(self, rollout: Rollout) -> None:
        told = rollout.info.get("traffic", self.traffic)
        if told != self.traffic:
            other = next((m.name for m in (non_reactive(), reactive()) if m.traffic == told), None)
            raise DataError(
                f"{self.name} is for {self.traffic} traffic, this was driven in {told} traffic"
                + (f": score it by {other}" if other else ""),
                where=f"rollout of {rollout.scene_id}, info",
            )


def non_reactive() -> NuplanClosedLoop:
    """CLS-NR: the others repeat the log."""
    return NuplanClosedLoop("nuplan_cls_nr_v1.2", "replay")


def reactive() -> NuplanClosedLoop:
    """CLS-R: vehicles answer the ego."""
    return NuplanClosedLoop("nuplan_cls_r_v1.2", "reactive")


def _find(scene: Scene, rollout: Rollout) -> _Findings:
    drive = drive_of(scene, rollout)
    road = road_under(scene.map, drive.states, drive.origin)
    masks = road.masks(drive.states, drive.ego_size)
    one_course = in_one_course(road, masks)
    path = driven_lanes(road, masks)
    contacts = first_contacts(drive, one_course)
    times, actors = times_to_collision(drive, contacts, ~one_course | road.in_intersection(masks))
    ego, expert = _progress(scene, rollout, drive)
    return _Findings(
        drive=drive,
        contacts=contacts,
        off_road=road.off_distance(drive.states, drive.ego_size, masks),
        backward=backward_travel(drive, scene.map, path),
        times=times,
        actors=actors,
        excess=overspeed(drive, scene.map, path),
        discomfort=_discomfort(drive),
        ego_progress=ego,
        expert_progress=expert,
    )


def _discomfort(drive: Drive) -> dict[str, int]:
    if drive.steps < SHORTEST:
        return {}
    signals = comfort_signals(drive.states, drive.vehicle.rear_axle_to_center)
    return first_discomfort(signals)


def _progress(scene: Scene, rollout: Rollout, drive: Drive) -> tuple[float, float]:
    """Progress of the ego and of the expert along the expert's route [m]."""
    until = float(rollout.info.get("time_limit", rollout.times[-1] - rollout.times[0]))
    poses = expert_poses(scene, rollout, drive.origin, until=until)
    driven = drive.alone_at(poses)
    road = road_under(scene.map, poses, drive.origin)
    route = expert_route(scene.map, driven_lanes(road, road.masks(driven.states, drive.ego_size)))
    if not len(route):
        return float("nan"), float("nan")
    expert = progress_along(route, driven.centers + drive.origin)
    return progress_along(route, drive.centers + drive.origin), expert


def _subscores(found: _Findings) -> dict[str, float]:
    known = np.isfinite(found.expert_progress)
    ratio = progress_ratio(found.ego_progress, found.expert_progress) if known else 1.0
    return {
        "no_ego_at_fault_collisions": collision_score(found.contacts, found.drive.kinds),
        "drivable_area_compliance": float((found.off_road < OFF_ROAD).all()),
        "driving_direction_compliance": direction_score(found.backward),
        "ego_is_making_progress": float(ratio >= LEAST_PROGRESS),
        "ego_progress_along_expert_route": ratio,
        "time_to_collision_within_bound": float(found.times.min() > TTC_LEAST),
        "speed_limit_compliance": speed_score(found.excess),
        "ego_is_comfortable": float(not found.discomfort),
    }


def _events(found: _Findings) -> tuple[Event, ...]:
    """What went wrong first, by kind, in the order in which it happened."""
    ids = found.drive.ids
    events = [
        Event("collision", c.step, ids[c.actor], COLLISION_TYPES[c.kind], c.gap)
        for c in found.contacts
        if c.at_fault
    ]
    close = found.times <= TTC_LEAST
    if close.any():
        step = int(np.argmax(close))
        text = f"in {found.times[step]:.1f} s"
        events.append(Event("ttc", step, ids[found.actors[step]], text))
    off = found.off_road >= OFF_ROAD
    if off.any():
        step = int(np.argmax(off))
        events.append(Event("off_road", step, margin=OFF_ROAD - float(found.off_road[step])))
    against = found.backward >= WRONG_WAY_HALF
    if against.any():
        step = int(np.argmax(against))
        margin = WRONG_WAY_HALF - float(found.backward.max())
        events.append(Event("wrong_way", step, margin=margin))
    if found.excess.any():
        step = int(np.argmax(found.excess > 0.0))
        events.append(Event("speeding", step, detail=f"by {found.excess.max():.1f} m/s"))
    if found.discomfort:
        names = ", ".join(found.discomfort)
        events.append(Event("comfort", min(found.discomfort.values()), detail=names))
    return tuple(sorted(events, key=lambda event: (event.step, event.kind)))
