"""What an action means: three spaces, each with the way it moves a vehicle in the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import pi
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from jaxtyping import Float, Int

from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.world.arrays import State
from drivelab.sim.envs.rad_anchors import BINS, nearest_valid, rad_anchors
from drivelab.sim.world.native import NativeWorld

DT = 0.1  # one step of the world [s]


class ActionKind(Protocol):
    """An action space and what its actions do."""

    @property
    def space(self) -> gym.Space:
        """The space of one policy."""

    @property
    def idle(self) -> np.ndarray:
        """The action of a policy that has ended: come to a stop."""

    def step(self, world: NativeWorld, actions: np.ndarray) -> None:
        """Step the world; actions (E, A, ...) have been checked."""


@dataclass(frozen=True, slots=True)
class ControlActions:
    """Two numbers in [-1, 1]: pedal and steering wheel.

    The first is the acceleration: +1 is `acceleration`, -1 is `-braking`. The second is the
    steering angle aimed at: +1 is `angle` to the left, reached no faster than by `rate`.
    """

    acceleration: float = 3.0  # [m/s^2]
    braking: float = 6.0  # [m/s^2]
    angle: float = 0.5  # [rad]
    rate: float = 0.6  # [rad/s]

    @property
    def space(self) -> gym.spaces.Box:
        """Box(-1, 1, (2,))."""
        return gym.spaces.Box(-1.0, 1.0, (2,), np.float32)

    @property
    def idle(self) -> np.ndarray:
        """Full braking, straight on."""
        return np.array([-1.0, 0.0], np.float32)

    def step(self, world: NativeWorld, actions: Float[np.ndarray, "E A 2"]) -> None:
        """Step the world by accelerations and steering rates."""
        world.step(self.controls(actions, policy_values(world.state.steering, world.policies)))

    def controls(
        self, actions: Float[np.ndarray, "E A 2"], steering: Float[np.ndarray, "E A"]
    ) -> Float[np.ndarray, "E A 2"]:
        """Acceleration [m/s^2] and steering rate [rad/s], given the present steering angles."""
        controls = np.empty(actions.shape)
        pedal = actions[..., 0]
        controls[..., 0] = pedal * np.where(pedal > 0.0, self.acceleration, self.braking)
        wanted = (self.angle * actions[..., 1] - steering) / DT
        controls[..., 1] = np.clip(wanted, -self.rate, self.rate)
        return controls


@dataclass(frozen=True, slots=True)
class TrajectoryActions:
    """A plan: `poses` rear-axle poses at `dt`, 2 `dt`, ... in the ego's present frame.

    The LQR tracker follows it for 0.1 s; then the next action is asked for. Ego only.
    """

    poses: int = 8
    dt: float = 0.5  # [s]

    @property
    def space(self) -> gym.spaces.Box:
        """Box (poses, 3): x up to 35 m/s ahead, y half of that to either side, yaw [rad]."""
        reach = 35.0 * self.dt * np.arange(1, self.poses + 1)
        high = np.column_stack([reach, 0.5 * reach, np.full(self.poses, pi)]).astype(np.float32)
        low = -high
        low[:, 0] = -0.2 * high[:, 0]
        return gym.spaces.Box(low, high, dtype=np.float32)

    @property
    def idle(self) -> np.ndarray:
        """Stay here."""
        return np.zeros((self.poses, 3), np.float32)

    def step(self, world: NativeWorld, actions: Float[np.ndarray, "E 1 poses 3"]) -> None:
        """Step the world by the tracker."""
        world.step_plans(np.asarray(actions[:, 0], float), self.dt)


@dataclass(frozen=True, slots=True)
class RadActions:
    """RAD's 61 x 61 anchors as (lateral, longitudinal) bins; the first 0.1 s of one is executed.

    MultiDiscrete order is (lateral, longitudinal), whereas RAD's flat files count
    `longitudinal * 61 + lateral` (`rad_anchors.flat_index`). Lateral bin 30 and longitudinal bin k
    mean straight on at k / 2 m/s. A masked anchor becomes the nearest valid one of its row.
    """

    bins: int = field(default=BINS, init=False)

    @property
    def space(self) -> gym.spaces.MultiDiscrete:
        """MultiDiscrete([61, 61])."""
        return gym.spaces.MultiDiscrete([BINS, BINS])

    @property
    def idle(self) -> np.ndarray:
        """Stand still."""
        return np.array([BINS // 2, 0])

    def step(self, world: NativeWorld, actions: Int[np.ndarray, "E A 2"]) -> None:
        """Step the world by poses."""
        world.step_poses(self.next_poses(actions, rear_poses(world)))

    def next_poses(
        self, actions: Int[np.ndarray, "E A 2"], poses: Float[np.ndarray, "E A 3"]
    ) -> Float[np.ndarray, "E A 3"]:
        """Rear-axle poses after 0.1 s, in the frame in which the present ones are given."""
        lateral, longitudinal = actions[..., 0], actions[..., 1]
        move = rad_anchors().step[longitudinal, nearest_valid(lateral, longitudinal)]
        cos, sin = np.cos(poses[..., 2]), np.sin(poses[..., 2])
        moved = np.empty(poses.shape)
        moved[..., 0] = poses[..., 0] + cos * move[..., 0] - sin * move[..., 1]
        moved[..., 1] = poses[..., 1] + sin * move[..., 0] + cos * move[..., 1]
        moved[..., 2] = (poses[..., 2] + move[..., 2] + pi) % (2.0 * pi) - pi
        return moved


ACTIONS: Mapping[str, type[ControlActions] | type[TrajectoryActions] | type[RadActions]] = {
    "control": ControlActions,
    "trajectory": TrajectoryActions,
    "rad": RadActions,
}


def action_kind(action: str | ActionKind) -> ActionKind:
    """The kind of a name, with its own defaults; a kind passes as it is."""
    if not isinstance(action, str):
        return action
    if action not in ACTIONS:
        raise ConfigError(
            f"action={action!r}: no such action space{nearest_name(action, ACTIONS)} "
            f"(there are: {', '.join(ACTIONS)})"
        )
    return ACTIONS[action]()


def check_actions(space: gym.Space, actions: Any, shape: tuple[int, int]) -> np.ndarray:
    """Actions of all policies as an array (E, A, ...), never clipped.

    Raises:
        ConfigError: wrong shape or type, NaN, or out of the space's bounds; names the
            environment, the entry, its value and the bound.
    """
    given = np.asarray(actions)
    wanted = (*shape, *(space.shape or ()))
    if given.size != np.prod(wanted) or given.shape[-len(space.shape or ()) :] != space.shape:
        raise ConfigError(f"actions of shape {given.shape}: expected {wanted}")
    given = given.reshape(wanted)
    if isinstance(space, gym.spaces.MultiDiscrete):
        if not np.issubdtype(given.dtype, np.integer):
            raise ConfigError(f"actions of type {given.dtype}: expected whole numbers")
        low, high = np.zeros_like(space.nvec), space.nvec - 1
    else:
        low, high = space.low, space.high  # type: ignore[attr-defined]
    good = (given >= low) & (given <= high)  # NaN is neither
    if not good.all():
        _refuse(given, ~good, low, high)
    return given


def _refuse(given: np.ndarray, bad: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    at = tuple(int(i) for i in np.argwhere(bad)[0])
    who = f"environment {at[0]}" + (f", policy {at[1]}" if given.shape[1] > 1 else "")
    entry = at[2:] if len(at) > 3 else at[2]
    raise ConfigError(
        f"action of {who}: entry {entry} is {given[at]}; expected a number from {low[at[2:]]} to "
        f"{high[at[2:]]}"
    )


def policy_values(values: Float[np.ndarray, "E N"], policies: np.ndarray) -> np.ndarray:
    """A column of the state for every policy's vehicle, (E, A)."""
    return np.take_along_axis(values, np.maximum(policies, 0), axis=1)


def rear_poses(world: NativeWorld) -> Float[np.ndarray, "E A 3"]:
    """Rear axles of all policies' vehicles in the map frame."""
    state: State = world.state
    x, y, yaw, rear, cos, sin = (
        policy_values(values, world.policies)
        for values in (state.x, state.y, state.yaw, state.rear, state.cos, state.sin)
    )
    origin = world.bank.origins[state.map][:, None]
    return np.stack([x - rear * cos + origin[..., 0], y - rear * sin + origin[..., 1], yaw], -1)
