"""What the vehicle says of itself, as networks take it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from drivelab.errors import DataError
from drivelab.types import Command, Observation

COMMANDS = len(Command)


def status_feature(observation: Observation) -> Float32[np.ndarray, "8"]:
    """TransFuser's status: command one-hot (left, straight, right, unknown), vx, vy, ax, ay.

    Velocity [m/s] and acceleration [m/s^2] are the present ones in the ego frame.

    Raises:
        DataError: a number is not finite, or the command is none of `Command`.
    """
    where = f"scene {observation.scene_id}"
    command = observation.command
    if command not in range(COMMANDS):
        known = ", ".join(f"{item.value} {item.name.lower()}" for item in Command)
        raise DataError(f"command {command!r}: expected one of {known}", where=where)
    moving = np.concatenate([observation.ego_velocities[-1], observation.ego_accelerations[-1]])
    if not np.isfinite(moving).all():
        names = ("vx", "vy", "ax", "ay")
        wrong = ", ".join(
            f"{name} is {value}"
            for name, value in zip(names, moving, strict=True)
            if not np.isfinite(value)
        )
        raise DataError(
            f"the ego status is not finite: {wrong}. Repair the log, or leave the scene out",
            where=where,
        )
    status = np.zeros(COMMANDS + 4, np.float32)
    status[int(command)] = 1.0
    status[COMMANDS:] = moving
    return status


def ego_mlp_status(status: Float32[np.ndarray, "*b 8"]) -> Float32[np.ndarray, "*b 8"]:
    """The same numbers as NAVSIM's ego status MLP takes them: vx, vy, ax, ay, then the command."""
    return np.concatenate([status[..., COMMANDS:], status[..., :COMMANDS]], axis=-1)
