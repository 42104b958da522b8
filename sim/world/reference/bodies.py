"""Vehicles driven from outside, all at once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from drivelab.kernels.tracker import ACCELERATION_LAG, MAX_STEERING, STEERING_LAG
from drivelab.kernels.world.arrays import DT, POLICY, State
from drivelab.kernels.world.bodies import (
    DYNAMIC,
    FRONT_STIFFNESS,
    GRIP,
    INERTIA,
    LAG,
    MASS,
    MAX_ACCELERATION,
    MAX_SPEED,
    MAX_STEERING_RATE,
    MIN_ACCELERATION,
    MIN_SPEED,
    POSES,
    REAR_SHARE,
    REAR_STIFFNESS,
    SUBSTEPS,
    TYRE_SPEED,
    WHEEL_BASE,
)

Columns = dict[str, np.ndarray]


def move_policies(
    state: State,
    controls: Float[np.ndarray, "E A 2"],
    poses: Float[np.ndarray, "E A 3"],
    how: int,
    policies: Int[np.ndarray, "E A"],
) -> None:
    """As `drivelab.kernels.world.bodies.move_policies`."""
    row, column = np.nonzero(policies >= 0)
    slot = policies[row, column]
    driven = state.mode[row, slot] == POLICY
    row, column, slot = row[driven], column[driven], slot[driven]
    car = {name: getattr(state, name)[row, slot] for name in State._fields if _of_actor(name)}
    car["rear_x"] = car["x"] - car["rear"] * car["cos"]
    car["rear_y"] = car["y"] - car["rear"] * car["sin"]
    if how == POSES:
        _put(car, poses[row, column])
    else:
        _drive(car, np.nan_to_num(controls[row, column]), dynamic=how == DYNAMIC)
    car["cos"], car["sin"] = np.cos(car["yaw"]), np.sin(car["yaw"])
    car["x"] = car["rear_x"] + car["rear"] * car["cos"]
    car["y"] = car["rear_y"] + car["rear"] * car["sin"]
    for name in _MOVED:
        getattr(state, name)[row, slot] = car[name]


_MOVED = (
    "x", "y", "yaw", "cos", "sin", "speed", "acceleration", "steering", "side_speed", "yaw_rate",
)  # fmt: skip


def _of_actor(name: str) -> bool:
    return name in (*_MOVED, "rear", "wheel_base")


def _put(car: Columns, poses: Float[np.ndarray, "k 3"]) -> None:
    """Where the rear axle is told to be; a pose that is no number: where it was."""
    here = np.column_stack([car["rear_x"], car["rear_y"], car["yaw"]])
    target = np.where(np.isfinite(poses).all(axis=1)[:, None], poses, here)
    step, turned = target[:, :2] - here[:, :2], wrapped(target[:, 2] - here[:, 2])
    middle = car["yaw"] + turned / 2
    along = (step[:, 0] * np.cos(middle) + step[:, 1] * np.sin(middle)) / DT
    car["side_speed"] = (step[:, 1] * np.cos(middle) - step[:, 0] * np.sin(middle)) / DT
    car["acceleration"] = (along - car["speed"]) / DT
    car["yaw_rate"] = turned / DT
    rolls = np.abs(along) > 0.1
    bend = np.divide(car["yaw_rate"], along, out=np.zeros_like(along), where=rolls)
    car["steering"] = np.arctan(car["wheel_base"] * bend)
    car["speed"] = along
    car["rear_x"], car["rear_y"], car["yaw"] = target[:, 0], target[:, 1], wrapped(target[:, 2])


def _drive(car: Columns, controls: Float[np.ndarray, "k 2"], *, dynamic: bool) -> None:
    wanted = np.clip(controls[:, 0], MIN_ACCELERATION, MAX_ACCELERATION)
    rate = np.clip(controls[:, 1], -MAX_STEERING_RATE, MAX_STEERING_RATE)
    rate *= LAG if dynamic else STEERING_LAG
    before = car["speed"]
    gain = LAG if dynamic else ACCELERATION_LAG
    car["acceleration"] = car["acceleration"] + gain * (wanted - car["acceleration"])
    if dynamic:
        _slide(car, rate)
    else:
        car["rear_x"] += before * car["cos"] * DT
        car["rear_y"] += before * car["sin"] * DT
        turned = before * np.tan(car["steering"]) / car["wheel_base"] * DT
        car["yaw"] = wrapped(car["yaw"] + turned)
        car["speed"] = faster(before, car["acceleration"], DT)
        car["side_speed"] = np.zeros_like(before)
    car["steering"] = np.clip(car["steering"] + rate * DT, -MAX_STEERING, MAX_STEERING)
    if not dynamic:
        car["yaw_rate"] = car["speed"] * np.tan(car["steering"]) / car["wheel_base"]
    held = (car["speed"] == 0.0) & (before == 0.0)
    car["acceleration"] = np.where(held, np.maximum(car["acceleration"], 0), car["acceleration"])


def _slide(car: Columns, rate: Float[np.ndarray, " k"]) -> None:
    """The dynamic bicycle in small steps, in the frame of the rear axle at the beginning."""
    part = DT / SUBSTEPS
    base = car["wheel_base"]
    behind, before = REAR_SHARE * base, (1 - REAR_SHARE) * base
    inertia = INERTIA * (base / WHEEL_BASE) ** 2
    steering, speed = car["steering"], car["speed"]
    side, turn = car["side_speed"], car["yaw_rate"]
    place, angle = np.zeros(len(base), complex), np.zeros(len(base))
    for _ in range(SUBSTEPS):
        place = place + (speed + 1j * side) * np.exp(1j * angle) * part
        angle = angle + turn * part
        steering = np.clip(steering + rate * part, -MAX_STEERING, MAX_STEERING)
        quick = faster(speed, car["acceleration"], part)
        drift = side + behind * turn
        safe = np.maximum(speed, 1e-3)
        front = FRONT_STIFFNESS * (steering - (drift + before * turn) / safe)
        rear = -REAR_STIFFNESS * side / safe
        front = np.clip(front, -MASS * GRIP * REAR_SHARE, MASS * GRIP * REAR_SHARE)
        rear = np.clip(rear, -MASS * GRIP * (1 - REAR_SHARE), MASS * GRIP * (1 - REAR_SHARE))
        drift = drift + ((front + rear) / MASS - speed * turn) * part
        slips = quick >= TYRE_SPEED
        new_turn = turn + (before * front - behind * rear) / inertia * part
        turn = np.where(slips, new_turn, quick * np.tan(steering) / base)
        side = np.where(slips, drift - behind * new_turn, 0.0)
        speed = quick
    moved = place * (car["cos"] + 1j * car["sin"])
    car["rear_x"], car["rear_y"] = car["rear_x"] + moved.real, car["rear_y"] + moved.imag
    car["yaw"] = wrapped(car["yaw"] + angle)
    car["speed"], car["side_speed"], car["yaw_rate"] = speed, side, turn


def faster(
    speed: Float[np.ndarray, " k"], acceleration: Float[np.ndarray, " k"], time: float
) -> Float[np.ndarray, " k"]:
    """Speeds after a time; braking from forward motion ends at zero."""
    slowest = np.where(speed >= 0, 0.0, MIN_SPEED)
    return np.clip(speed + acceleration * time, slowest, MAX_SPEED)


def wrapped(angle: Float[np.ndarray, " k"]) -> Float[np.ndarray, " k"]:
    """Angles in [-pi, pi)."""
    return (angle + np.pi) % (2 * np.pi) - np.pi
