"""Actors of the scenario schema: what they are, where they start, how they move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from drivelab.sim.scenario.acts import Act, AnyAct, FreePath, as_list
from drivelab.sim.scenario.part import Part
from drivelab.sim.scenario.places import Place
from drivelab.sim.scenario.units import (
    Degrees,
    Length,
    Metres,
    Name,
    Pair,
    Seconds,
    Speed,
    about,
    unit,
)


@dataclass(frozen=True, slots=True)
class Model:
    """What a word such as `car` stands for."""

    kind: str  # one of types.KINDS
    length: float  # [m]
    width: float  # [m]
    moves: bool = True  # drives or walks unless it is said otherwise


MODELS: Mapping[str, Model] = {
    "car": Model("vehicle", 4.6, 1.9),
    "van": Model("vehicle", 5.4, 2.0),
    "truck": Model("vehicle", 8.5, 2.5),
    "bus": Model("vehicle", 12.0, 2.55),
    "emergency": Model("vehicle", 6.2, 2.2),
    "bicycle": Model("bicycle", 1.8, 0.6),
    "pedestrian": Model("pedestrian", 0.6, 0.6),
    "child": Model("pedestrian", 0.4, 0.4),
    "cone": Model("traffic_cone", 0.4, 0.4, False),
    "barrier": Model("barrier", 2.0, 0.5, False),
    "sign": Model("czone_sign", 0.6, 0.3, False),
    "debris": Model("generic_object", 0.8, 0.6, False),
    "blocker": Model("generic_object", 6.0, 2.4, False),  # hides what is behind it
}
DEFAULT_MODELS = {
    "vehicle": "car",
    "bicycle": "bicycle",
    "pedestrian": "pedestrian",
    "traffic_cone": "cone",
    "barrier": "barrier",
    "czone_sign": "sign",
    "generic_object": "debris",
}
ModelName = Literal[
    "car",
    "van",
    "truck",
    "bus",
    "emergency",
    "bicycle",
    "pedestrian",
    "child",
    "cone",
    "barrier",
    "sign",
    "debris",
    "blocker",
]
KindName = Literal[
    "vehicle",
    "pedestrian",
    "bicycle",
    "traffic_cone",
    "barrier",
    "czone_sign",
    "generic_object",
]


class Route(Part, frozen=True, kw_only=True):
    """Where to go, one of: `turn`, `goal`, `lanes`, `recorded`."""

    turn: Annotated[
        str | None, about("at the next junction: left, straight, right, u_turn, or as the map says")
    ] = None
    goal: Annotated[Place | None, about("the place to reach, with lane changes where needed")] = (
        None
    )
    lanes: Annotated[
        Annotated[tuple[int | str, ...], Meta(min_length=1)] | None,
        about("lanes one after another: lane chains or lane ids"),
    ] = None
    recorded: Annotated[bool, about("where the log's ego went; for the ego on maps of logs")] = (
        False
    )


class Driver(Part, frozen=True, kw_only=True):
    """An intelligent-driver model; what is left out is as in ordinary traffic."""

    min_gap: Annotated[Length, about("bumper to bumper when standing")] = 2.0
    headway: Annotated[Seconds, about("time gap to the leader", gt=0)] = 1.4
    acceleration: Annotated[float, unit("m/s^2"), about("largest", gt=0, le=10)] = 1.5
    deceleration: Annotated[float, unit("m/s^2"), about("comfortable", gt=0, le=10)] = 2.0
    exponent: Annotated[float, about("how late free acceleration fades", gt=0)] = 4.0
    braking_limit: Annotated[float, unit("m/s^2"), about("hardest braking", gt=0, le=15)] = 6.0


class Moves(Part, tag_field="type", frozen=True, kw_only=True):
    """What all motions have: a type."""


class ParkedMotion(Moves, tag="parked", frozen=True, kw_only=True):
    """Stands until a behaviour moves it."""


class DriveMotion(Moves, tag="drive", frozen=True, kw_only=True):
    """Drives along lanes by the intelligent-driver model, lights, signs and priorities."""

    route: Annotated[Route | None, about("straight on if left out")] = None
    pace: Annotated[
        Annotated[float, Meta(gt=0, le=3)] | None,
        about("share of the speed limit aimed at; without it the start `speed`"),
    ] = None
    driver: Annotated[Driver | None, about("how it follows others")] = None
    lane_changes: Annotated[bool, about("changes lanes to get ahead")] = True
    lights: Annotated[bool, about("obeys traffic lights")] = True
    signs: Annotated[bool, about("obeys stop and yield signs")] = True
    yields: Annotated[bool, about("gives way at junctions")] = True


class WalkMotion(Moves, tag="walk", frozen=True, kw_only=True):
    """Moves along a free path: pedestrians, cyclists, cars off the lanes."""

    path: Annotated[FreePath | None, about("points [x, y], {lane, s, offset} or {ahead, left}")] = (
        None
    )
    distance: Annotated[Length | None, about("or straight ahead from the start")] = None
    crossing: Annotated[str | None, about("or over this pedestrian crossing of the map")] = None
    speed: Annotated[Speed | None, about("wished; the start `speed` if left out")] = None
    waits: Annotated[bool, about("stands before lanes until no vehicle comes")] = False
    keeps_gap: Annotated[bool, about("brakes for what is in the way")] = False


class ReplayMotion(Moves, tag="replay", frozen=True, kw_only=True):
    """Repeats a track of the log that the map comes from."""

    track: Annotated[str, about("id of the track in the log")]


class PolicyMotion(Moves, tag="policy", frozen=True, kw_only=True):
    """Driven from outside, as the ego is."""

    route: Annotated[Route | None, about("straight on if left out")] = None


AnyMotion = ParkedMotion | DriveMotion | WalkMotion | ReplayMotion | PolicyMotion
MotionName = Literal["parked", "drive", "walk", "policy"]


class Nudge(Part, frozen=True, kw_only=True):
    """Moves an actor with its free paths; what `vary` needs to jitter a whole motion."""

    ahead: Annotated[Metres, about("in the direction of `along_deg`")] = 0.0
    left: Annotated[Metres, about("to the left of it")] = 0.0
    heading_deg: Annotated[Degrees, about("turned to the left, on the spot")] = 0.0
    along_deg: Annotated[
        Degrees | None, about("direction in the map frame; the actor's own heading if left out")
    ] = None


class Actor(Place, frozen=True, kw_only=True):
    """One road user or obstacle."""

    id: Annotated[Name, about("its name in events, pictures and `vary`")]
    kind: Annotated[KindName | None, about("what it is; follows from `model`")] = None
    model: Annotated[ModelName | None, about("says kind and size")] = None
    size: Annotated[Pair | None, about("[length, width]; by `model` if left out"), unit("m")] = None
    speed: Annotated[Speed, about("at the start")] = 0.0
    nudge: Annotated[Nudge | None, about("moves it and its paths from where they are said")] = None
    motion: Annotated[
        MotionName | AnyMotion | None,
        about("drive for vehicles and bicycles on lanes, walk with a path, else parked"),
    ] = None
    behavior: Annotated[
        AnyAct | tuple[AnyAct, ...] | None, about("what it does on cue, one or several")
    ] = None

    @property
    def acts(self) -> tuple[Act, ...]:
        """Its behaviours in order."""
        return () if self.behavior is None else as_list(self.behavior)

    @property
    def model_name(self) -> str:
        """Its model, by kind where none is said."""
        return self.model or DEFAULT_MODELS[self.kind or "vehicle"]

    @property
    def kind_name(self) -> str:
        """Its kind, by model where none is said."""
        return self.kind or MODELS[self.model_name].kind

    @property
    def box(self) -> tuple[float, float]:
        """Length and width [m]."""
        if self.size is not None:
            return (float(self.size[0]), float(self.size[1]))
        model = MODELS[self.model_name]
        return (model.length, model.width)


class Ego(Place, frozen=True, kw_only=True):
    """The vehicle under test; its place is the centre of its rear axle.

    On the map of a log, what is left out is as it was recorded.
    """

    speed: Annotated[Speed | None, about("at the start; 0 if left out")] = None
