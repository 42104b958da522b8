"""The ego's surroundings as numbers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from drivelab.kernels.world.observe_ego import EGO_COLUMNS, EGO_FLOATS, EGO_LAYOUT, observe_ego
from drivelab.sim.envs.views import Arrays
from drivelab.sim.world.native import NativeWorld

# (name, first float, first float after it, shape) of every part
PARTS: tuple[tuple[str, int, int, tuple[int, ...]], ...] = tuple(
    (name, start, stop, (len(columns),) if rows == 1 else (rows, len(columns)))
    for (name, start, stop, *_), (_, rows, columns) in zip(EGO_LAYOUT, EGO_COLUMNS, strict=True)
)
LOW, HIGH = EGO_LAYOUT[0][4:]


class VectorView:
    """A row of numbers in the layout EGO_LAYOUT, whole or cut into its parts."""

    def allocate(self, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """One row of floats."""
        return {"vector": np.zeros((*shape, EGO_FLOATS), np.float32)}

    def ego_rows(self, arrays: Arrays) -> np.ndarray:
        """All of them."""
        return arrays["vector"][:, 0]

    def fill(self, world: NativeWorld, arrays: Arrays) -> None:
        """Nothing is left to do."""

    def fill_one(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """Look at one environment that has just begun."""
        observe_ego(world.roads, world.one(e), arrays["vector"][e : e + 1, 0])

    def space(self, form: str) -> gym.Space:
        """A Box of all numbers, or a Dict of the parts."""
        if form == "flat":
            return gym.spaces.Box(LOW, HIGH, (EGO_FLOATS,), np.float32)
        return gym.spaces.Dict(
            {name: gym.spaces.Box(LOW, HIGH, shape, np.float32) for name, _, _, shape in PARTS}
        )

    def pack(self, arrays: Arrays, at: Any, form: str) -> Any:
        """Rows as one array, or cut into parts (views of one copy)."""
        rows = arrays["vector"][at].copy()
        if form == "flat":
            return rows
        lead = rows.shape[:-1]
        return {
            name: rows[..., start:stop].reshape(*lead, *shape) for name, start, stop, shape in PARTS
        }
