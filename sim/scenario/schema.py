"""The scenario schema: what a YAML text may say. `docs/scenarios.md` lists every key.

Reading is in `reading` and `shape`, checks that need the map are in `check`, `build` turns a
scenario and a seed into an episode.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from drivelab.sim.scenario.map_choice import AnyMap
from drivelab.sim.scenario.part import Part
from drivelab.sim.scenario.road_users import Actor, Ego, Route
from drivelab.sim.scenario.surroundings import (
    DayTime,
    Hour,
    Lights,
    Sensors,
    Signs,
    Traffic,
    Weather,
    WeatherName,
)
from drivelab.sim.scenario.units import Length, Name, Seconds, about, unit
from drivelab.sim.scenario.variations import AnyVariation

LONGEST = 600.0  # [s]


class Expect(Part, frozen=True, kw_only=True):
    """What must hold for the scenario to pass; only what is written is asked."""

    no_collision: Annotated[bool, about("the ego touches nobody")] = False
    no_at_fault_collision: Annotated[
        bool, about("the ego causes no collision: hit from behind or while standing is no fault")
    ] = False
    no_red_light: Annotated[bool, about("the ego passes no red light")] = False
    no_stop_sign: Annotated[bool, about("the ego stops at every stop sign")] = False
    no_off_road: Annotated[bool, about("the ego stays on drivable ground")] = False
    no_wrong_way: Annotated[bool, about("the ego drives against no lane")] = False
    reaches_goal: Annotated[bool, about("the ego comes to the end of its route")] = False
    max_time: Annotated[
        Annotated[Seconds, Meta(gt=0)] | None, about("until the end of the route is reached")
    ] = None
    min_progress: Annotated[
        Annotated[float, unit("m"), Meta(gt=0)] | None, about("driven along the route")
    ] = None
    min_gap: Annotated[
        Annotated[float, unit("m"), Meta(ge=0)] | None, about("smallest box distance ever")
    ] = None
    max_speed: Annotated[
        Annotated[float, unit("m/s"), Meta(gt=0)] | None, about("largest speed ever")
    ] = None
    max_deceleration: Annotated[
        Annotated[float, unit("m/s^2"), Meta(gt=0)] | None, about("hardest braking ever")
    ] = None
    min_score: Annotated[
        dict[str, float], about("smallest score by metric name, such as {rad9_v2: 0.5}")
    ] = msgspec.field(default_factory=dict)


class Terminate(Part, frozen=True, kw_only=True):
    """What ends the episode before its time."""

    collision: Annotated[bool, about("any collision of the ego")] = True
    off_road: Annotated[bool, about("the ego leaves drivable ground")] = False
    kerb: Annotated[bool, about("the ego's box crosses the border of drivable ground")] = False
    wrong_way: Annotated[bool, about("the ego drives against a lane")] = False
    route_deviation: Annotated[Length | None, about("distance from the route; null = never")] = 30.0
    heading_deviation_deg: Annotated[
        Annotated[float, unit("deg"), Meta(gt=0, le=180)] | None,
        about("heading against the expert's path"),
    ] = None
    blocked_for: Annotated[
        Annotated[Seconds, Meta(gt=0)] | None, about("slower than 0.1 m/s for so long")
    ] = None
    route_done: Annotated[bool, about("the end of the route is reached")] = True


class Scenario(Part, frozen=True, kw_only=True):
    """One scenario: where, who, what happens, what varies and what is expected."""

    id: Annotated[Name, about("its name; letters, digits, - and _")]
    purpose: Annotated[str, about("what it is for, in one sentence")] = ""
    family: Annotated[str, about("the group it belongs to; a library's folder names it too")] = ""
    map: Annotated[str | AnyMap, about("a template by name, or a mapping (see maps)")]
    duration: Annotated[Seconds, about("it ends at this time at the latest", gt=0, le=LONGEST)]
    ego: Annotated[Ego, about("the vehicle under test")]
    route: Annotated[Route | None, about("of the ego; straight on if left out")] = None
    actors: Annotated[
        tuple[Actor, ...], Meta(max_length=200), about("the road users that matter")
    ] = ()
    traffic: Annotated[Traffic | None, about("the road users that do not matter")] = None
    lights: Annotated[Lights | None, about("traffic lights, where the map has some")] = None
    signs: Annotated[Signs | None, about("stop and yield signs")] = None
    weather: Annotated[WeatherName | Weather, about("a word or a mapping")] = "clear"
    time_of_day: Annotated[DayTime | Hour, about("a word or an hour, such as 17.5")] = "day"
    sensors: Annotated[Sensors | None, about("what is wrong with the sensors")] = None
    scenario_kinds: Annotated[
        tuple[str, ...], about("CARLA's names of what happens here, for Bench2Drive's abilities")
    ] = ()
    vary: Annotated[
        dict[str, AnyVariation], about("what is drawn anew for every seed, by dotted path")
    ] = msgspec.field(default_factory=dict)
    expect: Annotated[Expect, about("what must hold for it to pass")] = Expect()
    terminate: Annotated[Terminate, about("what ends it before its time")] = Terminate()
    notes: Annotated[
        tuple[str, ...], about("remarks, such as what an import could not carry over")
    ] = ()
