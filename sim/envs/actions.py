"""What an action means: three spaces, each with the way it moves a vehicle in the world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi, prod
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.world.arrays import State
from drivelab.kernels.world.bodies import POSES
from drivelab.kernels.world.env_step import command_pedals
from drivelab.planning.rad_anchors import BINS, nearest_valid, rad_anchors
from drivelab.sim.world.control import track_plans


@dataclass(frozen=True, slots=True, eq=False)
class Commands:
    """What the world's step is told: controls, or poses where `how` is `bodies.POSES`."""

    controls: Float[np.ndarray, "E A 2"]  # acceleration [m/s^2], steering rate [rad/s]
    poses: Float[np.ndarray, "E A 3"]  # rear axles after the step, in their map's local frame
    policies: Int[np.ndarray, "E A"]  # slots, -1 = none
    over: Bool[np.ndarray, "E A"]  # who has ended: these come to a stop, whatever their action


class ActionKind(Protocol):
    """An action space and what its actions do."""

    @property
    def space(self) -> gym.Space:
        """The space of one policy."""

    @property
    def idle(self) -> np.ndarray:
        """The action of a policy that has ended: come to a stop."""

    def command(self, state: State, actions: Any, commands: Commands, how: int) -> int:
        """Fill the commands from the actions of all policies, (E, A, ...) in any shape.

        Returns:
            How the vehicles are moved: `how` as given, or `bodies.POSES`.

        Raises:
            ConfigError: an action that the space does not hold.
        """


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

    def command(self, state: State, actions: Any, commands: Commands, how: int) -> int:
        """Accelerations and steering rates."""
        shape = commands.over.shape
        given = np.ascontiguousarray(actions, np.float32)
        if given.size != 2 * commands.over.size:
            raise ConfigError(f"actions of shape {given.shape}: expected {(*shape, 2)}")
        given = given.reshape(*shape, 2)
        limits = (self.acceleration, self.braking, self.angle, self.rate)
        if not command_pedals(
            given, state.steering, commands.policies, commands.over, limits, commands.controls
        ):
            check_actions(self.space, given, shape)
        return how


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

    def command(self, state: State, actions: Any, commands: Commands, how: int) -> int:
        """The tracker's accelerations and steering rates."""
        given = check_actions(self.space, actions, commands.over.shape).astype(float)
        given[commands.over] = self.idle
        commands.controls[:, 0] = track_plans(state, given[:, 0], self.dt)
        return how


# What actions are held against; spaces that are handed out draw by seeds of their own
_ANCHORS = gym.spaces.MultiDiscrete([BINS, BINS])


@dataclass(frozen=True, slots=True)
class RadActions:
    """RAD's 61 x 61 anchors as (lateral, longitudinal) bins; the first 0.1 s of one is executed.

    MultiDiscrete order is (lateral, longitudinal), whereas RAD's flat files count
    `longitudinal * 61 + lateral` (`rad_anchors.flat_index`). Lateral bin 30 and longitudinal bin k
    mean straight on at k / 2 m/s. A masked anchor becomes the nearest valid one of its row.
    """

    @property
    def space(self) -> gym.spaces.MultiDiscrete:
        """MultiDiscrete([61, 61])."""
        return gym.spaces.MultiDiscrete([BINS, BINS])

    @property
    def idle(self) -> np.ndarray:
        """Stand still."""
        return np.array([BINS // 2, 0])

    def command(self, state: State, actions: Any, commands: Commands, how: int) -> int:
        """Poses 0.1 s later."""
        given = np.array(check_actions(_ANCHORS, actions, commands.over.shape))
        given[commands.over] = self.idle
        commands.poses[:] = next_poses(given, rear_poses(state, commands.policies))
        return POSES


def next_poses(
    actions: Int[np.ndarray, "*batch 2"], poses: Float[np.ndarray, "*batch 3"]
) -> Float[np.ndarray, "*batch 3"]:
    """Rear axles after the first 0.1 s of RAD's anchors, in the frame of the present ones.

    Args:
        actions: (lateral, longitudinal) bins.
        poses: where the rear axles are.
    """
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


def check_actions(space: gym.Space, actions: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Actions of all policies as an array (E, A, ...), never clipped.

    Raises:
        ConfigError: wrong shape or type, NaN, or out of the space's bounds; names the
            environment, the entry, its value and the bound.
    """
    given = np.asarray(actions)
    inner = space.shape or ()
    wanted = (*shape, *inner)
    if given.size != prod(wanted) or given.shape[-len(inner) :] != inner:
        raise ConfigError(f"actions of shape {given.shape}: expected {wanted}")
    given = given.reshape(wanted)
    if isinstance(space, gym.spaces.MultiDiscrete):
        if given.dtype.kind not in "iu":
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


def rear_poses(state: State, policies: Int[np.ndarray, "E A"]) -> Float[np.ndarray, "E A 3"]:
    """Rear axles of all policies' vehicles, in the frame of their map's tables."""
    at = np.arange(len(policies))[:, None], np.maximum(policies, 0)
    x, y, yaw, rear, cos, sin = (
        values[at] for values in (state.x, state.y, state.yaw, state.rear, state.cos, state.sin)
    )
    return np.stack([x - rear * cos, y - rear * sin, yaw], -1)
