"""Actors of a scenario text -> actors of the world."""

from __future__ import annotations

import msgspec
import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.geometry.poses import compose
from drivelab.planning import IDMParameters
from drivelab.sim.scenario.acts import OpenDoor
from drivelab.sim.scenario.behaviours import Stage, build_behaviours
from drivelab.sim.scenario.lane_line import speed_limit
from drivelab.sim.scenario.problems import Misfit, Path, did_you_mean
from drivelab.sim.scenario.road_users import (
    Actor,
    DriveMotion,
    Driver,
    PolicyMotion,
    ReplayMotion,
    WalkMotion,
)
from drivelab.sim.scenario.route import find_way
from drivelab.sim.scenario.rules import motion_name
from drivelab.sim.scenario.site import Site
from drivelab.sim.scenario.spot import (
    Spot,
    check_path_length,
    find_path,
    find_spot,
    nudged,
    straight_path,
)
from drivelab.sim.world.behaviours import check_behaviours
from drivelab.sim.world.episode import (
    TRAFFIC_DRIVER,
    ActorSpec,
    Behaviour,
    Drive,
    Motion,
    Parked,
    Policy,
    Replay,
    Trigger,
    Walk,
)

LANE_OFFSET = 2.5  # a driver this far beside its lane's centreline is not on it [m]
DOOR_LENGTH, DOOR_SLIT = 1.1, 0.05  # of a closed door [m]
DOOR_AHEAD = 0.3  # a front door's middle, ahead of the car's [m]
DOOR_GAP = 0.03  # between the car's side and its door [m]
BEYOND = 100.0  # lanes listed beyond what the actor can drive [m]


def build_actor(
    stage: Stage, actor: Actor, path: Path, *, duration: float, tracks: tuple[str, ...] = ()
) -> tuple[ActorSpec, ...]:
    """The actor and its doors.

    Args:
        stage: map and ego.
        actor: what the text says.
        path: of the actor in the text.
        duration: of the scenario [s].
        tracks: ids of the log's tracks, for replays.

    Raises:
        Misfit: it cannot be placed or moved as the text says.
    """
    spot = _spot(stage, actor, path, tracks)
    behaviours, doors = build_behaviours(stage, actor, spot, path)
    motion = _motion(stage, actor, spot, path, duration, tracks)
    spec = ActorSpec(
        id=actor.id,
        kind=actor.kind_name,
        size=actor.box,
        pose=spot.pose,
        speed=actor.speed,
        motion=motion,
        behaviours=behaviours,
        role=actor.model_name,
    )
    specs = (spec, *(_door(spec, act, trigger) for act, trigger in doors))
    for one in specs:
        try:
            check_behaviours(one)
        except ConfigError as error:
            raise Misfit((*path, "behavior"), str(error)) from error
    return specs


def drive_motion(
    site: Site, said: DriveMotion, actor: Actor, lanes: tuple[str, ...], limit: float
) -> Drive:
    """Driving along lanes; without a pace it keeps wishing for its start speed."""
    pace = said.pace
    if pace is None:
        pace = actor.speed / limit if actor.speed > 0 else 1.0
    return Drive(
        route=lanes,
        driver=_driver(said.driver),
        pace=pace,
        lane_changes=said.lane_changes,
        obeys_lights=said.lights,
        obeys_signs=said.signs,
        yields=said.yields,
        offset=actor.offset,
    )


def _spot(stage: Stage, actor: Actor, path: Path, tracks: tuple[str, ...]) -> Spot:
    if isinstance(actor.motion, ReplayMotion):
        return Spot(_replayed(stage.site, actor.motion.track, tracks, path))
    if (
        isinstance(actor.motion, WalkMotion)
        and actor.motion.crossing is not None
        and (actor.lane is None and actor.pose is None and actor.ahead is None)
    ):
        return Spot(_crossing(stage.site, actor.motion.crossing, path)[0])
    spot = find_spot(stage.site, actor, stage.ego.pose, path)
    if actor.nudge is not None and spot.line is not None and motion_name(actor) == "drive":
        return _along_lane(spot, actor, path)
    return nudged(spot, actor.nudge)


def _along_lane(spot: Spot, actor: Actor, path: Path) -> Spot:
    """A driver is nudged along its lane."""
    assert spot.line is not None
    assert actor.nudge is not None
    nudge = actor.nudge
    s = spot.s + nudge.ahead
    if not 0.0 <= s <= spot.line.length:
        text = f"moves it to {s:.1f} m, but its lane runs from 0 to {spot.line.length:.1f} m"
        raise Misfit((*path, "nudge"), text)
    return Spot(spot.line.pose(s, actor.offset + nudge.left), spot.line, s)


def _motion(
    stage: Stage, actor: Actor, spot: Spot, path: Path, duration: float, tracks: tuple[str, ...]
) -> Motion:
    name, said, here = motion_name(actor), actor.motion, (*path, "motion")
    if name == "drive":
        driving = said if isinstance(said, DriveMotion) else DriveMotion()
        return _driving(stage, driving, actor, spot, path, duration)
    if isinstance(said, WalkMotion):
        walk = _walk_path(stage, actor, said, spot, here)
        speed = said.speed if said.speed is not None else actor.speed
        return Walk(walk, speed, waits=said.waits, keeps_gap=said.keeps_gap)
    if isinstance(said, ReplayMotion):
        return Replay(tracks.index(said.track))
    if name == "policy":
        route = said.route if isinstance(said, PolicyMotion) else None
        length = _reach(stage.site, actor.speed, spot, duration)
        way = find_way(stage.site, spot, route, (*here, "route"), length=length, beside=stage.ego)
        return Policy(way.lanes)
    return Parked()


def _driving(
    stage: Stage, said: DriveMotion, actor: Actor, spot: Spot, path: Path, duration: float
) -> Drive:
    if abs(actor.offset) > LANE_OFFSET:
        text = f"is {actor.offset:g} m; a driver keeps within {LANE_OFFSET:g} m of its lane"
        raise Misfit((*path, "offset"), text)
    if actor.heading_deg:
        raise Misfit((*path, "heading_deg"), "a driver takes its heading from its lane")
    here = (*path, "motion", "route") if said.route is not None else path
    length = _reach(stage.site, actor.speed, spot, duration)
    way = find_way(stage.site, spot, said.route, here, length=length, beside=stage.ego)
    limit = speed_limit(stage.site.map, way.lanes[0])
    return drive_motion(stage.site, said, actor, way.lanes, limit)


def _reach(site: Site, speed: float, spot: Spot, duration: float) -> float:
    """How far an actor may drive [m]."""
    limits = [speed_limit(site.map, lane) for lane in (spot.line.lanes if spot.line else ())]
    return max(speed, *limits, 14.0) * duration + BEYOND


def _walk_path(
    stage: Stage, actor: Actor, said: WalkMotion, spot: Spot, path: Path
) -> Float[np.ndarray, "n 3"]:
    if said.distance is not None:
        check_path_length(said.distance, (*path, "distance"))
        return straight_path(spot.pose, said.distance)
    if said.crossing is not None:
        return _crossing(stage.site, said.crossing, path)
    assert said.path is not None
    return find_path(
        stage.site,
        said.path,
        stage.ego.pose,
        (*path, "path"),
        start=spot.pose,
        rounded=actor.kind_name != "pedestrian",
        shift=spot.shift,
    )


def _crossing(site: Site, name: str, path: Path) -> Float[np.ndarray, "n 3"]:
    """A pedestrian crossing by name; `-NAME` is walked the other way."""
    plain = name.removeprefix("-")
    if plain not in site.crossings:
        hint = did_you_mean(plain, list(site.crossings)) if site.crossings else "; it has none"
        raise Misfit((*path, "crossing"), f"the map {site.name} has no crossing `{plain}`{hint}")
    line = np.asarray(site.crossings[plain], float)
    if name == plain:
        return line
    back = line[::-1].copy()
    back[:, 2] += np.pi
    return back


def _replayed(
    site: Site, track: str, tracks: tuple[str, ...], path: Path
) -> Float[np.ndarray, "3"]:
    assert site.log is not None
    if track not in tracks:
        hint = did_you_mean(track, tracks[:200])
        raise Misfit((*path, "motion", "track"), f"the log has no track `{track}`{hint}")
    poses = site.log.tracks.poses[:, site.log.tracks.ids.index(track)]
    there = np.isfinite(poses[:, 0])
    return np.asarray(poses[np.argmax(there)], float)


def _driver(said: Driver | None) -> IDMParameters:
    if said is None:
        return TRAFFIC_DRIVER
    return IDMParameters(
        **{key: float(value) for key, value in msgspec.structs.asdict(said).items()}
    )


def _door(car: ActorSpec, act: OpenDoor, trigger: Trigger) -> ActorSpec:
    """A closed door at the side of a car."""
    side = 1.0 if act.side == "left" else -1.0
    aside = side * (car.size[1] / 2 + DOOR_GAP + DOOR_SLIT / 2)
    return ActorSpec(
        id=f"{car.id}.door",
        kind="generic_object",
        size=(DOOR_LENGTH, DOOR_SLIT),
        pose=compose(car.pose, np.array([DOOR_AHEAD, aside, 0.0])),
        motion=Parked(),
        behaviours=(Behaviour("open_door", trigger, {"width": act.width, "over": act.over}),),
        role="door",
    )
