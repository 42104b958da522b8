"""Did a rollout do what its scenario expects?"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.boxes import box_polygons, ego_boxes
from drivelab.sim.scenario.schema import Expect
from drivelab.types import Rollout, StateColumn, VehicleParameters

REACH = 40.0  # boxes whose centres are farther apart are not near [m]
_NEVER = (
    ("no_collision", "collision"),
    ("no_red_light", "red_light"),
    ("no_stop_sign", "stop_sign"),
    ("no_off_road", "off_road"),
    ("no_wrong_way", "wrong_way"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation: what was asked, what was found."""

    name: str  # key under `expect`
    passed: bool
    found: str


def judge(
    expect: Expect,
    rollout: Rollout,
    vehicle: VehicleParameters,
    scores: Mapping[str, float] | None = None,
) -> tuple[Verdict, ...]:
    """A verdict for every expectation that is written.

    Args:
        expect: what must hold.
        rollout: what was driven.
        vehicle: the ego's size.
        scores: of the metrics that `min_score` names.
    """
    verdicts = [
        _never(name, [event for event in rollout.events if event["kind"] == kind])
        for name, kind in _NEVER
        if getattr(expect, name)
    ]
    if expect.no_at_fault_collision:
        guilty = [e for e in rollout.events if e["kind"] == "collision" and e.get("at_fault")]
        verdicts.append(_never("no_at_fault_collision", guilty))
    verdicts += _goal(expect, rollout)
    verdicts += _limits(expect, rollout, vehicle)
    known = scores or {}
    for name, least in expect.min_score.items():
        value = known.get(name)
        passed = value is not None and value >= least
        found = "no score" if value is None else f"{value:.4f}, at least {least:g}"
        verdicts.append(Verdict(f"min_score.{name}", passed, found))
    return tuple(verdicts)


def smallest_gap(rollout: Rollout, vehicle: VehicleParameters) -> float:
    """Smallest distance ever between the ego's box and another one [m]; infinity without any."""
    tracks = rollout.tracks
    centres = ego_boxes(rollout.ego[:, :3], vehicle)
    away = np.hypot(
        tracks.poses[..., 0] - centres[:, None, 0], tracks.poses[..., 1] - centres[:, None, 1]
    )
    step, track = np.nonzero(tracks.valid & (away < REACH))
    if not len(step):
        return float("inf")
    others = np.column_stack([tracks.poses[step, track], tracks.sizes[track]])
    return float(shapely.distance(box_polygons(centres[step]), box_polygons(others)).min())


def _never(name: str, events: Sequence[Mapping[str, Any]]) -> Verdict:
    if not events:
        return Verdict(name, True, "none")
    first = events[0]
    whom = f" with {first['actor']}" if first.get("actor") else ""
    return Verdict(name, False, f"at {first['time']:.1f} s{whom}")


def _goal(expect: Expect, rollout: Rollout) -> list[Verdict]:
    done = next((event["time"] for event in rollout.events if event["kind"] == "route_done"), None)
    found = "never" if done is None else f"at {done:.1f} s"
    verdicts = []
    if expect.reaches_goal:
        verdicts.append(Verdict("reaches_goal", done is not None, found))
    if expect.max_time is not None:
        passed = done is not None and done <= expect.max_time
        told = f"route done {found}, at most {expect.max_time:g} s"
        verdicts.append(Verdict("max_time", passed, told))
    return verdicts


def _limits(expect: Expect, rollout: Rollout, vehicle: VehicleParameters) -> list[Verdict]:
    ego: Float[np.ndarray, "t 11"] = rollout.ego
    measures: tuple[tuple[str, bool, str, Callable[[], float]], ...] = (
        ("min_progress", True, "m", lambda: float(np.max(rollout.info.get("progress", [0.0])))),
        ("min_gap", True, "m", lambda: smallest_gap(rollout, vehicle)),
        ("max_speed", False, "m/s", lambda: float(ego[:, StateColumn.VX].max())),
        ("max_deceleration", False, "m/s^2", lambda: float(-ego[:, StateColumn.AX].min())),
    )
    verdicts = []
    for name, least, unit, measure in measures:
        bound = getattr(expect, name)
        if bound is None:
            continue
        value = measure()
        passed = value >= bound if least else value <= bound
        words = "at least" if least else "at most"
        verdicts.append(Verdict(name, passed, f"{value:.2f}, {words} {bound:g} {unit}"))
    return verdicts
