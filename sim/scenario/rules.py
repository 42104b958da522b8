"""What the shape alone does not say: keys that exclude each other, triggers that contradict."""

from __future__ import annotations

from collections.abc import Iterator

from drivelab.metrics.registry import ROLLOUT_METRICS
from drivelab.registry import METRICS, find_plugs
from drivelab.sim.scenario.acts import (
    Act,
    CutIn,
    FollowPath,
    Jaywalk,
    When,
    act_name,
)
from drivelab.sim.scenario.map_choice import LogMap
from drivelab.sim.scenario.places import Place
from drivelab.sim.scenario.problems import Fault, Path, did_you_mean
from drivelab.sim.scenario.road_users import (
    Actor,
    DriveMotion,
    PolicyMotion,
    ReplayMotion,
    Route,
    WalkMotion,
)
from drivelab.sim.scenario.schema import Scenario

OWN_SCORE = "scenario_pass_v1"

# behaviour -> motions that can carry it out
_FITTING = {
    "cut_in": ("drive",),
    "hard_brake": ("drive", "walk"),
    "set_speed": ("drive", "walk"),
    "follow_path": ("drive", "walk", "parked"),
    "run_red_light": ("drive",),
    "overtake_oncoming": ("drive",),
    "jaywalk": ("parked", "walk"),
    "u_turn": ("drive", "parked"),
    "reverse_out": ("parked",),
    "open_door": ("parked",),
    "pull_away": ("parked",),
}
_LONGEST_GREEN = 600.0  # [s]


def rule_faults(scenario: Scenario) -> list[Fault]:
    """All faults that can be seen without the map."""
    return [
        *_place_faults(scenario.ego, ("ego",), ego=True, free=isinstance(scenario.map, LogMap)),
        *_route_faults(scenario.route, ("route",), log=isinstance(scenario.map, LogMap)),
        *_actors_faults(scenario),
        *_time_faults(scenario),
    ]


def motion_name(actor: Actor) -> str:
    """How an actor moves: what it says, else by its kind and place."""
    if isinstance(actor.motion, str):
        return actor.motion
    if actor.motion is not None:
        return str(actor.motion.__struct_config__.tag)
    if actor.lane is None or actor.kind_name not in ("vehicle", "bicycle"):
        return "parked"
    starts = {act_name(act) for act in actor.acts}
    return "parked" if starts & {"open_door", "reverse_out", "pull_away"} else "drive"


def _actors_faults(scenario: Scenario) -> Iterator[Fault]:
    seen: dict[str, int] = {}
    for index, actor in enumerate(scenario.actors):
        path: Path = ("actors", index)
        if actor.id in seen or actor.id == "ego":
            owner = "the ego's name" if actor.id == "ego" else f"also actor {seen[actor.id]}'s"
            yield Fault((*path, "id"), f"`{actor.id}` is {owner}; names must differ")
        seen[actor.id] = index
        crossing = isinstance(actor.motion, WalkMotion) and actor.motion.crossing is not None
        replay = motion_name(actor) == "replay"
        yield from _place_faults(actor, path, replay=replay, free=crossing)
        yield from _size_faults(actor, path)
        yield from _motion_faults(actor, path, scenario)
        yield from _acts_faults(actor, path, scenario)


def _place_faults(
    place: Place, path: Path, *, ego: bool = False, replay: bool = False, free: bool = False
) -> Iterator[Fault]:
    ways = [name for name in ("lane", "pose", "ahead") if getattr(place, name) is not None]
    if len(ways) > 1:
        yield Fault((*path, ways[1]), f"`{ways[0]}` says already where it is; keep one of them")
    if replay:
        if ways:
            yield Fault((*path, ways[0]), "a replayed track says itself where it is; leave it out")
        return
    if not ways and not free:
        offers = "`lane` and `s`, or `pose`" + ("" if ego else ", or `ahead` and `left`")
        yield Fault(path, f"no place is given: write {offers}")
    if ego and place.ahead is not None:
        yield Fault((*path, "ahead"), "the ego cannot be placed beside itself; use lane or pose")
    if place.lane is not None and place.s is None:
        yield Fault((*path, "lane"), "the key `s` is missing (distance along the lane, [m])")
    if place.s is not None and place.lane is None:
        yield Fault((*path, "s"), "the key `lane` is missing (`s` is measured along it)")
    if place.pose is not None and (place.offset or place.heading_deg):
        key = "offset" if place.offset else "heading_deg"
        yield Fault((*path, key), "goes with a lane; a pose holds [x, y, yaw in degrees]")


def _route_faults(route: Route | None, path: Path, *, log: bool = False) -> Iterator[Fault]:
    if route is None:
        return
    keys = ("turn", "goal", "lanes", "recorded")
    said = [name for name in keys if getattr(route, name) not in (None, False)]
    if len(said) != 1:
        got = " and ".join(said) or "none"
        yield Fault(path, f"expected one of {', '.join(keys)}; got {got}")
    if route.recorded and not log:
        yield Fault((*path, "recorded"), "only the ego on the map of a log has a recorded route")
    if route.goal is not None:
        yield from _place_faults(route.goal, (*path, "goal"))


def _size_faults(actor: Actor, path: Path) -> Iterator[Fault]:
    if actor.size is not None and (min(actor.size) <= 0 or max(actor.size) > 30):
        yield Fault((*path, "size"), f"is {actor.size}; expected [length, width], 0 to 30 m each")
    if actor.kind is None and actor.model is None:
        yield Fault(path, "the key `kind` or `model` is missing (such as `model: car`)")


def _motion_faults(actor: Actor, path: Path, scenario: Scenario) -> Iterator[Fault]:
    name, motion, here = motion_name(actor), actor.motion, (*path, "motion")
    if name in ("drive", "policy") and actor.kind_name not in ("vehicle", "bicycle"):
        yield Fault(here, f"a {actor.kind_name} cannot drive; use walk or parked")
    if name == "parked" and actor.speed > 0:
        yield Fault((*path, "speed"), "it is parked, but has a speed; leave one out")
    if name == "walk" and not isinstance(motion, WalkMotion):
        yield Fault(here, "walk needs a way: {type: walk, path: [...]}, distance or crossing")
    if isinstance(motion, WalkMotion):
        ways = [key for key in ("path", "distance", "crossing") if getattr(motion, key) is not None]
        if len(ways) != 1:
            yield Fault(here, f"expected one of path, distance, crossing; got {len(ways)}")
        if motion.speed is None and actor.speed == 0.0:
            yield Fault(here, "the key `speed` is missing (wished speed, [m/s])")
    if isinstance(motion, ReplayMotion) and not isinstance(scenario.map, LogMap):
        yield Fault(here, "only a map of a log has tracks to repeat: map: {log: ID}")
    if isinstance(motion, DriveMotion | PolicyMotion):
        yield from _route_faults(motion.route, (*here, "route"))


def _acts_faults(actor: Actor, path: Path, scenario: Scenario) -> Iterator[Fault]:
    single = not isinstance(actor.behavior, tuple)
    for number, act in enumerate(actor.acts):
        here: Path = (*path, "behavior") if single else (*path, "behavior", number)
        name, motion = act_name(act), motion_name(actor)
        earlier = {act_name(other) for other in actor.acts[:number]}
        if motion not in _FITTING[name] and not earlier & {"pull_away", "jaywalk", "follow_path"}:
            fitting = " or ".join(_FITTING[name])
            yield Fault((*here, "type"), f"{name} needs motion {fitting}; `{actor.id}`: {motion}")
        yield from _act_faults(act, here)
        yield from _when_faults(act.when, (*here, "when"), number, actor, scenario)


def _act_faults(act: Act, path: Path) -> Iterator[Fault]:
    if isinstance(act, CutIn):
        if (act.to_lane is None) == (act.lanes is None):
            yield Fault(path, "expected one of to_lane, lanes (1 = one lane to the left)")
        if act.lanes == 0:
            yield Fault((*path, "lanes"), "is 0; a cut-in changes the lane")
    if isinstance(act, Jaywalk) and (act.distance is None) == (act.path is None):
        yield Fault(path, "expected one of distance, path")
    if isinstance(act, FollowPath | Jaywalk):
        for index, point in enumerate(act.path or ()):
            if isinstance(point, Place):
                yield from _place_faults(point, (*path, "path", index))


def _when_faults(
    when: When, path: Path, number: int, actor: Actor, scenario: Scenario
) -> Iterator[Fault]:
    if when.time is not None and when.time >= scenario.duration:
        text = f"is {when.time:g} s, but the scenario ends at {scenario.duration:g} s"
        yield Fault((*path, "time"), text)
    if when.ego_past is not None:
        start = scenario.ego.s if scenario.ego.s is not None else 0.0
        if when.ego_past <= start:
            text = f"is {when.ego_past:g} m, not ahead of the ego's start at {start:g} m"
            yield Fault((*path, "ego_past"), text)
    if when.after is not None:
        yield from _after_faults(when.after, path, number, actor)
    if when.ego_within is not None and (when.ego_within.lane is None) != (
        when.ego_within.s is None
    ):
        yield Fault((*path, "ego_within"), "`lane` and `s` go together")


def _after_faults(after: int | str, path: Path, number: int, actor: Actor) -> Iterator[Fault]:
    names = [act_name(act) for act in actor.acts]
    here = (*path, "after")
    if isinstance(after, str):
        if after not in names:
            yield Fault(
                here, f"`{actor.id}` has no behaviour `{after}`{did_you_mean(after, names)}"
            )
            return
        after = names.index(after)
    if after < 0 or after >= len(names):
        yield Fault(here, f"is {after}; `{actor.id}` has the behaviours 0 to {len(names) - 1}")
    elif after == number:
        yield Fault(here, "a behaviour cannot wait for itself")
    elif after > number:
        yield Fault(here, f"is {after}, which comes later than {number}; name an earlier one")


def _time_faults(scenario: Scenario) -> Iterator[Fault]:
    expect, duration = scenario.expect, scenario.duration
    if expect.max_time is not None and expect.max_time > duration:
        text = f"is {expect.max_time:g} s, but the scenario ends at {duration:g} s"
        yield Fault(("expect", "max_time"), text)
    for name in expect.min_score:
        if name == OWN_SCORE:
            text = "is the verdict on these very expectations; name another score"
            yield Fault(("expect", "min_score", name), text)
        # No `package.module:Class` here: a text of a stranger must not say what is imported.
        if name not in {**ROLLOUT_METRICS, **find_plugs(METRICS).plugs}:
            hint = did_you_mean(name, list(ROLLOUT_METRICS))
            yield Fault(("expect", "min_score", name), f"there is no score `{name}`{hint}")
    faults = () if scenario.sensors is None else scenario.sensors.faults
    for index, fault in enumerate(faults):
        if fault.stop is not None and fault.stop <= fault.start:
            text = f"is {fault.stop:g} s, not after its start at {fault.start:g} s"
            yield Fault(("sensors", "faults", index, "stop"), text)
    if scenario.lights is not None and scenario.lights.green > _LONGEST_GREEN:
        yield Fault(("lights", "green"), f"longer than {_LONGEST_GREEN:g} s")
