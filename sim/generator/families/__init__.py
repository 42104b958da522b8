"""Kinds of traffic situation; each draws a setting from a random generator."""

from drivelab.sim.generator.families.highway import (
    curve,
    dense_queue,
    lane_drop,
    merge,
    straight_road,
)
from drivelab.sim.generator.families.junctions import four_way, roundabout, t_junction
from drivelab.sim.generator.families.street import cyclist, jaywalker, oncoming, parked_cars

FAMILIES = {
    "straight": straight_road,
    "curve": curve,
    "merge": merge,
    "lane_drop": lane_drop,
    "four_way": four_way,
    "t_junction": t_junction,
    "roundabout": roundabout,
    "parked_cars": parked_cars,
    "jaywalker": jaywalker,
    "cyclist": cyclist,
    "oncoming": oncoming,
    "dense_queue": dense_queue,
}

__all__ = ["FAMILIES"]
