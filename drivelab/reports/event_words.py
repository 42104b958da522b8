"""Events in words: those that a metric finds, and those that a world records on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from drivelab.metrics.metric import Event
from drivelab.reports.motion import STATE_DT

# What a metric or a world calls it -> what a person does.
EVENT_WORDS = {
    "collision": "collision",
    "dynamic_collision": "collision with a road user",
    "static_collision": "collision with an object or kerb",
    "ttc": "time to collision too short",
    "off_road": "off the drivable area",
    "kerb": "across the kerb",
    "wrong_way": "against the driving direction",
    "red_light": "ran a red light",
    "stop_sign": "ran a stop sign",
    "lane_keeping": "left the lane",
    "speeding": "faster than allowed",
    "comfort": "uncomfortable",
    "position_deviation": "too far from the recorded path",
    "off_path": "too far from the recorded path",
    "heading_deviation": "turned off the recorded path",
    "route_deviation": "left the route",
    "blocked": "stood for too long",
    "timeout": "out of time",
    "scenario_timeout": "a scenario on the way was not finished in time",
    "emergency_yield": "did not yield to an emergency vehicle",
    "expectation": "an expectation was not met",
    "min_speed": "speed beside the traffic's",
    "route_done": "route done",
    "behaviour_started": "begins to act",
    "behaviour_impossible": "could not act",
    "door_opened": "opens a door",
    "terminated": "the end",
}
# Short enough to fit beside any point of the picture.
CALL_OUT = EVENT_WORDS | {
    "ttc": "TTC",
    "dynamic_collision": "collision",
    "static_collision": "static collision",
    "off_road": "off road",
    "kerb": "kerb",
    "wrong_way": "wrong way",
    "red_light": "red light",
    "stop_sign": "stop sign",
    "timeout": "timeout",
    "lane_keeping": "off lane",
    "speeding": "speeding",
    "comfort": "comfort",
    "position_deviation": "off path",
    "off_path": "off path",
    "heading_deviation": "off heading",
    "route_deviation": "off route",
    "blocked": "blocked",
    "scenario_timeout": "scenario timeout",
    "emergency_yield": "no yielding",
    "expectation": "not as expected",
}
MEETINGS = ("collision", "dynamic_collision", "static_collision", "ttc")  # with another road user
NEUTRAL = (  # what happens without anybody's fault
    *("min_speed", "route_done", "behaviour_started", "behaviour_impossible"),
    *("door_opened", "timeout", "terminated"),
)
_SIDES = {"front": "in front", "rear": "from behind"}
# What a world may say beside an event, in the order in which it is told.
_FACTS: Mapping[str, Callable[[Any], str]] = {
    "impact_speed": lambda speed: f"impact at {speed:.1f} m/s",
    "side": lambda side: _SIDES.get(str(side), f"on the {side}") if side else "",
    "at_fault": lambda fault: "at fault" if fault else "not at fault",
    "light": str,
    "lane": str,
    "why": str,
    "reason": str,
    "distance": lambda metres: f"{metres:.1f} m off",
    "angle": lambda radians: f"{np.degrees(radians):.0f}° off",
    "seconds": lambda seconds: f"{seconds:.0f} s",
    "percent": lambda percent: f"{percent:.0f} %",
}
QUIET = ("min_speed", "terminated", "behaviour_started")  # no news of their own in a video


def words_of(kind: str) -> str:
    """An event's kind in words; a kind of somebody else's goes by its own name."""
    return EVENT_WORDS.get(kind, kind.replace("_", " "))


def event_text(event: Event) -> str:
    """An event that a metric found, in one line: what, when, who, by how much."""
    parts = [f"{words_of(event.kind)} at {event.step * STATE_DT:.1f} s"]
    if event.actor:
        parts.append(f"{'with' if event.kind in MEETINGS else 'on'} {event.actor}")
    if event.detail:
        parts.append(f"({event.detail.replace('_', ' ')})")
    return " ".join(parts) + margin_text(event.margin)


def margin_text(margin: float) -> str:
    """How far the rule's limit was, behind a comma; nothing where it is unknown."""
    return f", {margin_words(margin)}" if np.isfinite(margin) else ""


def margin_words(margin: float) -> str:
    """A finite margin [m] to the centimetre, or to its first digit: -0.00 would tell nothing."""
    digits = ".2f" if margin == 0 or abs(margin) >= 0.005 else ".1g"
    return f"margin {margin:{digits}} m"


def event_line(event: Mapping[str, Any]) -> str:
    """An event that a world recorded, in one line: when, what, with whom, how hard."""
    kind, actor = str(event["kind"]), str(event.get("actor") or "")
    behaviour = str(event.get("behaviour") or "").replace("_", " ")
    if kind in ("behaviour_started", "behaviour_impossible", "door_opened"):
        text = " ".join(part for part in (actor, words_of(kind), behaviour) if part)
        text = text.replace("begins to act", "begins to") if behaviour else text
        text = text.replace("could not act", "could not") if behaviour else text
    else:
        text = words_of(kind)
        if actor:
            text += f" {'with' if kind in MEETINGS else 'on'} {actor}"
    facts = _facts(event)
    return f"{event['time']:.1f} s: {text}{facts}"


def _facts(event: Mapping[str, Any]) -> str:
    """What else the world said about it."""
    parts = [text(event[key]) for key, text in _FACTS.items() if event.get(key) is not None]
    told = ", ".join(part for part in parts if part)
    return (f" ({told})" if told else "") + margin_text(float(event.get("margin", np.nan)))
