"""What went wrong first, in words: events and extra columns of one scored plan."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.kernels.collisions import smallest_gap
from drivelab.kernels.comfort import SIGNALS
from drivelab.kernels.ego_area import off_road_margin
from drivelab.metrics.metric import Event
from drivelab.metrics.navsim.rules import NavsimRules
from drivelab.metrics.navsim.subscores import Subscores, Surroundings

COLLISION_TYPES = (
    "stopped_ego",
    "stopped_track",
    "active_rear",
    "active_front",
    "active_lateral",
)


def find_events(
    parts: Subscores,
    b: int,
    states: Float[np.ndarray, "41 11"],
    around: Surroundings,
    rules: NavsimRules,
) -> tuple[Event, ...]:
    """Events of proposal `b`, in the order in which they happened."""
    events: list[Event] = []
    step, actor, kind = parts.collision[b]
    if step >= 0:
        margin = float(parts.collision_margin[b])
        events.append(
            Event("collision", int(step), around.objects.ids[actor], COLLISION_TYPES[kind], margin)
        )
    step, actor, ahead = parts.ttc_first[b]
    if step >= 0:
        events.append(Event("ttc", int(step), around.objects.ids[actor], f"in {0.1 * ahead:.1f} s"))
    step = parts.off_road_step[b]
    if step >= 0:
        drivable = around.drivable
        margin = off_road_margin(states[step], around.ego_size, drivable.polygons, drivable.kinds)
        events.append(Event("off_road", int(step), margin=margin))
    if parts.direction[b] < 1.0:
        events.append(
            Event(
                "wrong_way",
                int(parts.wrong_way_step[b]),
                margin=rules.wrong_way_half - float(parts.wrong_way[b]),
            )
        )
    events += _rule_events(parts, b, around, rules)
    return tuple(sorted(events, key=lambda event: (event.step, event.kind)))


def _rule_events(parts: Subscores, b: int, around: Surroundings, rules: NavsimRules) -> list[Event]:
    events: list[Event] = []
    if parts.red_light_step[b] >= 0:
        light = around.lights.ids[parts.red_light_index[b]]
        events.append(Event("red_light", int(parts.red_light_step[b]), light))
    if rules.at_center and parts.lane_step[b] >= 0:
        events.append(
            Event(
                "lane_keeping",
                int(parts.lane_step[b]),
                margin=rules.lane_tolerance - float(parts.lane_deviation[b]),
            )
        )
    if not parts.comfort_flags[b].all():
        steps = parts.comfort_steps[b]
        failed = np.flatnonzero(~parts.comfort_flags[b])
        first = failed[np.argmin(steps[failed])]
        names = "+".join(SIGNALS[i] for i in failed)
        events.append(Event("comfort", int(steps[first]), detail=names))
    return events


def margins(
    parts: Subscores, b: int, states: Float[np.ndarray, "41 11"], around: Surroundings
) -> dict[str, float | int | str]:
    """How close it was even where nothing happened."""
    gap, step, actor = smallest_gap(states, around.ego_size, around.objects.boxes)
    return {
        "raw_progress": float(parts.progress[b]),
        "smallest_gap": float(gap) if actor >= 0 else float("nan"),
        "smallest_gap_step": int(step),
        "smallest_gap_actor": around.objects.ids[actor] if actor >= 0 else "",
        "wrong_way_distance": float(parts.wrong_way[b]),
        "lane_deviation": float(parts.lane_deviation[b]),  # NaN in v1.1
    }
