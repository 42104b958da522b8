"""Events of a drive for its report: what the world recorded, what the metric found first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from drivelab.metrics.metric import Event
from drivelab.reports.event_words import NEUTRAL, event_line
from drivelab.reports.motion import STATE_DT
from drivelab.types import Rollout

DriveEvent = Mapping[str, Any]  # as in `Rollout.events`: kind, step, time, actor, ...
_SAME = {"dynamic_collision": "collision", "static_collision": "collision"}
_NOT_TOLD = ("terminated",)  # how a drive ended stands beside its events


def told_events(rollout: Rollout, first: Event | None) -> tuple[DriveEvent, ...]:
    """Events in the order in which they happened.

    `first`, which the metric found, brings its margin to the world's event of the same moment and
    kind, or stands for itself.
    """
    told = [dict(event) for event in rollout.events if event["kind"] not in _NOT_TOLD]
    if first is not None:
        kind = _SAME.get(first.kind, first.kind)
        same = [e for e in told if e["kind"] == kind and e["step"] == first.step]
        if not same:
            same = [_of_metric(first)]
            told += same
        if np.isfinite(first.margin):
            same[0]["margin"] = first.margin
    return tuple(sorted(told, key=lambda event: int(event["step"])))


def first_infraction(events: Sequence[DriveEvent]) -> Event | None:
    """The first event that is somebody's fault, for scenes in which the metric minds none."""
    for event in events:
        if event["kind"] not in NEUTRAL:
            return Event(str(event["kind"]), int(event["step"]), str(event.get("actor") or ""))
    return None


def _of_metric(event: Event) -> dict[str, Any]:
    return {
        "kind": event.kind,
        "step": event.step,
        "time": event.step * STATE_DT,
        "actor": event.actor,
        "why": event.detail.replace("_", " "),
    }


def event_lines(events: Sequence[DriveEvent]) -> list[tuple[str, bool]]:
    """Each event in words, and whether it is an infraction."""
    return [(event_line(event), event["kind"] not in NEUTRAL) for event in events]
