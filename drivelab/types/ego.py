"""The ego vehicle: its size, and the 11 columns of its state."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from jaxtyping import Float


class StateColumn(IntEnum):
    """Columns of an ego state row; rear axle, velocities and accelerations in the ego frame."""

    X = 0
    Y = 1
    HEADING = 2
    VX = 3
    VY = 4
    AX = 5
    AY = 6
    STEERING = 7
    STEERING_RATE = 8
    YAW_RATE = 9
    YAW_ACCELERATION = 10


STATE_SIZE = len(StateColumn)


@dataclass(frozen=True, slots=True)
class VehicleParameters:
    """Ego size about the rear axle [m]; the default is nuPlan's Chrysler Pacifica."""

    name: str = "pacifica"
    width: float = 2.297
    front_length: float = 4.049  # rear axle to front bumper
    rear_length: float = 1.127  # rear axle to rear bumper
    wheel_base: float = 3.089

    @property
    def length(self) -> float:
        """Bumper to bumper [m]."""
        return self.front_length + self.rear_length

    @property
    def rear_axle_to_center(self) -> float:
        """Distance from the rear axle forward to the box centre [m]."""
        return self.length / 2 - self.rear_length


PACIFICA = VehicleParameters()


@dataclass(frozen=True, slots=True, eq=False)
class EgoTrajectory:
    """The ego over the frames of a scene.

    `times` are integer microseconds; poses are the rear axle in the `map` frame (x [m], y [m],
    yaw [rad]); velocities [m/s] and accelerations [m/s^2] are in the ego frame of their own frame.
    """

    times: np.ndarray  # (t,) int64 microseconds
    poses: Float[np.ndarray, "t 3"]
    velocities: Float[np.ndarray, "t 2"]
    accelerations: Float[np.ndarray, "t 2"]

    def __len__(self) -> int:
        return len(self.times)

    def cut(self, start: int, stop: int) -> EgoTrajectory:
        """Frames [start, stop)."""
        part = slice(start, stop)
        return EgoTrajectory(
            self.times[part], self.poses[part], self.velocities[part], self.accelerations[part]
        )

    def state(self, index: int) -> Float[np.ndarray, "11"]:
        """One frame as a state row; steering, yaw rate and their rates are 0 as in NAVSIM."""
        row = np.zeros(STATE_SIZE)
        row[StateColumn.X : StateColumn.VX] = self.poses[index]
        row[StateColumn.VX : StateColumn.AX] = self.velocities[index]
        row[StateColumn.AX : StateColumn.STEERING] = self.accelerations[index]
        return row
