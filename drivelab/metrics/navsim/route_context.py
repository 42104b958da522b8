"""What route, map and ego pose determine together; shared by planner, scorer and rule agents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.geometry.boxes import box_polygon, ego_boxes
from drivelab.kernels.ego_area import LANE, LANE_CONNECTOR
from drivelab.maps.drivable import DrivableMap, drivable_map
from drivelab.maps.map_check import check_map
from drivelab.maps.routing import correct_route, route_lanes
from drivelab.metrics.navsim.scene_check import check_scene
from drivelab.planning.route_line import route_centreline, starting_lane
from drivelab.types import Scene


@dataclass(frozen=True, slots=True, eq=False)
class RouteContext:
    """Corrected route, drivable map and centreline of a scene."""

    origin: Float[np.ndarray, "2"]
    route: tuple[str, ...]  # corrected
    lanes: tuple[str, ...]  # of the route
    starting_lane: str
    drivable: DrivableMap
    centreline: Float[np.ndarray, "n 3"]  # map frame


def local_state(scene: Scene, origin: Float[np.ndarray, "2"]) -> Float[np.ndarray, "11"]:
    """The ego state of the current frame relative to an origin."""
    state = scene.ego.state(scene.now)
    state[:2] -= origin
    return state


def route_context(scene: Scene) -> RouteContext:
    """Correct the route, collect the drivable map, find starting lane and centreline.

    Raises:
        DataError: the scene or its map cannot be judged (see `check_scene`, `check_map`), or the
            route has no lane in the map.
    """
    check_scene(scene)
    check_map(scene.map)
    pose = scene.ego.poses[scene.now]
    box = ego_boxes(pose, scene.vehicle)
    route = correct_route(scene.map, scene.route, pose)
    lanes = route_lanes(scene.map, route)
    if not lanes:
        known = sum(block in scene.map.blocks for block in scene.route)
        raise DataError(
            f"the route has {len(scene.route)} blocks, {known} of them in the map "
            f"{scene.map.name!r}, and no lane; expected the ids of blocks under and ahead of "
            "the ego",
            where=f"scene {scene.id}, route",
        )
    origin = np.floor(pose[:2])
    drivable = drivable_map(scene.map, box[:2], origin).with_route(lanes)
    nearby = [
        name
        for name, kind in zip(drivable.ids, drivable.kinds, strict=True)
        if kind in (LANE, LANE_CONNECTOR)
    ]
    start = starting_lane(scene.map, lanes, nearby, pose, box[:2], box_polygon(box))
    centreline = scene.route_line
    if centreline is None:
        centreline = route_centreline(scene.map, route, start, lanes)
    return RouteContext(origin, route, lanes, start, drivable, centreline)
