"""A straight road and rollouts on it, for scores that can be worked out by hand.

Two lanes eastward, right (y = -3.5 .. 0) and left (0 .. 3.5), cut into the blocks `a` (x = -100 ..
50) and `b` (50 .. 400), and one lane westward (3.5 .. 7). The limit is 10 m/s. The road's borders
are y = -3.5 and y = 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import shapely

from drivelab.types import (
    PACIFICA,
    Area,
    AreaKind,
    Block,
    EgoTrajectory,
    Lane,
    LaneMap,
    Rollout,
    Scene,
    Tracks,
)

RIGHT, LEFT, ONCOMING = -1.75, 1.75, 5.25  # centrelines
FRONT = PACIFICA.front_length  # rear axle to bumper: 4.049 m
REAR = PACIFICA.rear_length  # 1.127 m


def lane(name: str, y: float, first: float, last: float, **more: Any) -> Lane:
    xs = np.linspace(first, last, 26)
    yaw = 0.0 if last > first else np.pi
    low, high = sorted((first, last))
    return Lane(
        id=name,
        centreline=np.column_stack([xs, np.full(26, y), np.full(26, yaw)]),
        polygon=shapely.box(low, y - 1.75, high, y + 1.75),
        block=name[0],
        speed_limit=10.0,
        **more,
    )


def straight_road(areas: Sequence[Area] = ()) -> LaneMap:
    lanes = [
        lane("a-right", RIGHT, -100.0, 50.0, successors=("b-right",), left="a-left"),
        lane("a-left", LEFT, -100.0, 50.0, successors=("b-left",), right="a-right"),
        lane("b-right", RIGHT, 50.0, 400.0, predecessors=("a-right",), left="b-left"),
        lane("b-left", LEFT, 50.0, 400.0, predecessors=("a-left",), right="b-right"),
        lane("o", ONCOMING, 400.0, -100.0),
    ]
    blocks = {
        "a": Block("a", ("a-right", "a-left"), shapely.box(-100, -3.5, 50, 3.5), successors=("b",)),
        "b": Block("b", ("b-right", "b-left"), shapely.box(50, -3.5, 400, 3.5)),
        "o": Block("o", ("o",), shapely.box(-100, 3.5, 400, 7.0)),
    }
    return LaneMap("straight", {line.id: line for line in lanes}, blocks, tuple(areas))


def junction(x: float) -> Area:
    return Area("junction", AreaKind.INTERSECTION, shapely.box(x, -3.5, x + 20.0, 7.0))


def scene(lane_map: LaneMap | None = None) -> Scene:
    """One frame and no recorded future: experts are given by the rollouts."""
    return Scene(
        id="hand",
        source="test",
        log="hand",
        map=lane_map or straight_road(),
        ego=EgoTrajectory(
            np.zeros(1, np.int64), np.array([[0.0, RIGHT, 0.0]]), np.zeros((1, 2)), np.zeros((1, 2))
        ),
        now=0,
        tracks=Tracks.empty(1, 0.1),
        route=("a", "b"),
    )


def moving(
    speed: float, count: int, *, x: float = 0.0, y: float = RIGHT, yaw: float = 0.0
) -> np.ndarray:
    """Ego states at constant speed [m/s], 0.1 s apart."""
    states = np.zeros((count, 11))
    gone = speed * 0.1 * np.arange(count)
    states[:, 0], states[:, 1] = x + gone * np.cos(yaw), y + gone * np.sin(yaw)
    states[:, 2], states[:, 3] = yaw, speed
    return states


def car(x: float, speed: float = 0.0, **more: Any) -> dict[str, Any]:
    """An actor whose box is centred at x at the start: 4 m long and 2 m wide."""
    return {"x": x, "y": RIGHT, "speed": speed, "yaw": 0.0, "kind": "vehicle", **more}


def tracks_of(actors: Mapping[str, Mapping[str, Any]], count: int) -> Tracks:
    poses = np.full((count, len(actors), 3), np.nan)
    velocities = np.full((count, len(actors), 2), np.nan)
    for n, actor in enumerate(actors.values()):
        heading = np.array([np.cos(actor["yaw"]), np.sin(actor["yaw"])])
        gone = actor["speed"] * 0.1 * np.arange(count)
        poses[:, n, :2] = np.array([actor["x"], actor["y"]]) + gone[:, None] * heading
        poses[:, n, 2] = actor["yaw"]
        velocities[:, n] = actor["speed"] * heading
    sizes = np.array([actor.get("size", (4.0, 2.0)) for actor in actors.values()], float)
    return Tracks(
        ids=tuple(actors),
        kinds=tuple(actor["kind"] for actor in actors.values()),
        sizes=sizes.reshape(-1, 2),
        poses=poses,
        velocities=velocities,
        valid=np.ones((count, len(actors)), bool),
        dt=0.1,
    )


def rollout(
    ego: np.ndarray,
    actors: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    expert: np.ndarray | None = None,
    events: Sequence[Mapping[str, Any]] = (),
    plans: np.ndarray | None = None,
    plan_steps: Sequence[int] = (),
    plan_dt: float = 0.5,
    goal: float = 100.0,
    **info: Any,
) -> Rollout:
    """An episode in `scene()`; the expert drives as the ego did unless given."""
    count = len(ego)
    xs = np.arange(0.0, goal + 0.5, 1.0)
    facts = {
        "expert": (ego if expert is None else expert)[:, :3],
        "off_lane": np.zeros(count, bool),
        "route_completion": 1.0,
        "expect": {"no_collision": True},
        **info,
    }
    return Rollout(
        scene_id="hand",
        times=0.1 * np.arange(count),
        ego=ego,
        tracks=tracks_of(actors or {}, count),
        plan=np.zeros((8, 3)),
        plan_dt=plan_dt,
        events=tuple({"time": 0.1 * event["step"], "actor": "", **event} for event in events),
        info=facts,
        plans=plans,
        plan_steps=np.array(plan_steps) if plans is not None else None,
        route=np.column_stack([xs, np.full(len(xs), RIGHT), np.zeros(len(xs))]),
    )


def straight_plan(speed: float, count: int = 8, dt: float = 0.5) -> np.ndarray:
    """Poses straight ahead of the ego at constant speed [m/s]."""
    plan = np.zeros((count, 3))
    plan[:, 0] = speed * dt * np.arange(1, count + 1)
    return plan
