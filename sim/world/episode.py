"""What an environment of the native world starts from: everything said, nothing drawn at random.

Scenarios, benches, logs and clip generators all end here. Poses are in the `map` frame; actors by
box centre, the ego by its rear axle.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from drivelab.planning import IDMParameters
from drivelab.types import (
    PACIFICA,
    Command,
    EgoTrajectory,
    LaneMap,
    Scene,
    Tracks,
    VehicleParameters,
)

if TYPE_CHECKING:
    from drivelab.sim.sensors.rendering import Rendering

TRAFFIC_DRIVER = IDMParameters(
    min_gap=2.0, headway=1.4, acceleration=1.5, deceleration=2.0, exponent=4.0, braking_limit=6.0
)


@dataclass(frozen=True, slots=True)
class Trigger:
    """When a behaviour begins: all conditions that are given must hold in the same step.

    Without any condition it begins at once.
    """

    time: float | None = None  # not before this time [s]
    gap_below: float | None = None  # bumper to bumper, box distance to the ego [m]
    # time to collision at present velocities [s]: until two discs about actor and ego, as wide as
    # the boxes are long, touch, or until the ego is abreast of somebody it passes within 10 m
    ttc_below: float | None = None
    ego_past: Float[np.ndarray, "2"] | None = None  # the ego has passed this point of its route
    ego_within: tuple[float, float, float] | None = None  # x, y, radius [m] about the ego's centre
    after: int | None = None  # index of another behaviour of this actor, which has been carried out


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One scripted act of one actor.

    `kind` is one of BEHAVIOURS; `values` hold its parameters by name (seconds, metres, m/s), `path`
    the way of those that leave the lanes (jaywalk, follow_path, u_turn).
    """

    kind: str
    when: Trigger = Trigger()
    values: Mapping[str, float] = field(default_factory=dict)
    path: Float[np.ndarray, "n 3"] | None = None


# kind -> its values with defaults [m, s, m/s, m/s^2]; a speed of NaN keeps the present one.
# meet = 1: the speed is adapted, within 0.3 to 1.6 of the wished one, so that the actor meets the
# ego where their ways cross, whatever the ego does until 1 s before.
BEHAVIOURS: Mapping[str, Mapping[str, float]] = {
    # lanes: +1 = one lane to the left, -1 = to the right, whatever the gap
    "cut_in": {"lanes": -1.0, "over": 2.5, "speed": float("nan"), "meet": 0.0},
    # down to `until`, kept for `hold`
    "hard_brake": {"deceleration": 6.0, "until": 0.0, "hold": 3.0},
    "set_speed": {"speed": 0.0, "acceleration": 2.0},
    # leaves the lanes for its path; goes on along lanes where the path ends on one
    "follow_path": {"speed": 5.0, "acceleration": 2.0, "meet": 0.0},
    # lights, signs and priorities mean nothing to it from then on
    "run_red_light": {"speed": float("nan"), "meet": 0.0},
    # swings out to the left, passes `length`, swings back
    "overtake_oncoming": {"offset": 3.5, "over": 2.0, "length": 60.0, "speed": float("nan")},
    "jaywalk": {"speed": 1.5, "acceleration": 2.0, "meet": 0.0},
    # half a circle to the left, then onto the nearest lane that runs the other way
    "u_turn": {"radius": 6.0, "speed": 4.0},
    # a parked car backs out along its own axis and stands
    "reverse_out": {"distance": 8.0, "speed": 1.5},
    # a box beside a parked car grows away from it
    "open_door": {"width": 0.9, "over": 0.8},
    # a parked car joins the lane beside it; NaN = by lane and pace
    "pull_away": {"speed": float("nan"), "acceleration": 1.5},
}


@dataclass(frozen=True, slots=True)
class Parked:
    """Stands where it is until a behaviour moves it."""


@dataclass(frozen=True, slots=True)
class Drive:
    """Drives along lanes by IDM, lights, signs and priorities.

    Where `route` ends it goes on along successors, chosen by the actor's number.
    """

    route: tuple[str, ...]  # lane ids; the first one holds the start, or lies beside it
    driver: IDMParameters = TRAFFIC_DRIVER
    pace: float = 1.0  # share of the speed limit aimed at
    lane_changes: bool = True
    obeys_lights: bool = True
    obeys_signs: bool = True
    yields: bool = True
    offset: float = 0.0  # kept to the left of the centreline [m]


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Moves along a free path at a wished speed: pedestrians, cyclists, oncoming overtakers.

    With `waits` it stands before the lanes that its path crosses until no vehicle comes.
    """

    path: Float[np.ndarray, "n 3"]
    speed: float  # wished [m/s]
    waits: bool = False
    keeps_gap: bool = False  # brakes for what stands on its path


@dataclass(frozen=True, slots=True)
class Replay:
    """Repeats a track of the episode's log; absent where the log has no box."""

    track: int


@dataclass(frozen=True, slots=True)
class Policy:
    """Driven from outside through `World.step`, as the ego is."""

    route: tuple[str, ...] = ()


Motion = Parked | Drive | Walk | Replay | Policy


@dataclass(frozen=True, slots=True, eq=False)
class ActorSpec:
    """One road user or obstacle at the start."""

    id: str
    kind: str  # one of types.KINDS
    size: tuple[float, float]  # length, width [m]
    pose: Float[np.ndarray, "3"]  # box centre
    speed: float = 0.0
    motion: Motion = Parked()
    behaviours: tuple[Behaviour, ...] = ()
    role: str = ""  # car, van, truck, emergency, blocker, ... for pictures and scores
    look: str = ""  # file of Gaussians that show it; "" = a shape of its kind and role


@dataclass(frozen=True, slots=True)
class SignalGroup:
    """Connectors that are green together, and when: a cycle from time 0.

    Green from `green` to `yellow`, yellow to `red`, red else [s, within the cycle]. A light that
    never changes has a cycle of infinity.
    """

    connectors: tuple[str, ...]
    cycle: float
    green: float
    yellow: float
    red: float


@dataclass(frozen=True, slots=True, eq=False)
class LightLog:
    """Recorded lights: red connectors by frame of `dt` [s] from time 0; the last frame stays."""

    red: tuple[tuple[str, ...], ...]
    dt: float


@dataclass(frozen=True, slots=True)
class Termination:
    """What ends an episode before its time."""

    collision: bool = True  # any collision of the ego
    off_road: bool = False
    kerb: bool = False  # the ego's box crosses the border of the drivable area
    wrong_way: bool = False
    route_deviation: float | None = 30.0  # [m]
    route_astray: float | None = None  # share of the route made more than 15 m beside its line
    heading_deviation: float | None = None  # [rad] from the expert's path
    # Environments: no nearer to the path than this [m] do border and heading end anything, and no
    # border does in the step of a collision (RAD's released code: 0.2)
    guard: float | None = None
    blocked_for: float | None = None  # slower than 0.1 m/s for so long [s]
    route_done: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Episode:
    """One start of the native world."""

    id: str
    map: LaneMap
    ego_pose: Float[np.ndarray, "3"]  # rear axle
    ego_speed: float
    route: tuple[str, ...]  # lane ids of the ego's way, with lane changes where neighbours follow
    route_line: Float[np.ndarray, "m 3"]  # what progress and deviation are measured along
    duration: float  # [s]
    actors: tuple[ActorSpec, ...] = ()
    lights: tuple[SignalGroup, ...] = ()
    light_log: LightLog | None = None
    stop_signs: tuple[str, ...] = ()  # lanes at whose end one must stop
    yield_signs: tuple[str, ...] = ()
    log: Tracks | None = None  # what Replay actors repeat: frame k at time k * log.dt
    expert: EgoTrajectory | None = None  # recorded ego: frame k at time k * dt, rear axle
    history: Scene | None = None  # recorded frames up to now, for agents that look back
    vehicle: VehicleParameters = PACIFICA
    ego_acceleration: float = 0.0
    ego_yaw_rate: float = 0.0
    command: Command = Command.UNKNOWN
    termination: Termination = Termination()
    goal: Float[np.ndarray, "2"] | None = None
    family: str = ""
    source: str = "native"
    licence: str = ""
    seed: int = 0  # of the choices that the traffic makes on its way
    line_told: bool = False  # agents are handed `route_line`: it was given, not recorded
    info: Mapping[str, Any] = field(default_factory=dict)  # goes into the rollout's info
    rendering: Rendering | None = None  # how cameras and lidar see it; None = it has none
