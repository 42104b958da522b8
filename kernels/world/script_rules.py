"""The arithmetic of single behaviours: braking, meeting the ego, joining a path, doors."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
from jaxtyping import Float

from drivelab.kernels.tracker import wrapped
from drivelab.kernels.world.arrays import ABSENT, DT, VEHICLE
from drivelab.kernels.world.free_way import place_on_way, way_pose
from drivelab.kernels.world.inner import inner

# Columns of State.script_memory
MINE, OTHER, BASE, TRAVELLED, UNTIL, BEFORE = range(6)

PATH_BEFORE, PATH_BESIDE = 60.0, 10.0  # an actor this far from its path cannot join it [m]
PATH_TURN = 1.75  # nor one that moves at such an angle to it [rad]
ARRIVED = 0.05  # so near to its end a way is done [m], and so slow [m/s]
MEET_LEAST, MEET_MOST = 0.3, 1.6  # of the wished speed
MEET_UNTIL = 1.0  # the speed is left alone for so long before [s]
SLOWEST_EGO = 0.5  # the ego's arrival is reckoned with this at least [m/s]
DOOR_REACH = 5.0  # the car a door belongs to is nearer than this [m]
MEET_HARDEST = 3.0  # drivers speed up and brake so hard to meet the ego [m/s^2]
MEET_EASE = 0.5  # ... and reach the speed for it within about this time [s]
LEAST_BASE = 1.0  # the least speed that is taken for the wished one when cutting in [m/s]


@inner
def brake(
    speed: float, value: Float[np.ndarray, " v"], reached: float, elapsed: float
) -> tuple[float, float]:
    """Acceleration of hard braking (values deceleration, until, hold), and when it reached `until`.

    The acceleration is NaN when all is over, the time -1 as long as it has not been reached.
    """
    if reached < 0.0 and speed <= value[1] + 1e-6:
        reached = elapsed
    if reached < 0.0:
        return max((value[1] - speed) / DT, -value[0]), reached
    if elapsed - reached >= value[2] - 1e-9:
        return nan, reached
    return min((value[1] - speed) / DT, 0.0), reached


@inner
def can_join(
    way: Float[np.ndarray, "W 4"],
    first: int,
    count: int,
    x: float,
    y: float,
    yaw: float,
    turns: bool,
) -> bool:
    """Whether a pose is close enough to a path, and not headed the other way unless it `turns`."""
    if count < 2:
        return False
    at, off = place_on_way(way, first, count, x, y, -inf, inf)
    if at < -PATH_BEFORE or at >= way[first + count - 1, 3] - ARRIVED or abs(off) > PATH_BESIDE:
        return False
    return turns or abs(wrapped(way_pose(way, first, count, at)[2] - yaw)) < PATH_TURN


@inner
def side_of_car(  # type: ignore[no-untyped-def]
    x, y, cos, sin, xs, ys, kinds, modes, count, n
):
    """On which side of its own axis a door grows: away from the nearest car; 1 = left, -1 = right.

    `xs` to `modes` are rows of `State`; without a car within reach it is the left.
    """
    nearest, side = DOOR_REACH * DOOR_REACH, 1.0
    for j in range(count):
        if j == n or kinds[j] != VEHICLE or modes[j] == ABSENT:
            continue
        dx, dy = x - xs[j], y - ys[j]
        away = dx * dx + dy * dy
        if away < nearest:
            nearest = away
            side = 1.0 if dy * cos - dx * sin >= 0.0 else -1.0
    return side


@inner
def speed_to_meet(
    memory: Float[np.ndarray, " v"],
    here: float,
    ego_at: float,
    ego_speed: float,
    ego_half: float,
    present: float,
) -> float:
    """The speed that brings an actor to the meeting place when the ego's front gets there [m/s].

    `memory` holds the place on both ways and the wished speed. The present wish is kept without a
    meeting place, behind it, and in the last MEET_UNTIL seconds.
    """
    if isnan(memory[OTHER]):
        return present
    time = (memory[OTHER] - ego_at - ego_half) / max(ego_speed, SLOWEST_EGO)
    if time <= MEET_UNTIL or memory[MINE] <= here:
        return present
    share = (memory[MINE] - here) / time / memory[BASE]
    return min(max(share, MEET_LEAST), MEET_MOST) * memory[BASE]


@inner
def push_to(wish: float, speed: float) -> float:
    """Acceleration of drivers who are to meet the ego, towards a speed [m/s^2]; NaN for NaN."""
    if isnan(wish):
        return nan
    return min(max((wish - speed) / MEET_EASE, -MEET_HARDEST), MEET_HARDEST)


@inner
def speed_ahead(
    place: float, ego_at: float, ego_speed: float, base: float, time: float, present: float
) -> float:
    """The speed with which `place` [m] comes to where the ego will be in `time` seconds [m/s].

    The present wish is kept in the last MEET_UNTIL seconds.
    """
    if time <= MEET_UNTIL:
        return present
    base = max(base, LEAST_BASE)
    share = (ego_at + ego_speed * time - place) / time / base
    return min(max(share, MEET_LEAST), MEET_MOST) * base
