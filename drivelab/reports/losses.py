"""Lost sub-scores of a plan in words: which one, how much is left, and what happened when."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drivelab.metrics.metric import Event
from drivelab.reports.event_words import event_text, margin_text
from drivelab.reports.meanings import meaning_of
from drivelab.reports.motion import STATE_DT
from drivelab.reports.run_record import Row, is_number


@dataclass(frozen=True, slots=True)
class _Cause:
    """What loses a sub-score: an event of this kind, and what the ego does in it."""

    kind: str
    does: str


_CAUSES: Mapping[str, _Cause] = {
    "no_at_fault_collisions": _Cause("collision", "hits"),
    "drivable_area_compliance": _Cause("off_road", "leaves the drivable area"),
    "driving_direction_compliance": _Cause("wrong_way", "drives against the traffic"),
    "traffic_light_compliance": _Cause("red_light", "runs the red light of"),
    "time_to_collision_within_bound": _Cause("ttc", "is about to hit"),
    "comfort": _Cause("comfort", "moves too harshly"),
    "history_comfort": _Cause("comfort", "moves too harshly"),
    "lane_keeping": _Cause("lane_keeping", "strays from its lane"),
}
# Where no event has the moment, what the row or the value says.
_OTHERWISE: Mapping[str, Callable[[Row, float], str]] = {
    "driving_direction_compliance": lambda row, _: _metres(row.get("wrong_way_distance")),
    "ego_progress": lambda _, value: (
        f"{100 * value:.0f} % of the way that the reference planner makes"
    ),
    "two_frame_extended_comfort": lambda *_: "plans half a second apart differ in their motion",
    "extended_comfort": lambda *_: "plans half a second apart differ in their motion",
}


def loss_sentences(
    row: Row, subscores: Sequence[str], metric: str, events: Sequence[Event]
) -> tuple[str, ...]:
    """A sentence for every lost sub-score, e.g. "comfort 0: moves too harshly at 0.4 s (jerk)".

    Args:
        row: of one scene.
        subscores: names of its columns that are sub-scores.
        metric: name of the metric.
        events: of the scene, in the order in which they happened; those that explain no lost
            sub-score are told at the end.
    """
    told, explained = [], set()
    for name in subscores:
        value = row.get(name)
        if not is_number(value) or value is None:
            continue
        scale = meaning_of(name, metric).scale
        if not scale.is_loss(float(value)):
            continue
        event = _event_of(name, events)
        explained.add(event)
        left = f"{_words(name)} {_short(scale.text(float(value)))}"
        why = _does(name, event) if event is not None else _otherwise(name, row, float(value))
        told.append(f"{left}: {why}" if why else left)
    rest = [event_text(event) for event in events if event not in explained]
    return (*told, *rest) if told else ()


def _words(name: str) -> str:
    return name.replace("_", " ").replace("at fault", "at-fault")


def _short(value: str) -> str:
    """A value without zeros at its end: 0.5 for "0.50", 0 for "0.00"; a unit stays."""
    number, space, unit = value.partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number}{space}{unit}"


def _event_of(name: str, events: Sequence[Event]) -> Event | None:
    cause = _CAUSES.get(name)
    if cause is None:
        return None
    return next((event for event in events if event.kind == cause.kind), None)


def _does(name: str, event: Event) -> str:
    parts = [_CAUSES[name].does, event.actor, f"at {event.step * STATE_DT:.1f} s"]
    if event.detail:
        parts.append(f"({event.detail.replace('_', ' ').replace('+', ', ')})")
    return " ".join(part for part in parts if part) + margin_text(event.margin)


def _otherwise(name: str, row: Row, value: float) -> str:
    words = _OTHERWISE.get(name)
    return words(row, value) if words is not None else ""


def _metres(distance: object) -> str:
    if not isinstance(distance, int | float) or not is_number(distance):
        return ""
    return f"{distance:.1f} m against the traffic"
