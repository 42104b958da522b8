"""What actors do on cue: triggers and behaviours of the scenario schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from drivelab.sim.scenario.part import Part
from drivelab.sim.scenario.places import Place, Point
from drivelab.sim.scenario.units import (
    Acceleration,
    Duration,
    Length,
    Metres,
    Seconds,
    Speed,
    about,
)

PathPoint = Point | Place
FreePath = Annotated[tuple[PathPoint, ...], Meta(min_length=1, max_length=500)]


class Within(Part, frozen=True, kw_only=True):
    """The ego's centre is inside a circle; about the actor's own start where no place is given."""

    radius: Annotated[Length, about("of the circle")]
    lane: Annotated[int | str | None, about("lane of the circle's centre")] = None
    s: Annotated[Metres | None, about("place of the centre along that lane")] = None
    pose: Annotated[Point | None, about("[x, y] of the centre in the frame of the map")] = None


class When(Part, frozen=True, kw_only=True):
    """When a behaviour begins: all conditions that are given must hold in the same step."""

    time: Annotated[Annotated[Seconds, Meta(ge=0)] | None, about("not before this time")] = None
    gap_below: Annotated[
        Annotated[Metres, Meta(gt=0)] | None, about("bumper to bumper, to the ego")
    ] = None
    ttc_below: Annotated[
        Annotated[Seconds, Meta(gt=0)] | None, about("time to collision with the ego")
    ] = None
    ego_past: Annotated[
        Metres | None, about("the ego has passed this place of its route, counted as its own `s`")
    ] = None
    ego_within: Annotated[Within | None, about("the ego is inside a circle")] = None
    after: Annotated[
        int | str | None,
        about("number (from 0) or type of an earlier behaviour of this actor that has ended"),
    ] = None


class Act(Part, tag_field="type", frozen=True, kw_only=True):
    """What all behaviours have."""

    when: Annotated[When, about("when it begins; at once if left out")] = When()


_Meet = Annotated[
    bool, about("adapt the speed so that actor and ego reach the crossing point together")
]


class CutIn(Act, tag="cut_in", frozen=True, kw_only=True):
    """Changes lane within `over` seconds, whatever the gap."""

    to_lane: Annotated[int | str | None, about("the lane to change to")] = None
    lanes: Annotated[int | None, about("or how many lanes: 1 = one to the left, -1 = right")] = None
    over: Annotated[Duration, about("time the change takes")] = 2.5
    speed: Annotated[Speed | None, about("speed wished from then on; kept if left out")] = None
    meet: _Meet = False


class HardBrake(Act, tag="hard_brake", frozen=True, kw_only=True):
    """Brakes down to a speed, holds it, then drives on."""

    deceleration: Annotated[Acceleration, about("of the braking")] = 6.0
    until: Annotated[Speed, about("speed braked down to")] = 0.0
    hold: Annotated[Seconds, about("time it keeps that speed", ge=0)] = 3.0


class SetSpeed(Act, tag="set_speed", frozen=True, kw_only=True):
    """Takes up another speed."""

    speed: Annotated[Speed, about("wished from then on")]
    acceleration: Annotated[Acceleration, about("on the way to it")] = 2.0


class FollowPath(Act, tag="follow_path", frozen=True, kw_only=True):
    """Leaves the lanes and drives along a path of its own."""

    path: Annotated[FreePath, about("points [x, y], {lane, s, offset} or {ahead, left}")]
    speed: Annotated[Speed | None, about("along the path; the present one if left out")] = 5.0
    acceleration: Annotated[Acceleration, about("on the way to that speed")] = 2.0
    meet: _Meet = False


class RunRedLight(Act, tag="run_red_light", frozen=True, kw_only=True):
    """Ignores lights and priorities from then on."""

    speed: Annotated[Speed | None, about("wished from then on; kept if left out")] = None
    meet: _Meet = False


class OvertakeOncoming(Act, tag="overtake_oncoming", frozen=True, kw_only=True):
    """Swings out to the left, as into oncoming traffic, passes and swings back."""

    offset: Annotated[Metres, about("how far to the left")] = 3.5
    over: Annotated[Duration, about("time of each swing")] = 2.0
    length: Annotated[Length, about("driven out there")] = 60.0
    speed: Annotated[Speed | None, about("meanwhile; kept if left out")] = None


class Jaywalk(Act, tag="jaywalk", frozen=True, kw_only=True):
    """Walks straight ahead or along a path and waits for nobody."""

    distance: Annotated[Length | None, about("straight ahead from where it stands")] = None
    path: Annotated[FreePath | None, about("or along these points")] = None
    speed: Annotated[Speed, about("of walking")] = 1.5
    acceleration: Annotated[Acceleration, about("on the way to that speed")] = 2.0
    meet: _Meet = False


class UTurn(Act, tag="u_turn", frozen=True, kw_only=True):
    """Turns round to the left onto the opposite lane."""

    radius: Annotated[Length, about("of the half circle")] = 6.0
    speed: Annotated[Speed, about("while turning")] = 4.0


class ReverseOut(Act, tag="reverse_out", frozen=True, kw_only=True):
    """Backs out of a parking place along its own axis, then stands."""

    distance: Annotated[Length, about("driven backwards")] = 8.0
    speed: Annotated[Speed, about("while backing out")] = 1.5


class OpenDoor(Act, tag="open_door", frozen=True, kw_only=True):
    """A parked car opens its front door; the door is an obstacle of its own, `ID.door`."""

    side: Annotated[str, about("`left` or `right` of the car", pattern="^(left|right)$")] = "left"
    width: Annotated[Length, about("how far the door reaches out")] = 0.9
    over: Annotated[Duration, about("time it takes to open")] = 0.8


class PullAway(Act, tag="pull_away", frozen=True, kw_only=True):
    """A parked car joins the nearest lane and drives on."""

    speed: Annotated[Speed | None, about("wished from then on; by the lane if left out")] = None
    acceleration: Annotated[Acceleration, about("on the way to that speed")] = 1.5


AnyAct = (
    CutIn
    | HardBrake
    | SetSpeed
    | FollowPath
    | RunRedLight
    | OvertakeOncoming
    | Jaywalk
    | UTurn
    | ReverseOut
    | OpenDoor
    | PullAway
)


def act_name(act: Act) -> str:
    """The `type` of a behaviour."""
    return str(act.__struct_config__.tag)


def as_list(acts: AnyAct | Sequence[AnyAct]) -> tuple[AnyAct, ...]:
    """One behaviour or a list of them, as a tuple."""
    return tuple(acts) if isinstance(acts, Sequence) else (acts,)
