"""Cut a scenario out of a recorded log: its map, its ego's start and way, its traffic."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.sim.scenario.logs import LogPart, log_part
from drivelab.sim.scenario.map_choice import LogMap, SourceName
from drivelab.sim.scenario.problems import Misfit
from drivelab.sim.scenario.road_users import (
    Actor,
    AnyMotion,
    Ego,
    KindName,
    ParkedMotion,
    ReplayMotion,
    Route,
    WalkMotion,
)
from drivelab.sim.scenario.schema import Expect, Scenario
from drivelab.types import Scene, Tracks

Traffic = Literal["replay", "scripted"]
NEAR = 60.0  # actors farther from the ego's way are left out [m]
STANDS = 1.0  # who moves less is parked [m]
SIMPLE = 0.1  # paths may leave the record by so much [m]
MOST_ACTORS = 120
_SHORT_NAMES = {"traffic_cone": "cone", "czone_sign": "sign", "generic_object": "object"}


def scenario_from_log(
    scene: Scene,
    source: SourceName,
    *,
    at: float = 0.0,
    duration: float = 8.0,
    traffic: Traffic = "replay",
) -> Scenario:
    """A scenario with the log's map, ego and traffic.

    Args:
        scene: of the log.
        source: where the scene comes from, as the scenario will ask for it.
        at: start, counted from the scene's present moment [s].
        duration: at most [s]; a log that ends before gives a shorter scenario.
        traffic: "replay" repeats the tracks; "scripted" gives every mover its recorded path at its
            mean speed, to be edited, and parks who stands.

    Raises:
        ConfigError: the log does not reach so far.
    """
    try:
        part = log_part(scene, at, duration)
    except Misfit as misfit:
        raise ConfigError(f"at={at:g}: {misfit.fault.text}") from misfit
    length = round(0.1 * (len(part.expert) - 1), 1)
    if length < 0.5:
        raise ConfigError(f"at={at:g}: only {length:g} s of the log are left")
    return Scenario(
        id=_identifier(scene.id),
        purpose=f"What happened in {scene.log} of {scene.source}, for another driver.",
        family="from_log",
        map=LogMap(log=scene.id, source=source, at=at),
        duration=length,
        ego=_ego(part),
        route=Route(recorded=True),
        actors=_actors(part, traffic),
        expect=Expect(no_at_fault_collision=True),
        notes=(f"licence of the log: {scene.licence}",) if scene.licence else (),
    )


def _actors(part: LogPart, traffic: Traffic) -> tuple[Actor, ...]:
    tracks, way = part.tracks, part.expert.poses[:, :2]
    line = shapely.LineString(np.vstack([way, way[-1] + 1e-3]))
    count: Counter[str] = Counter()
    near = [(_distance(tracks, k, line), k) for k in range(len(tracks)) if tracks.valid[:, k].any()]
    chosen = sorted(k for away, k in sorted(near)[:MOST_ACTORS] if away <= NEAR)
    actors = []
    for k in chosen:
        kind = tracks.kinds[k]
        word = _SHORT_NAMES.get(kind, kind)
        count[word] += 1
        actor = _actor(tracks, k, f"{word}_{count[word]}", traffic)
        if actor is not None:
            actors.append(actor)
    return tuple(actors)


def _distance(tracks: Tracks, k: int, line: shapely.LineString) -> float:
    there = tracks.valid[:, k]
    points = shapely.points(tracks.poses[there, k, :2])
    return float(shapely.distance(points, line).min())


def _actor(tracks: Tracks, k: int, name: str, traffic: Traffic) -> Actor | None:
    length, width = (round(float(v), 2) for v in tracks.sizes[k])
    kind: KindName = tracks.kinds[k]  # type: ignore[assignment]
    if traffic == "replay":
        return Actor(
            id=name, kind=kind, size=[length, width], motion=ReplayMotion(track=tracks.ids[k])
        )
    if not tracks.valid[0, k]:  # who comes later cannot be placed at the start
        return None
    there = tracks.valid[:, k]
    poses = tracks.poses[there, k]
    motion, speed = _scripted(poses, kind)
    return Actor(
        id=name,
        kind=kind,
        size=[length, width],
        pose=_pose(poses[0]),
        speed=speed,
        motion=motion,
    )


def _scripted(poses: Float[np.ndarray, "t 3"], kind: str) -> tuple[AnyMotion, float]:
    """The recorded path at its mean speed, or standing."""
    steps = np.hypot(*np.diff(poses[:, :2], axis=0).T)
    driven = float(steps.sum())
    if len(poses) < 2 or np.hypot(*(poses[-1, :2] - poses[0, :2])) < STANDS:
        return ParkedMotion(), 0.0
    speed = round(driven / (0.1 * (len(poses) - 1)), 2)
    simple = np.asarray(shapely.LineString(poses[:, :2]).simplify(SIMPLE).coords)
    path = tuple([round(float(x), 2), round(float(y), 2)] for x, y in simple[1:])
    return WalkMotion(path=path, speed=speed, keeps_gap=kind != "pedestrian"), speed


def _ego(part: LogPart) -> Ego:
    speed = max(float(part.expert.velocities[0, 0]), 0.0)
    return Ego(pose=_pose(part.expert.poses[0]), speed=round(speed, 2))


def _pose(pose: Float[np.ndarray, "3"]) -> list[float]:
    x, y, yaw = (float(value) for value in pose)
    return [round(x, 3), round(y, 3), round(float(np.degrees(yaw)), 2)]


def _identifier(text: str) -> str:
    """An id as the schema wants it."""
    plain = "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in text)
    return f"log_{plain}"[:64]
