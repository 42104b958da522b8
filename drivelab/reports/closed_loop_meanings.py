"""What the sub-scores of driven episodes measure, and which way they are good.

By the start of the metric's name: several metrics use the same words for different things.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivelab.metrics.closed_loop.alpasim_plans import MIN_ADE_SECONDS
from drivelab.metrics.closed_loop.carla_rules import INFRACTIONS
from drivelab.reports.scale import LOW, Meaning, Scale

_PERCENT = Scale("%", 100.0)
_RATE = Scale("", 1.0, LOW)  # of a scene: 1 where it happened
_DISTANCE = Scale("m", None, LOW)
_JERK = Scale("m/s³", None, LOW)
_SPEED = Scale("m/s", None)
_PER_KM = Scale("", None, LOW)

_NUPLAN = {
    "no_ego_at_fault_collisions": Meaning(
        "NC",
        "No at-fault collision",
        "0 after a collision with a road user at the ego's fault, 0.5 after one with an object.",
    ),
    "drivable_area_compliance": Meaning(
        "DAC",
        "Drivable area",
        "0 when a corner of the ego leaves the drivable area by 0.3 m or more, else 1.",
    ),
    "driving_direction_compliance": Meaning(
        "DDC",
        "Driving direction",
        "1 for less than 2 m against the lane within a second, 0.5 for less than 6 m, else 0.",
    ),
    "ego_is_making_progress": Meaning(
        "MP", "Making progress", "1 when the ego makes at least a fifth of the expert's progress."
    ),
    "ego_progress_along_expert_route": Meaning(
        "EP", "Progress", "Distance along the expert's route as a share of what the expert drove."
    ),
    "time_to_collision_within_bound": Meaning(
        "TTC",
        "Time to collision",
        "0 when, going on as all move, a collision was 0.95 s away or less, else 1.",
    ),
    "speed_limit_compliance": Meaning(
        "SL", "Speed limit", "1 less the mean excess over the speed limit, 0 at 2.23 m/s."
    ),
    "ego_is_comfortable": Meaning(
        "C",
        "Comfort",
        "1 when acceleration, jerk and yaw motion stay within human limits, else 0.",
    ),
}

_RAD = {
    "collision_ratio": Meaning(
        "CR", "Collision ratio", "Share of clips that end with a collision.", _RATE
    ),
    "dynamic_collision_ratio": Meaning(
        "DCR", "Dynamic collision ratio", "Share of clips that end on another road user.", _RATE
    ),
    "static_collision_ratio": Meaning(
        "SCR", "Static collision ratio", "Share of clips that end on an object or a kerb.", _RATE
    ),
    "deviation_ratio": Meaning(
        "DR", "Deviation ratio", "Share of clips that end off the recorded path.", _RATE
    ),
    "position_deviation_ratio": Meaning(
        "PDR",
        "Position deviation ratio",
        "Share of clips that end more than 2 m from the recorded path.",
        _RATE,
    ),
    "heading_deviation_ratio": Meaning(
        "HDR",
        "Heading deviation ratio",
        "Share of clips that end more than 40° off the recorded heading.",
        _RATE,
    ),
    "average_deviation_distance": Meaning(
        "ADD",
        "Average deviation distance",
        "Mean distance to the nearest recorded pose before the first event.",
        _DISTANCE,
    ),
    "longitudinal_jerk": Meaning(
        "Long. jerk", "Longitudinal jerk", "Mean absolute jerk along the ego's heading.", _JERK
    ),
    "lateral_jerk": Meaning(
        "Lat. jerk", "Lateral jerk", "Mean absolute jerk across the ego's heading.", _JERK
    ),
    "mean_speed": Meaning(
        "Speed", "Mean speed", "Before the first event; who hardly drives has few.", _SPEED
    ),
}

_INFRACTION_WORDS = {
    "pedestrian": "collisions with pedestrians",
    "vehicle": "collisions with vehicles and bicycles",
    "static": "collisions with objects",
    "red_light": "red lights run",
    "stop_sign": "stop signs run",
    "scenario_timeout": "scenarios not finished in time",
    "emergency_yield": "emergency vehicles not given way",
}
_CARLA = {
    "route_completion": Meaning(
        "RC", "Route completion", "Share of the route that was driven.", _PERCENT
    ),
    "infraction_penalty": Meaning(
        "IP", "Infraction penalty", "Factor of all infractions; 1 without any."
    ),
} | {
    f"infractions_{kind}_per_km": Meaning(
        f"{kind.replace('_', ' ')}/km",
        _INFRACTION_WORDS[kind].capitalize(),
        f"How many {_INFRACTION_WORDS[kind]} there were per kilometre driven.",
        _PER_KM,
    )
    for kind in INFRACTIONS
}

_BENCH2DRIVE = {
    "success_rate": Meaning(
        "SR", "Success rate", "Share of routes done without any infraction.", _PERCENT
    ),
    "route_completion": _CARLA["route_completion"],
    "infraction_penalty": _CARLA["infraction_penalty"],
    "ability_overtaking": Meaning(
        "Overtaking", "Ability: overtaking", "Success share of routes that ask for it.", _PERCENT
    ),
    "ability_merging": Meaning(
        "Merging", "Ability: merging", "Success share of routes that ask for it.", _PERCENT
    ),
    "ability_emergency_brake": Meaning(
        "Braking",
        "Ability: emergency brake",
        "Success share of routes that ask for it.",
        _PERCENT,
    ),
    "ability_give_way": Meaning(
        "Giving way", "Ability: giving way", "Success share of routes that ask for it.", _PERCENT
    ),
    "ability_traffic_signs": Meaning(
        "Signs",
        "Ability: traffic signs",
        "Share of routes with lights or signs that were done, or their junction passed by rule.",
        _PERCENT,
    ),
    "ability_mean": Meaning(
        "Ability mean", "Mean of the abilities", "Mean of those that occur.", _PERCENT
    ),
    "efficiency": Meaning(
        "Efficiency",
        "Driving efficiency",
        "The ego's speed as a share of the traffic's at checkpoints; may exceed 100.",
        Scale("%", None),
    ),
    "comfort": Meaning(
        "Comfort", "Comfort", "Share of pieces of a second whose motion stays in bounds.", _PERCENT
    ),
}

_HUGSIM = {
    "nc": Meaning("NC", "No collision", "Share of plans that run into nobody."),
    "dac": Meaning("DAC", "Drivable area", "Mean over plans: 1 when all of it is on ground."),
    "ttc": Meaning("TTC", "Time to collision", "Share of plans that hit nobody pushed on by 1 s."),
    "comfort": Meaning("C", "Comfort", "Share of plans whose motion stays within bounds."),
    "route_completion": Meaning(
        "RC", "Route completion", "Share of the route; nine tenths count as all of it."
    ),
}

_NEURONCAP = {
    "collision_rate": Meaning("CR", "Collision rate", "Share of runs with a collision.", _RATE),
    "impact_speed": Meaning(
        "Impact",
        "Impact speed",
        "Relative speed at the first contact, over the runs that collide.",
        Scale("m/s", None, LOW),
    ),
}

_ALPASIM = {
    "collision_any": Meaning("Any", "Any collision", "Share with any contact.", _RATE),
    "collision_at_fault": Meaning(
        "At fault", "Collision at fault", "Share with a front or side contact.", _RATE
    ),
    "collision_front": Meaning("Front", "Front collision", "Share with a front contact.", _RATE),
    "collision_lateral": Meaning("Side", "Side collision", "Share with a side contact.", _RATE),
    "collision_rear": Meaning("Rear", "Rear collision", "Share hit from behind.", _RATE),
    "offroad": Meaning("Off road", "Off road", "Share with a corner off the road.", _RATE),
    "relative_progress": Meaning(
        "Progress", "Relative progress", "Way along the recorded path over what was recorded."
    ),
    "min_distance_to_obstacle": Meaning(
        "Gap", "Distance to obstacles", "Smallest gap to any box.", Scale("m", None)
    ),
    "distance_to_recorded_path": Meaning(
        "To path", "Distance to the recorded path", "Largest one on the way.", _DISTANCE
    ),
    "distance_to_recorded_place": Meaning(
        "To place", "Distance to the recorded place", "Largest one at the same time.", _DISTANCE
    ),
    "plan_deviation": Meaning(
        "Plan dev.", "Plan deviation", "How far consecutive plans disagree.", _DISTANCE
    ),
    "open_loop_collision": Meaning(
        "OL coll.",
        "Open-loop collision",
        "Share of plans whose first 3 s run into a box.",
        _RATE,
    ),
} | {
    f"min_ade_{seconds:g}s": Meaning(
        f"ADE {seconds:g} s",
        f"minADE at {seconds:g} s",
        "Mean distance between plans and what was then driven.",
        _DISTANCE,
    )
    for seconds in MIN_ADE_SECONDS
}

_SCENARIO = {
    "expectations": Meaning(
        "Expected", "Expectations met", "Share of what the scenario expects that came true."
    ),
    "no_collision": Meaning("NC", "No collision", "1 when the ego touched nobody, else 0."),
    "lawful": Meaning(
        "Lawful", "Lawful", "1 without a collision, a run light or sign, or leaving the lane's way."
    ),
    "route_completion": Meaning("RC", "Route completion", "Share of the route that was driven."),
}

CLOSED_LOOP: Mapping[str, Mapping[str, Meaning]] = {
    "scenario_pass": _SCENARIO,
    "nuplan_cls": _NUPLAN,
    "rad9": _RAD,
    "carla_ds": _CARLA,
    "bench2drive": _BENCH2DRIVE,
    "hugsim_hd": _HUGSIM,
    "neuroncap": _NEURONCAP,
    "alpasim": _ALPASIM,
}
