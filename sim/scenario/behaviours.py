"""Behaviours and triggers of a scenario text -> those of the world's actors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.sim.scenario.acts import (
    Act,
    CutIn,
    FollowPath,
    Jaywalk,
    OpenDoor,
    When,
    act_name,
)
from drivelab.sim.scenario.places import Place
from drivelab.sim.scenario.problems import Misfit, Path
from drivelab.sim.scenario.road_users import Actor
from drivelab.sim.scenario.rules import motion_name
from drivelab.sim.scenario.site import Site
from drivelab.sim.scenario.spot import (
    Spot,
    check_path_length,
    find_path,
    find_spot,
    straight_path,
)
from drivelab.sim.world.episode import BEHAVIOURS, Behaviour, Trigger
from drivelab.types import LaneMap


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """What all actors of a scenario share."""

    site: Site
    ego: Spot  # rear axle at the start
    ego_s: float  # what the text calls the ego's `s` at its start [m]
    route_line: Float[np.ndarray, "m 3"]


def build_behaviours(
    stage: Stage, actor: Actor, spot: Spot, path: Path
) -> tuple[tuple[Behaviour, ...], tuple[tuple[OpenDoor, Trigger], ...]]:
    """Behaviours of the actor itself, and those of its doors.

    Raises:
        Misfit: a place or lane that does not exist.
    """
    own: list[Behaviour] = []
    doors: list[tuple[OpenDoor, Trigger]] = []
    numbers: dict[int, int] = {}  # place in the text -> place in the world
    single = not isinstance(actor.behavior, tuple)
    for number, act in enumerate(actor.acts):
        here: Path = (*path, "behavior") if single else (*path, "behavior", number)
        trigger = build_trigger(stage, actor, spot, act.when, (*here, "when"), numbers)
        if isinstance(act, OpenDoor):
            doors.append((act, trigger))
            continue
        numbers[number] = len(own)
        values = _values(stage, act, spot, here)
        own.append(Behaviour(act_name(act), trigger, values, _path(stage, actor, act, spot, here)))
    return tuple(own), tuple(doors)


def build_trigger(
    stage: Stage, actor: Actor, spot: Spot, when: When, path: Path, numbers: Mapping[int, int]
) -> Trigger:
    """All conditions of a trigger; `numbers` maps behaviours of the text to those of the world."""
    after: int | None = None
    if when.after is not None:
        names = [act_name(act) for act in actor.acts]
        said = names.index(when.after) if isinstance(when.after, str) else when.after
        if said not in numbers:
            raise Misfit((*path, "after"), "a door belongs to itself; wait for something else")
        after = numbers[said]
    return Trigger(
        time=when.time,
        gap_below=when.gap_below,
        ttc_below=when.ttc_below,
        ego_past=None if when.ego_past is None else _route_point(stage, when.ego_past, path),
        ego_within=_circle(stage, spot, when, path),
        after=after,
    )


def _route_point(stage: Stage, ego_past: float, path: Path) -> Float[np.ndarray, "2"]:
    ahead = ego_past - stage.ego_s
    line = stage.route_line
    s = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(line[:, :2], axis=0).T))])
    if ahead > s[-1]:
        end = stage.ego_s + float(s[-1])
        text = f"is {ego_past:g} m, but the ego's route ends at {end:.1f} m"
        raise Misfit((*path, "ego_past"), text)
    return np.array([np.interp(ahead, s, line[:, 0]), np.interp(ahead, s, line[:, 1])])


def _circle(stage: Stage, spot: Spot, when: When, path: Path) -> tuple[float, float, float] | None:
    within = when.ego_within
    if within is None:
        return None
    centre = spot.pose
    if within.pose is not None or within.lane is not None:
        place = Place(lane=within.lane, s=within.s, pose=within.pose)
        centre = find_spot(stage.site, place, stage.ego.pose, (*path, "ego_within")).pose
    return (float(centre[0]), float(centre[1]), within.radius)


def _values(stage: Stage, act: Act, spot: Spot, path: Path) -> dict[str, float]:
    """The values that the world knows for this kind; what is not said keeps the present speed."""
    values: dict[str, float] = {}
    for name in BEHAVIOURS[act_name(act)]:
        said = getattr(act, name, None)
        if name == "lanes" and isinstance(act, CutIn):
            values[name] = float(_lanes_aside(stage.site, act, spot, path))
        elif said is None:
            values[name] = float("nan")
        else:
            values[name] = float(said)
    return values


def _lanes_aside(site: Site, act: CutIn, spot: Spot, path: Path) -> int:
    """How many lanes to the left a cut-in goes."""
    if act.lanes is not None:
        return act.lanes
    assert act.to_lane is not None
    target = set(site.line(act.to_lane, (*path, "to_lane")).lanes)
    lanes = spot.line.lanes if spot.line is not None else ()
    if spot.line is None:
        found = site.lane_at(spot.pose)
        lanes = (found[0],) if found is not None else ()
    counts = [count for lane in lanes if (count := _steps_to(site.map, lane, target)) is not None]
    if 0 in counts:
        raise Misfit((*path, "to_lane"), f"it is on lane `{act.to_lane}` already")
    if not counts:
        text = f"lane `{act.to_lane}` is nowhere beside the actor's lane in its direction"
        raise Misfit((*path, "to_lane"), text)
    return counts[0]


def _steps_to(lane_map: LaneMap, lane: str, target: set[str]) -> int | None:
    """Neighbours to the left (+) or right (-) up to a target lane."""
    for sign in (1, -1):
        here: str | None = lane
        for count in range(len(lane_map.lanes)):
            if here in target:
                return sign * count
            if here is None or here not in lane_map.lanes:
                break
            here = lane_map.lanes[here].left if sign > 0 else lane_map.lanes[here].right
    return None


def _path(
    stage: Stage, actor: Actor, act: Act, spot: Spot, path: Path
) -> Float[np.ndarray, "n 3"] | None:
    if isinstance(act, Jaywalk) and act.distance is not None:
        check_path_length(act.distance, (*path, "distance"))
        return straight_path(spot.pose, act.distance)
    if isinstance(act, FollowPath | Jaywalk) and act.path is not None:
        turns_on_the_spot = actor.kind_name == "pedestrian"
        starts_here = motion_name(actor) == "parked" or act.when == When() or len(act.path) < 2
        return find_path(
            stage.site,
            act.path,
            stage.ego.pose,
            (*path, "path"),
            start=spot.pose if starts_here else None,
            rounded=not turns_on_the_spot,
            shift=spot.shift,
        )
    return None
