"""HUGSIM's scenario YAML -> ours.

A file lists rows [right, forward, height, yaw, speed, vehicle, controller, options] in the frame of
the log's first front camera (yaw in radians, right positive). Their scenes are clouds of Gaussians
without lanes, so the road is one of our templates and everybody is placed beside the ego.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError, DataError
from drivelab.geometry.poses import compose, relative
from drivelab.sim.scenario.acts import AnyAct, CutIn, FollowPath, HardBrake, When
from drivelab.sim.scenario.imports.fields import Fields, number_list
from drivelab.sim.scenario.places import Place
from drivelab.sim.scenario.problems import Misfit
from drivelab.sim.scenario.reading import read_document
from drivelab.sim.scenario.road_users import (
    Actor,
    AnyMotion,
    DriveMotion,
    Driver,
    Ego,
    ParkedMotion,
    WalkMotion,
)
from drivelab.sim.scenario.schema import Scenario, Terminate
from drivelab.sim.scenario.site import Site, load_site
from drivelab.types import PACIFICA

DEFAULT_MAP = "straight_3lane"
EGO_LANE, EGO_S = 1, 60.0  # where the ego stands on the template [m]
DURATION = 30.0  # HUGSIM ends after 400 steps of 0.25 s at the latest [s]
OFF_ROUTE = 10.0  # ends an episode [m]
IDM = {"v0": 30.0, "s0": 5.0, "T": 2.0, "a": 2.0, "b": 4.0, "delta": 4.0}  # HUGSIM's defaults
CONTROLLERS = ("ConstantPlanner", "IDM", "AttackPlanner", "UnicyclePlanner")
ATTACK_AHEAD = 20.0  # where an attacker's path reaches the ego's line, ahead of the attacker [m]
_ROW = 8


def import_hugsim(file: Path, *, map_name: str = DEFAULT_MAP) -> Scenario:
    """Read a file.

    Args:
        file: the scenario YAML.
        map_name: template that stands in for the scene's road.

    Raises:
        ConfigError: no such template.
        DataError: a key or row is missing or of a wrong type.
        ScenarioError: no YAML.
    """
    fields = Fields(read_document(file).data, str(file))
    scene = str(fields.get("scene_name", file.stem))
    mode = str(fields.get("mode", "easy"))
    start, speed = _start_pose(fields), abs(fields.number("start_velo", 0.0))
    site = _site(map_name)
    lane = EGO_LANE if str(EGO_LANE) in site.chains else 0
    ego = site.line(lane, ("ego",)).pose(EGO_S)
    notes = [
        f"HUGSIM scene {scene}: its road is not known here, the template {map_name} stands in",
        "heights and vehicle models have no meaning here; all vehicles are cars of usual size",
    ]
    rows = fields.get("plan_list") or []
    if not isinstance(rows, list):
        raise DataError("expected a list of rows", file=file, where="plan_list")
    actors = tuple(
        _actor(row, k, start, (site, lane, ego), str(file), notes) for k, row in enumerate(rows)
    )
    _note_rest(fields, notes)
    return Scenario(
        id=_plain(f"hugsim_{scene}_{mode}"),
        purpose=f"HUGSIM's {mode.replace('_', ' ')} scenario on {scene}, on a road of ours.",
        family="hugsim",
        map=map_name,
        duration=DURATION,
        ego=Ego(lane=lane, s=EGO_S, speed=speed),
        actors=actors,
        terminate=Terminate(route_deviation=OFF_ROUTE),
        notes=tuple(notes),
    )


def _site(map_name: str) -> Site:
    try:
        return load_site(map_name)
    except Misfit as misfit:
        raise ConfigError(f"map={map_name}: {misfit.fault.text}") from misfit


def _start_pose(fields: Fields) -> Float[np.ndarray, "3"]:
    """The ego's start in a frame with x forward and y left of the first camera."""
    right, forward = fields.numbers("start_ab", 2) if fields.get("start_ab") else (0.0, 0.0)
    turned = fields.numbers("start_euler", 3) if fields.get("start_euler") else (0.0, 0.0, 0.0)
    return np.array([forward, -right, -np.radians(turned[1])])


def _actor(
    row: Any,
    number: int,
    start: Float[np.ndarray, "3"],
    place: tuple[Site, int, Float[np.ndarray, "3"]],
    file: str,
    notes: list[str],
) -> Actor:
    where = f"plan_list[{number}]"
    if not isinstance(row, list) or len(row) < _ROW - 1:
        raise DataError(
            "expected [right, forward, height, yaw, speed, vehicle, controller, options]",
            file=file,
            where=where,
        )
    right, forward, _, yaw, speed = number_list(row[:5], file, where, 5)
    controller = _controller(row[6], file, where)
    said = row[7] if len(row) >= _ROW and isinstance(row[7], Mapping) else {}
    options = Fields(said, file, where)
    pose = relative(start, np.array([forward, -right, -yaw]))
    # Their ego is the middle of its box, ours the rear axle.
    ahead, left = pose[0] + PACIFICA.rear_axle_to_center, pose[1]
    name = f"actor_{number}"
    motion, acts = _controlled(controller, options, pose, speed, place, name, notes)
    return Actor(
        id=name,
        model="car",
        ahead=round(float(ahead), 3),
        left=round(float(left), 3),
        heading_deg=0.0
        if isinstance(motion, DriveMotion)
        else round(float(np.degrees(pose[2])), 2),
        speed=0.0 if isinstance(motion, ParkedMotion) else abs(speed),
        motion=motion,
        behavior=acts,
    )


def _controller(name: Any, file: str, where: str) -> str:
    if name not in CONTROLLERS:
        raise DataError(
            f"unknown controller {name!r}; expected one of {', '.join(CONTROLLERS)}",
            file=file,
            where=where,
        )
    return str(name)


def _controlled(
    controller: str,
    options: Fields,
    pose: Float[np.ndarray, "3"],
    speed: float,
    place: tuple[Site, int, Float[np.ndarray, "3"]],
    name: str,
    notes: list[str],
) -> tuple[AnyMotion, AnyAct | None]:
    """A motion, and a behaviour for those that attack."""
    site, lane, ego = place
    beside = compose(ego, np.array([pose[0] + PACIFICA.rear_axle_to_center, pose[1], pose[2]]))
    on_lane = site.lane_at(beside) is not None
    straight = WalkMotion(distance=round(max(speed * DURATION, 20.0), 1), speed=max(speed, 0.1))
    if controller == "IDM":
        if not on_lane:
            notes.append(f"{name}: no lane lies under it; IDM drives straight ahead instead")
            return WalkMotion(distance=straight.distance, speed=speed or 5.0, keeps_gap=True), None
        return _idm(options, site, beside, name, notes), None
    if controller == "AttackPlanner":
        notes.append(
            f"{name}: AttackPlanner plans against the ego anew all the time; here it attacks once"
        )
        return _attack(pose, on_lane, lane, straight)
    if controller == "UnicyclePlanner":
        notes.append(f"{name}: its recorded trajectory lies in a checkpoint; it goes straight on")
    return (straight if speed > 0 else ParkedMotion()), None


def _idm(
    options: Fields,
    site: Site,
    pose: Float[np.ndarray, "3"],
    name: str,
    notes: list[str],
) -> DriveMotion:
    said = {key: options.number(key, default) for key, default in IDM.items()}
    if options.rest():
        unknown = ", ".join(map(str, options.rest()))
        notes.append(f"{name}: options of IDM without a meaning here: {unknown}")
    found = site.lane_at(pose)
    limit = (site.map.lanes[found[0]].speed_limit if found else None) or 13.9
    return DriveMotion(
        pace=round(min(said["v0"] / limit, 3.0), 3),
        driver=Driver(
            min_gap=said["s0"],
            headway=said["T"],
            acceleration=said["a"],
            deceleration=said["b"],
            exponent=said["delta"],
        ),
    )


def _attack(
    pose: Float[np.ndarray, "3"], on_lane: bool, lane: int, straight: WalkMotion
) -> tuple[AnyMotion, AnyAct]:
    """From beside into the ego's lane; from ahead by braking; else straight at the ego's line."""
    oncoming = abs(pose[2]) > np.pi / 2
    if on_lane and not oncoming and abs(pose[1]) > 1.5:
        return DriveMotion(lane_changes=False), CutIn(to_lane=lane, over=2.0, meet=True)
    if on_lane and not oncoming and pose[0] > 0:
        return DriveMotion(lane_changes=False), HardBrake(when=When(gap_below=15.0))
    ahead = pose[0] + PACIFICA.rear_axle_to_center + ATTACK_AHEAD * np.cos(pose[2])
    onward = -ATTACK_AHEAD if oncoming else ATTACK_AHEAD
    points = (
        Place(ahead=round(float(ahead), 2), left=0.0),
        Place(ahead=round(float(ahead + onward), 2), left=0.0),
    )
    return straight, FollowPath(path=points, speed=straight.speed, meet=True)


def _note_rest(fields: Fields, notes: list[str]) -> None:
    for key in ("iteration", "load_HD_map", "start_steer"):
        value = fields.get(key)
        if value:
            notes.append(f"{key}: {value} has no meaning here")
    if fields.rest():
        notes.append(f"keys without a meaning here: {', '.join(fields.rest())}")


def _plain(text: str) -> str:
    return "".join(sign if sign.isalnum() and sign.isascii() else "_" for sign in text)[:64]
