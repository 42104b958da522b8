"""Scenes for the report tests: one by hand, the rest from the golden worlds."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import shapely

from drivelab.geometry.poses import compose
from drivelab.types import (
    Area,
    AreaKind,
    Block,
    EgoTrajectory,
    Lane,
    LaneMap,
    Scene,
    Tracks,
)

GOLDEN = Path(os.environ.get("DRIVELAB_GOLDEN", Path(__file__).parent / "golden")) / "pdms"


def straight_scene(scene_id: str = "hand", speed: float = 8.0) -> Scene:
    """Two lanes along +x, the ego at the origin of the right one, a car 20 m ahead in the left."""
    x = np.linspace(-60, 120, 19)
    lanes, names = {}, ("right", "left")
    for index, name in enumerate(names):
        y = 3.5 * index
        centre = np.column_stack([x, np.full_like(x, y), np.zeros_like(x)])
        lanes[name] = Lane(name, centre, shapely.box(-60, y - 1.75, 120, y + 1.75), block="road")
    block = Block("road", names, shapely.box(-60, -1.75, 120, 5.25))
    carpark = Area("park", AreaKind.CARPARK, shapely.box(10, -12, 30, -1.75))
    times = np.arange(-3, 9) * 500_000
    seconds = times * 1e-6
    poses = np.column_stack([speed * seconds, np.zeros((12, 2))])
    velocities = np.column_stack([np.full(12, speed), np.zeros(12)])
    tracks = np.full((12, 3, 3), np.nan)
    tracks[:, 0] = np.column_stack([20 + 4 * seconds, np.full(12, 3.5), np.zeros(12)])
    tracks[:, 1] = (15.0, -4.0, np.pi / 2)
    tracks[:, 2] = (12.0, -6.0, 0.3)
    return Scene(
        id=scene_id,
        source="test",
        log="hand",
        map=LaneMap("hand", lanes, {"road": block}, (carpark,)),
        ego=EgoTrajectory(times, poses, velocities, np.zeros((12, 2))),
        now=3,
        tracks=Tracks(
            ("car", "walker", "cone"),
            ("vehicle", "pedestrian", "traffic_cone"),
            np.array([[4.6, 1.9], [0.6, 0.6], [0.5, 0.5]]),
            tracks,
            np.zeros((12, 3, 2)),
            np.ones((12, 3), bool),
            0.5,
        ),
        route=("road",),
        family="straight",
    )


def straight_states(speed: float = 8.0) -> np.ndarray:
    """The ego of `straight_scene` driven at constant speed for 4 s."""
    states = np.zeros((41, 11))
    states[:, 0] = speed * 0.1 * np.arange(41)
    states[:, 3] = speed
    return states


@cache
def golden_files() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Worlds and scenes as the files hold them."""
    worlds = json.loads((GOLDEN / "worlds.json").read_text())
    return worlds, json.loads((GOLDEN / "scenes.json").read_text())


def golden_scene(index: int) -> Scene:
    """A golden scene with its recorded keyframes; the human's poses are the ego's future."""
    worlds, scenes = golden_files()
    raw = scenes[index]
    start = np.array(raw["ego"]["pose"])
    future = compose(start, np.array(raw["human_poses"]))
    past = np.array(raw["history"])
    poses = np.vstack([past[:, :3], start, future])
    velocities = np.zeros((12, 2))
    velocities[:3], velocities[3:] = past[:, 3:5], raw["ego"]["velocity"]
    times = raw["t0_us"] + np.arange(-3, 9) * 500_000
    return Scene(
        id=raw["scene_id"],
        source="golden",
        log=raw["world_id"],
        map=_golden_map(raw["world_id"]),
        ego=EgoTrajectory(times, poses, velocities, np.zeros((12, 2))),
        now=3,
        tracks=_golden_tracks(raw["agents"]),
        route=tuple(raw["route_roadblocks"]),
        red_lights=((), (), (), *(tuple(ids) for ids in raw["red_lights"][:9])),
        family=worlds[raw["world_id"]]["kind"],
    )


@cache
def _golden_map(world_id: str) -> LaneMap:
    world = golden_files()[0][world_id]
    lanes = {
        raw["id"]: Lane(
            raw["id"],
            np.array(raw["centerline"]),
            shapely.Polygon(raw["exterior"]),
            raw["type"] == "LANE_CONNECTOR",
            raw["roadblock"],
            raw["speed_limit"],
            tuple(raw["outgoing"]),
        )
        for raw in world["lanes"]
    }
    blocks = {
        raw["id"]: Block(
            raw["id"],
            tuple(raw["lanes"]),
            shapely.Polygon(raw["exterior"]),
            raw["type"] == "ROADBLOCK_CONNECTOR",
        )
        for raw in world["roadblocks"]
    }
    kinds = {"INTERSECTION": AreaKind.INTERSECTION, "CARPARK_AREA": AreaKind.CARPARK}
    areas = tuple(
        Area(raw["id"], kinds[raw["type"]], shapely.Polygon(raw["exterior"], raw["holes"]))
        for raw in world["areas"]
    )
    return LaneMap(world_id, lanes, blocks, areas)


def _golden_tracks(agents: list[dict[str, Any]]) -> Tracks:
    poses = np.full((12, len(agents), 3), np.nan)
    velocities = np.full((12, len(agents), 2), np.nan)
    for column, agent in enumerate(agents):
        for frame, row in enumerate(agent["keyframes"][:9]):
            if row is not None:
                poses[3 + frame, column], velocities[3 + frame, column] = row[:3], row[3:]
    return Tracks(
        tuple(agent["id"] for agent in agents),
        tuple(agent["type"] for agent in agents),
        np.array([[agent["length"], agent["width"]] for agent in agents]).reshape(-1, 2),
        poses,
        velocities,
        np.isfinite(poses[..., 0]),
        0.5,
    )
