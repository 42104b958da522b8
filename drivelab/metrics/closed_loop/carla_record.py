"""What a CARLA leaderboard would have noted about a route, from a rollout and its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivelab.errors import DataError
from drivelab.metrics.closed_loop.carla_rules import INFRACTIONS
from drivelab.metrics.metric import Event
from drivelab.types import Rollout

INPUTS = ("route", "route_completion", "off_lane")
STANDING = 0.1  # collisions of a slower ego do not count [m/s]
SAME_TIME = 5.0  # the same actor again within this is the same collision [s]
SAME_PLACE = 5.0  # and so is anything within this of the collision before [m]
GOAL_REACH = 10.0  # [m]
NEARLY_DONE = 99.0  # [percent]
_STOPPING = ("route_deviation", "blocked", "timeout")
_RULES = ("red_light", "stop_sign", "scenario_timeout", "emergency_yield")
_OF_ACTOR = {"pedestrian": "pedestrian", "vehicle": "vehicle", "bicycle": "vehicle"}


@dataclass(frozen=True, slots=True)
class RouteRecord:
    """Completion [percent], infractions and what else the scores ask for."""

    completion: float
    status: str  # Completed | Perfect | Failed and why
    infractions: tuple[tuple[str, Event], ...]  # (kind of INFRACTIONS, what happened)
    off_lane_percent: float  # of the distance driven
    checkpoint_percents: tuple[float, ...]
    stops: tuple[Event, ...]  # what ended the route
    route_km: float

    @property
    def counts(self) -> dict[str, int]:
        """How often each infraction happened."""
        kinds = [kind for kind, _ in self.infractions]
        return {kind: kinds.count(kind) for kind in INFRACTIONS}

    @property
    def completed(self) -> bool:
        """Whether the goal was reached."""
        return not self.status.startswith("Failed")

    @property
    def events(self) -> tuple[Event, ...]:
        """Infractions and stops in the order in which they happened."""
        found = [event for _, event in self.infractions] + list(self.stops)
        return tuple(sorted(found, key=lambda event: (event.step, event.kind)))


def route_record(rollout: Rollout) -> RouteRecord:
    """Read the record; raises DataError on events or facts that cannot be read."""
    infractions = _collisions(rollout)
    infractions += [
        (event["kind"], Event(event["kind"], int(event["step"]), _source(event)))
        for event in rollout.events
        if event["kind"] in _RULES
    ]
    stops = tuple(
        Event(event["kind"], int(event["step"]), margin=-float(event.get("distance", np.nan)))
        for event in rollout.events
        if event["kind"] in _STOPPING
    )
    percents = [float(e["percent"]) for e in rollout.events if e["kind"] == "min_speed"]
    off_lane = _off_lane_percent(rollout)
    completion, status = _completion(rollout, stops, bool(infractions) or off_lane > 0.0)
    length = rollout.info.get("route_length")
    return RouteRecord(
        completion=completion,
        status=status,
        infractions=tuple(sorted(infractions, key=lambda pair: pair[1].step)),
        off_lane_percent=off_lane,
        checkpoint_percents=tuple(percents),
        stops=stops,
        route_km=(_length(rollout) if length is None else float(length)) / 1000.0,
    )


def _source(event: Mapping[str, Any]) -> str:
    """The map object or actor of an event."""
    return str(event.get("light") or event.get("lane") or event.get("actor") or "")


def _collisions(rollout: Rollout) -> list[tuple[str, Event]]:
    """Collision events without those of a standing ego and without repetitions."""
    counted: list[tuple[str, Event]] = []
    before: tuple[str, float, np.ndarray] | None = None
    for event in sorted(rollout.events, key=lambda event: int(event["step"])):
        if event["kind"] != "collision" or float(event.get("ego_speed", np.inf)) < STANDING:
            continue
        step, actor = int(event["step"]), str(event.get("actor", ""))
        if not 0 <= step < len(rollout.times):
            raise DataError(
                f"a collision at step {step}; expected 0 to {len(rollout.times) - 1}",
                where=f"rollout of {rollout.scene_id}, events",
            )
        time, place = float(rollout.times[step]), rollout.ego[step, :2]
        if before is not None and (
            (actor == before[0] and time - before[1] < SAME_TIME)
            or np.hypot(*(place - before[2])) < SAME_PLACE
        ):
            continue
        before = (actor, time, place)
        kind = _OF_ACTOR.get(str(event.get("actor_kind", "static")), "static")
        text = f"{kind}, {float(event.get('impact_speed', np.nan)):.1f} m/s"
        counted.append((kind, Event("collision", step, actor, text)))
    return counted


def _off_lane_percent(rollout: Rollout) -> float:
    """Share of the distance driven that was outside of the route's lanes."""
    outside = np.asarray(rollout.info["off_lane"], bool)
    if outside.shape != rollout.times.shape:
        raise DataError(
            f"off_lane has shape {outside.shape}, expected {rollout.times.shape}",
            where=f"rollout of {rollout.scene_id}, info",
        )
    moved = np.hypot(*np.diff(rollout.ego[:, :2], axis=0).T)
    total = float(moved.sum())
    return 100.0 * float(moved[outside[1:]].sum()) / total if total > 0.0 else 0.0


def _completion(rollout: Rollout, stops: tuple[Event, ...], infringed: bool) -> tuple[float, str]:
    """Route completion [percent] and status: a route driven to its goal counts 100."""
    share = float(rollout.info["route_completion"])
    if not 0.0 <= share <= 1.0:
        raise DataError(
            f"route_completion is {share}, expected 0 to 1",
            where=f"rollout of {rollout.scene_id}, info",
        )
    told = str(rollout.info.get("status", ""))
    if stops or told.startswith("failed"):
        why = stops[0].kind if stops else told.removeprefix("failed").strip(": ")
        return 100.0 * share, f"Failed - {why}"
    done = any(event["kind"] == "route_done" for event in rollout.events)
    route = rollout.route
    near = route is not None and np.hypot(*(rollout.ego[-1, :2] - route[-1, :2])) <= GOAL_REACH
    if done or (100.0 * share > NEARLY_DONE and near):
        return 100.0, "Completed" if infringed else "Perfect"
    return 100.0 * share, "Failed"


def _length(rollout: Rollout) -> float:
    """Length of the route line [m]."""
    line = rollout.route
    return 0.0 if line is None else float(np.hypot(*np.diff(line[:, :2], axis=0).T).sum())
