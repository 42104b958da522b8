"""Vehicles driven from outside: kinematic bicycle, dynamic bicycle, or poses as given.

State poses are box centres; the rules below work at the rear axle, `rear` behind the centre.

Kinematic: exactly one step of `drivelab.kernels.tracker`, NAVSIM's rule: explicit Euler, low-pass
actuators with time constants 0.2 s (acceleration) and 0.05 s (steering).

Dynamic: linear tyres on a single track. Mass, inertia, axle position and cornering stiffnesses
are those of AlpaSim's vehicle model (wheel base 2.85 m), lengths scaled to the wheel base at hand
and the inertia with their square; low-pass actuators of 0.1 s. Tyre forces end at the friction
circle's edge. Below 5 m/s the slip angles of the linear model mean nothing: it turns kinematically.

Limits: commanded accelerations -10 to 6 m/s^2, steering rates +-2 rad/s, steering +-60 degrees,
speeds -10 to 60 m/s. Braking ends at a standstill: only a vehicle that moves backwards already may
go on backwards. A command that is not a number counts as zero; a pose that is not one leaves the
vehicle where it is.
"""

from __future__ import annotations

from math import atan, cos, isfinite, pi, sin, tan

import numpy as np
from jaxtyping import Float, Int
from numba import njit

from drivelab.kernels.tracker import ACCELERATION_LAG, MAX_STEERING, STEERING_LAG
from drivelab.kernels.world.arrays import DT, POLICY, State
from drivelab.kernels.world.inner import inner

KINEMATIC, DYNAMIC, POSES = range(3)  # values of `how`

MIN_ACCELERATION, MAX_ACCELERATION = -10.0, 6.0  # [m/s^2]
MAX_STEERING_RATE = 2.0  # [rad/s]
MIN_SPEED, MAX_SPEED = -10.0, 60.0  # [m/s]

# Dynamic bicycle
LAG = DT / (DT + 0.1)  # of both actuators
SUBSTEPS = 10
TYRE_SPEED = 5.0  # slower than this it turns kinematically [m/s]
MASS = 2014.4  # [kg]
INERTIA = 3414.2  # about the vertical axis [kg m^2]
WHEEL_BASE = 2.85  # of the vehicle these figures belong to [m]
REAR_SHARE = 1.59 / 2.85  # from the rear axle to the centre of mass, of the wheel base
FRONT_STIFFNESS, REAR_STIFFNESS = 93534.5, 176162.1  # of an axle [N/rad]
GRIP = 9.81  # largest acceleration that the tyres carry [m/s^2]


@inner
def _clipped(value: float, low: float, high: float) -> float:
    """The value within its limits; zero if it is no number."""
    if value != value:
        return 0.0
    return min(max(value, low), high)


@inner
def _new_speed(speed: float, acceleration: float) -> float:
    """Speed after a step: braking from forward motion ends at zero."""
    faster = speed + acceleration * DT
    return min(max(faster, 0.0 if speed >= 0.0 else MIN_SPEED), MAX_SPEED)


@inner
def _wrapped(angle: float) -> float:
    return (angle + pi) % (2.0 * pi) - pi


@inner
def slide(
    speed: float,
    side: float,
    turn: float,
    acceleration: float,
    steering: float,
    steering_rate: float,
    wheel_base: float,
) -> tuple[float, float, float, float, float, float]:
    """One step of the dynamic bicycle in `SUBSTEPS` parts.

    Args:
        speed: along the vehicle at the rear axle [m/s].
        side: of the rear axle to the left [m/s].
        turn: yaw rate [rad/s].
        acceleration: along the vehicle, constant over the step [m/s^2].
        steering: angle at the beginning [rad].
        steering_rate: constant over the step [rad/s].
        wheel_base: of this vehicle [m].

    Returns:
        Displacement forward and to the left [m] and turned angle [rad] in the frame of the rear
        axle at the beginning; new speed, side speed, yaw rate.
    """
    part = DT / SUBSTEPS
    behind = REAR_SHARE * wheel_base
    before = wheel_base - behind
    inertia = INERTIA * (wheel_base / WHEEL_BASE) ** 2
    front_grip, rear_grip = MASS * GRIP * REAR_SHARE, MASS * GRIP * (1.0 - REAR_SHARE)
    ahead, left, turned = 0.0, 0.0, 0.0
    for _ in range(SUBSTEPS):
        c, s = cos(turned), sin(turned)
        ahead += (speed * c - side * s) * part
        left += (speed * s + side * c) * part
        turned += turn * part
        steering = min(max(steering + steering_rate * part, -MAX_STEERING), MAX_STEERING)
        faster = speed + acceleration * part
        faster = min(max(faster, 0.0 if speed >= 0.0 else MIN_SPEED), MAX_SPEED)
        if faster < TYRE_SPEED:
            speed, side, turn = faster, 0.0, faster * tan(steering) / wheel_base
            continue
        drift = side + behind * turn  # of the centre of mass to the left
        front = FRONT_STIFFNESS * (steering - (drift + before * turn) / speed)
        rear = -REAR_STIFFNESS * side / speed
        front = min(max(front, -front_grip), front_grip)
        rear = min(max(rear, -rear_grip), rear_grip)
        drift += ((front + rear) / MASS - speed * turn) * part
        turn += (before * front - behind * rear) / inertia * part
        speed, side = faster, drift - behind * turn
    return ahead, left, turned, speed, side, turn


@njit(cache=True)
def move_policies(
    state: State,
    controls: Float[np.ndarray, "E A 2"],
    poses: Float[np.ndarray, "E A 3"],
    how: int,
    policies: Int[np.ndarray, "E A"],
) -> None:
    """Move the actors in POLICY mode that `policies` names by one step.

    Args:
        state: poses, speeds, accelerations, steering, yaw rates and side speeds are replaced.
        controls: (E, A, 2) acceleration [m/s^2] and steering rate [rad/s]; not read with POSES.
        poses: (E, A, 3) rear axle x [m], y [m], yaw [rad] after the step, in the frame of the
            map's tables; read only with POSES.
        how: KINEMATIC, DYNAMIC or POSES.
        policies: (E, A) slots, -1 = none.
    """
    for e in range(policies.shape[0]):
        for a in range(policies.shape[1]):
            n = policies[e, a]
            if n < 0 or state.mode[e, n] != POLICY:
                continue
            base, back, yaw = state.wheel_base[e, n], state.rear[e, n], state.yaw[e, n]
            c, s = state.cos[e, n], state.sin[e, n]
            x, y = state.x[e, n] - back * c, state.y[e, n] - back * s
            speed, steering = state.speed[e, n], state.steering[e, n]
            new_yaw, side = yaw, 0.0
            if how == POSES:
                px, py, pyaw = poses[e, a, 0], poses[e, a, 1], poses[e, a, 2]
                dx, dy, turned = 0.0, 0.0, 0.0
                if isfinite(px) and isfinite(py) and isfinite(pyaw):
                    new_yaw = _wrapped(pyaw)
                    turned = _wrapped(pyaw - yaw)
                    dx, dy = px - x, py - y
                    x, y = px, py
                middle = yaw + 0.5 * turned
                new_speed = (dx * cos(middle) + dy * sin(middle)) / DT
                side = (dy * cos(middle) - dx * sin(middle)) / DT
                turn = turned / DT
                steering = atan(base * turn / new_speed) if abs(new_speed) > 0.1 else 0.0
                acceleration = (new_speed - speed) / DT
            else:
                wanted = _clipped(controls[e, a, 0], MIN_ACCELERATION, MAX_ACCELERATION)
                rate = _clipped(controls[e, a, 1], -MAX_STEERING_RATE, MAX_STEERING_RATE)
                acceleration = state.acceleration[e, n]
                if how == KINEMATIC:
                    acceleration += ACCELERATION_LAG * (wanted - acceleration)
                    rate = STEERING_LAG * rate
                    x += speed * c * DT
                    y += speed * s * DT
                    new_yaw = _wrapped(yaw + speed * tan(steering) / base * DT)
                    steering = min(max(steering + rate * DT, -MAX_STEERING), MAX_STEERING)
                    new_speed = _new_speed(speed, acceleration)
                    turn = new_speed * tan(steering) / base
                else:
                    acceleration += LAG * (wanted - acceleration)
                    rate = LAG * rate
                    ahead, left, turned, new_speed, side, turn = slide(
                        speed,
                        state.side_speed[e, n],
                        state.yaw_rate[e, n],
                        acceleration,
                        steering,
                        rate,
                        base,
                    )
                    x += c * ahead - s * left
                    y += s * ahead + c * left
                    new_yaw = _wrapped(yaw + turned)
                    steering = min(max(steering + rate * DT, -MAX_STEERING), MAX_STEERING)
                if new_speed == 0.0:  # the brakes hold it: nothing is left to be lagged
                    acceleration = max(acceleration, 0.0) if speed == 0.0 else acceleration
            c, s = cos(new_yaw), sin(new_yaw)
            state.x[e, n], state.y[e, n] = x + back * c, y + back * s
            state.yaw[e, n], state.cos[e, n], state.sin[e, n] = new_yaw, c, s
            state.speed[e, n], state.acceleration[e, n] = new_speed, acceleration
            state.steering[e, n], state.yaw_rate[e, n] = steering, turn
            state.side_speed[e, n] = side
