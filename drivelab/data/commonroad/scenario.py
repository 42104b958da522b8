"""One CommonRoad scenario -> `Scene`.

The ego is a planning problem's initial state: the files record no ego motion. The scene's current
frame is 0 and every later ego row is NaN, so an agent or metric that wants a recorded future fails
at once. By CommonRoad's convention the initial state is the vehicle's centre; it is moved back to
the rear axle of the BMW 320i of the CommonRoad vehicle models.
"""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np
from jaxtyping import Float

from drivelab.data.commonroad.map import build_map, red_lanes
from drivelab.data.commonroad.obstacles import read_tracks
from drivelab.data.commonroad.xml_file import (
    Element,
    XmlFile,
    fail,
    identifier,
    position,
    read_xml,
    value,
)
from drivelab.data.log_route import (
    DrivenLanes,
    command_at,
    lanes_ahead,
    match_lanes,
    route_blocks,
)
from drivelab.data.recording import in_order_of_appearance
from drivelab.maps.index import Layer, objects_at
from drivelab.types import EgoTrajectory, LaneMap, Scene, VehicleParameters

# Length, width and axle distances of vehicle 2 of the CommonRoad vehicle models; the centre of
# gravity is taken as the centre of the box.
VEHICLE = VehicleParameters("bmw_320i_commonroad", 1.610, 3.6767, 0.8313, 2.5789)
LICENCE = "CommonRoad scenario: licence not verified"


def load_commonroad_map(file: Path) -> LaneMap:
    """The lane map alone; for files without a planning problem."""
    return build_map(read_xml(Path(file)))


def load_commonroad(file: Path, *, problem: str | None = None) -> Scene:
    """Read a scenario with one planning problem (by id; the first one by default)."""
    source = read_xml(Path(file))
    lane_map = build_map(source)
    planning = _problem(source, problem)
    tracks = read_tracks(source, least=1)
    frames = len(tracks.valid)
    ego = _ego(source, planning, frames)
    lanes = _route(source, planning, lane_map, ego.poses[0])
    log = Path(file).stem
    return Scene(
        id=f"{log}-{identifier(source, planning)}",
        source="commonroad",
        log=log,
        map=lane_map,
        ego=ego,
        now=0,
        tracks=in_order_of_appearance(tracks, 0),
        route=route_blocks(lane_map, lanes),
        red_lights=red_lanes(source, lane_map, frames),
        command=command_at(lane_map, lanes, ego.poses[0]),
        vehicle=VEHICLE,
        licence=LICENCE,
        family="commonroad",
    )


def _problem(source: XmlFile, wanted: str | None) -> Element:
    found = {identifier(source, e): e for e in source.root.findall("planningProblem")}
    if not found:
        fail(
            source,
            "<planningProblem>",
            "there is none, so there is no ego; load_commonroad_map reads the map alone",
        )
    if wanted is None:
        return next(iter(found.values()))
    if wanted not in found:
        fail(source, "<planningProblem>", f"no id {wanted!r}; the file has {', '.join(found)}")
    return found[wanted]


def _ego(source: XmlFile, problem: Element, frames: int) -> EgoTrajectory:
    state = problem.find("initialState")
    where = f"planningProblem {problem.get('id')}, <initialState>"
    if state is None:
        fail(source, where, "is missing")
    yaw = value(source, state, "orientation", where)
    speed = value(source, state, "velocity", where)
    if yaw is None or speed is None:
        fail(source, where, "expected an <orientation> and a <velocity>")
    back = VEHICLE.rear_axle_to_center * np.array([np.cos(yaw), np.sin(yaw)])
    poses = np.full((frames, 3), np.nan)
    velocities, accelerations = np.full((frames, 2), np.nan), np.full((frames, 2), np.nan)
    poses[0] = *(position(source, state, where) - back), yaw
    velocities[0] = speed, 0.0
    accelerations[0] = value(source, state, "acceleration", where) or 0.0, 0.0
    times = np.round(np.arange(frames) * source.step * 1e6).astype(np.int64)
    return EgoTrajectory(times, poses, velocities, accelerations)


def _route(
    source: XmlFile, problem: Element, lane_map: LaneMap, pose: Float[np.ndarray, "3"]
) -> list[str]:
    """Lanes from the ego to the goal; straight on for 100 m when no goal lane can be reached."""
    driven = match_lanes(lane_map, pose[None])
    if not driven.lanes[0]:
        fail(
            source, f"planningProblem {problem.get('id')}", "no lanelet lies within 30 m of the ego"
        )
    path = _shortest(lane_map, driven.lanes[0], _goal_lanes(source, problem, lane_map))
    if path:
        return path
    return lanes_ahead(lane_map, DrivenLanes(driven.lanes, np.zeros(1)), 0, 1, pose)


def _goal_lanes(source: XmlFile, problem: Element, lane_map: LaneMap) -> set[str]:
    goals: set[str] = set()
    for state in problem.findall("goalState"):
        place = state.find("position")
        if place is None:
            continue
        named = [identifier(source, child, "ref") for child in place.findall("lanelet")]
        goals.update(key for key in named if key in lane_map.lanes)
        if not named:
            centre = position(source, state, f"planningProblem {problem.get('id')}, <goalState>")
            goals.update(objects_at(lane_map, Layer.LANE, centre))
    return goals


def _shortest(lane_map: LaneMap, start: str, goals: set[str]) -> list[str]:
    """Fewest lanes to a goal, by successors first and then by lane changes."""
    came_from: dict[str, str] = {start: ""}
    queue = deque([start])
    while queue:
        key = queue.popleft()
        if key in goals:
            path = [key]
            while came_from[path[-1]]:
                path.append(came_from[path[-1]])
            return path[::-1]
        lane = lane_map.lanes[key]
        for following in (*lane.successors, lane.left, lane.right):
            if following is not None and following not in came_from:
                came_from[following] = key
                queue.append(following)
    return []
