"""The golden worlds and scenes of `pdms/` as the types of drivelab."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from drivelab.types import (
    STATIC_KINDS,
    Area,
    AreaKind,
    Block,
    EgoTrajectory,
    Lane,
    LaneMap,
    Scene,
    Tracks,
)

GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parents[1] / "golden"))
AREA_KINDS = {"INTERSECTION": AreaKind.INTERSECTION, "CARPARK_AREA": AreaKind.CARPARK}


@dataclass(frozen=True)
class GoldenArchive:
    """Lists and arrays of the folder, loaded once."""

    worlds: dict[str, Any]
    scenes: list[dict[str, Any]]
    cases: list[dict[str, Any]]
    scene_arrays: dict[str, np.ndarray]
    case_arrays: dict[str, np.ndarray]


def arrays(name: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "pdms" / name) as data:
        return {key: data[key] for key in data}


def read_json(name: str) -> Any:
    return json.loads((GOLDEN / "pdms" / name).read_text())


@cache
def archive() -> GoldenArchive:
    lines = (GOLDEN / "pdms" / "cases.jsonl").read_text().splitlines()
    return GoldenArchive(
        worlds=read_json("worlds.json"),
        scenes=read_json("scenes.json"),
        cases=[json.loads(line) for line in lines],
        scene_arrays=arrays("scenes.npz"),
        case_arrays=arrays("cases.npz"),
    )


def lane_map(name: str, world: dict[str, Any], *, limits_unknown: bool = False) -> LaneMap:
    into: dict[str, list[str]] = {lane["id"]: [] for lane in world["lanes"]}
    for lane in world["lanes"]:
        for other in lane["outgoing"]:
            if other in into:
                into[other].append(lane["id"])
    block_of = {lane["id"]: lane["roadblock"] for lane in world["lanes"]}
    lanes = {
        lane["id"]: Lane(
            id=lane["id"],
            centreline=np.array(lane["centerline"], float),
            polygon=shapely.Polygon(lane["exterior"]),
            connector=lane["type"] == "LANE_CONNECTOR",
            block=lane["roadblock"],
            speed_limit=None if limits_unknown else lane["speed_limit"],
            successors=tuple(lane["outgoing"]),
            predecessors=tuple(into[lane["id"]]),
        )
        for lane in world["lanes"]
    }
    blocks = {}
    for block in world["roadblocks"]:
        members = [lanes[lane] for lane in block["lanes"]]
        blocks[block["id"]] = Block(
            id=block["id"],
            lanes=tuple(block["lanes"]),
            polygon=shapely.Polygon(block["exterior"]),
            connector=block["type"] == "ROADBLOCK_CONNECTOR",
            successors=tuple(
                dict.fromkeys(block_of[o] for lane in members for o in lane.successors)
            ),
            predecessors=tuple(
                dict.fromkeys(block_of[o] for lane in members for o in lane.predecessors)
            ),
        )
    areas = tuple(
        Area(area["id"], AREA_KINDS[area["type"]], shapely.Polygon(area["exterior"], area["holes"]))
        for area in world["areas"]
    )
    return LaneMap(name, lanes, blocks, areas)


def tracks(agents: list[dict[str, Any]], history: int = 0) -> Tracks:
    """Key frames with `history` empty frames before them."""
    keys = len(agents[0]["keyframes"]) if agents else 11
    count = len(agents)
    poses = np.full((history + keys, count, 3), np.nan)
    velocities = np.full((history + keys, count, 2), np.nan)
    for n, agent in enumerate(agents):
        for k, row in enumerate(agent["keyframes"]):
            if row is not None:
                poses[history + k, n] = row[:3]
                static = agent["type"] in STATIC_KINDS
                velocities[history + k, n] = (0.0, 0.0) if static else row[3:]
    return Tracks(
        ids=tuple(agent["id"] for agent in agents),
        kinds=tuple(agent["type"] for agent in agents),
        sizes=np.array([[a["length"], a["width"]] for a in agents], float).reshape(-1, 2),
        poses=poses,
        velocities=velocities,
        valid=~np.isnan(poses[..., 0]),
        dt=0.5,
    )


def scene(raw: dict[str, Any], world: LaneMap) -> Scene:
    """A golden scene: three frames of history, now, ten of future (the human plan)."""
    from drivelab.geometry.poses import compose

    now = np.array(raw["ego"]["pose"], float)
    history = np.array(raw["history"], float)
    future = compose(now, np.array(raw["human_poses"], float))
    frames = len(history) + 1 + len(future)
    poses = np.vstack([history[:, :3], now, future])
    velocities = np.zeros((frames, 2))
    accelerations = np.zeros((frames, 2))
    velocities[:3], accelerations[:3] = history[:, 3:5], history[:, 5:7]
    velocities[3] = raw["ego"]["velocity"]
    accelerations[3] = raw["ego"]["acceleration"]
    times = raw["t0_us"] + 500_000 * (np.arange(frames) - 3)
    return Scene(
        id=raw["scene_id"],
        source="golden",
        log=raw["scene_id"],
        map=world,
        ego=EgoTrajectory(times.astype(np.int64), poses, velocities, accelerations),
        now=3,
        tracks=tracks(raw["agents"], history=3),
        route=tuple(raw["route_roadblocks"]),
        red_lights=((), (), (), *(tuple(lights) for lights in raw["red_lights"])),
    )


@cache
def golden_map(world_id: str, limits_unknown: bool = False) -> LaneMap:
    return lane_map(world_id, archive().worlds[world_id], limits_unknown=limits_unknown)


@cache
def golden_scene(index: int) -> Scene:
    raw = archive().scenes[index]
    return scene(raw, golden_map(raw["world_id"]))


def planner_scene(entry: dict[str, Any]) -> Scene:
    """A scene of `stage_pdm_closed.json`: a golden scene or its own frame 0."""
    names = [raw["scene_id"] for raw in archive().scenes]
    if entry["kind"] == "golden_scene":
        return golden_scene(names.index(entry["scene_id"]))
    raw = entry["scene"]
    agents = [
        {
            "id": obj["id"],
            "type": obj["type"],
            "length": obj["length"],
            "width": obj["width"],
            "keyframes": [obj["state"]],
        }
        for obj in raw["objects"]
    ]
    pose = np.array([raw["ego"]["pose"]], float)
    return Scene(
        id=entry["scene_id"],
        source="golden",
        log=entry["scene_id"],
        map=golden_map(entry["world_id"], entry["speed_limits_unknown"]),
        ego=EgoTrajectory(
            np.array([raw["t0_us"]]),
            pose,
            np.array([raw["ego"]["velocity"]], float),
            np.array([raw["ego"]["acceleration"]], float),
        ),
        now=0,
        tracks=tracks(agents) if agents else Tracks.empty(1, 0.5),
        route=tuple(raw["route_roadblocks"]),
        red_lights=(tuple(raw["red_lights_0"]),),
    )
