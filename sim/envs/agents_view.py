"""What every vehicle of several sees: itself, 31 partners and 200 road segments around it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from drivelab.errors import ConfigError
from drivelab.kernels.world.observe import OBSERVATION_BOUNDS, agent_floats, observe_agents
from drivelab.sim.envs.views import Arrays
from drivelab.sim.world.native import NativeWorld


class AgentsView:
    """A row of numbers for each policy, in the layout of `drivelab.kernels.world.observe`.

    Args:
        slots: actors of the world, the ego among them; the row has 7 floats for each.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self.floats = agent_floats(slots)

    def allocate(self, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """One row of floats."""
        return {"vector": np.zeros((*shape, self.floats), np.float32)}

    def ego_rows(self, arrays: Arrays) -> np.ndarray:
        """None."""
        return np.zeros((len(arrays["vector"]), 0), np.float32)

    def fill(self, world: NativeWorld, arrays: Arrays) -> None:
        """Look at all environments after a step."""
        observe_agents(world.roads, world.state, world.policies, arrays["vector"])

    def fill_one(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """Look at one environment that has just begun.

        Raises:
            ConfigError: its episode has more actors than the rows have room for.
        """
        there = world.state.x.shape[1]
        if there != self.slots:
            raise ConfigError(
                f"an episode has {there} actors; make the environment with slots={there}"
            )
        one = slice(e, e + 1)
        observe_agents(world.roads, world.one(e), world.policies[one], arrays["vector"][one])

    def space(self, form: str) -> gym.spaces.Box:
        """A Box of all numbers."""
        low, high = OBSERVATION_BOUNDS
        return gym.spaces.Box(low, high, (self.floats,), np.float32)

    def pack(self, arrays: Arrays, at: Any, form: str) -> np.ndarray:
        """Rows as one array."""
        return arrays["vector"][at].copy()
