"""Entries of a planning vocabulary as actions: a number says which plan the tracker follows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.kernels.world.arrays import State
from drivelab.sim.envs.actions import Commands, check_actions
from drivelab.sim.world.control import track_plans


@dataclass(frozen=True, slots=True, eq=False)
class VocabularyActions:
    """Numbers of trajectories, each tracked by the LQR for 0.1 s; then the next one is asked for.

    An action is (0, entry), so that it has RAD's order (lateral, longitudinal): all that is chosen
    is on the second axis. Ego only.

    Attributes:
        entries: rear-axle poses at `dt`, 2 `dt`, ... in the ego's present frame; entry 0 stands.
        dt: [s].
    """

    entries: Float[np.ndarray, "k t 3"]
    dt: float = 0.5

    def __post_init__(self) -> None:
        shape = np.shape(self.entries)
        if len(shape) != 3 or shape[2] != 3 or 0 in shape or np.any(self.entries[0]):
            raise ConfigError(
                f"entries of shape {shape}: expected (entries, poses, 3), the first all zeros; "
                "make them with `drivelab train vocabulary`"
            )

    @property
    def space(self) -> gym.spaces.MultiDiscrete:
        """MultiDiscrete([1, entries])."""
        return gym.spaces.MultiDiscrete([1, len(self.entries)])

    @property
    def idle(self) -> np.ndarray:
        """Stand still."""
        return np.array([0, 0])

    def command(self, state: State, actions: Any, commands: Commands, how: int) -> int:
        """The tracker's accelerations and steering rates."""
        given = np.array(check_actions(self.space, actions, commands.over.shape))
        given[commands.over] = self.idle
        plans = np.ascontiguousarray(self.entries[given[:, 0, 1]], float)
        commands.controls[:, 0] = track_plans(state, plans, self.dt)
        return how
