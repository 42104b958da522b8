"""The ego's surroundings as numbers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from drivelab.kernels.world.observe_ego import EGO_FLOATS, EGO_LAYOUT, observe_ego

from drivelab.sim.envs.views import Arrays
from drivelab.sim.world.native import NativeWorld


class VectorView:
    """A row of numbers in the layout EGO_LAYOUT."""

    def allocate(self, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """One row of floats."""
        return {"vector": np.zeros((*shape, EGO_FLOATS), np.float32)}

    def fill(self, world: NativeWorld, arrays: Arrays) -> None:
        """Look at all environments."""
        observe_ego(world.roads, world.state, arrays["vector"][:, 0])

    def fill_one(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """Look at one environment."""
        observe_ego(world.roads, world.one(e), arrays["vector"][e : e + 1, 0])

    def space(self, form: str) -> gym.Space:
        """A Box of all numbers, or a Dict of the layout's parts."""
        boxes = {
            name: gym.spaces.Box(low, high, (stop - start,), np.float32)
            for name, start, stop, _, low, high in EGO_LAYOUT
        }
        if form == "dict":
            return gym.spaces.Dict(boxes)
        low = np.concatenate([box.low for box in boxes.values()])
        high = np.concatenate([box.high for box in boxes.values()])
        return gym.spaces.Box(low, high, dtype=np.float32)

    def pack(self, arrays: Arrays, at: Any, form: str) -> Any:
        """Rows as one array, or cut into parts (views of one copy)."""
        rows = arrays["vector"][at].copy()
        if form == "flat":
            return rows
        return {name: rows[..., start:stop] for name, start, stop, *_ in EGO_LAYOUT}
