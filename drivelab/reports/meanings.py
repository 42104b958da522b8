"""What each sub-score of a plan's metrics measures, in a sentence; shown beside its mean.

Those of driven episodes stand in `closed_loop_meanings`.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivelab.reports.closed_loop_meanings import CLOSED_LOOP
from drivelab.reports.scale import Meaning, Scale

_MEANINGS = {
    "no_at_fault_collisions": Meaning(
        "NC",
        "No at-fault collision",
        "1 when the ego causes no collision, 0.5 when it only hits a static object, else 0.",
    ),
    "drivable_area_compliance": Meaning(
        "DAC",
        "Drivable area",
        "1 when every corner of the ego stays on drivable ground at all times, else 0.",
    ),
    "driving_direction_compliance": Meaning(
        "DDC",
        "Driving direction",
        "1 when the ego hardly moves against the traffic, 0.5 for a short stretch, else 0.",
    ),
    "traffic_light_compliance": Meaning(
        "TLC", "Traffic lights", "0 when the ego enters a connector whose light is red, else 1."
    ),
    "ego_progress": Meaning(
        "EP",
        "Progress",
        "Distance along the route as a share of what the privileged reference planner reaches.",
    ),
    "time_to_collision_within_bound": Meaning(
        "TTC",
        "Time to collision",
        "0 when, going on as it moves, the ego would hit somebody within about a second, else 1.",
    ),
    "comfort": Meaning(
        "C",
        "Comfort",
        "1 when acceleration, jerk and yaw motion stay within human limits, else 0.",
    ),
    "history_comfort": Meaning(
        "HC",
        "Comfort with history",
        "Comfort of the plan joined to the motion before it: 1 within the limits, else 0.",
    ),
    "lane_keeping": Meaning(
        "LK",
        "Lane keeping",
        "0 when the ego stays too far from its lane's centre for too long outside of junctions.",
    ),
    "two_frame_extended_comfort": Meaning(
        "EC",
        "Extended comfort",
        "1 when plans of two moments half a second apart agree in their motion, else 0.",
    ),
    "extended_comfort": Meaning(
        "EC",
        "Extended comfort",
        "1 when plans of two moments half a second apart agree in their motion, else 0.",
    ),
}


# Scores that are not shares of 1, by the start of the metric's name.
_SCORES: Mapping[str, Scale] = {
    "carla_ds": Scale("%", 100.0),
    "bench2drive": Scale("%", 100.0),
    "neuroncap": Scale("stars", 5.0),
}


def meaning_of(subscore: str, metric: str = "") -> Meaning:
    """Meaning of a sub-score; one of somebody else's goes by its own name.

    Args:
        subscore: name of the column.
        metric: name of the metric, since several use the same words for different things.
    """
    for family, meanings in CLOSED_LOOP.items():
        if metric.startswith(family) and subscore in meanings:
            return meanings[subscore]
    words = subscore.replace("_", " ")
    return _MEANINGS.get(subscore, Meaning(words, words.capitalize(), ""))


def scale_of(metric: str) -> Scale:
    """The scale of a metric's score; more is better for all of them."""
    found = (scale for family, scale in _SCORES.items() if metric.startswith(family))
    return next(found, Scale())
