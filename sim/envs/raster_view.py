"""A picture from above, beside the ego's own numbers."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from drivelab.kernels.world.observe_ego import EGO_FLOATS, observe_ego
from drivelab.kernels.world.raster import CHANNELS, SIZE, raster_ego
from drivelab.sim.envs.vector_view import HIGH, LOW, PARTS
from drivelab.sim.envs.views import Arrays
from drivelab.sim.world.native import NativeWorld

_SHAPE = (len(CHANNELS), SIZE, SIZE)
_EGO, _FIRST, _LAST, _COUNT = PARTS[0]  # the ego's own numbers


class RasterView:
    """Channels as `drivelab.kernels.world.raster` says; the ego's numbers as in EGO_LAYOUT."""

    def allocate(self, shape: tuple[int, int]) -> dict[str, np.ndarray]:
        """A picture and a row of floats."""
        return {
            "raster": np.zeros((*shape, *_SHAPE), np.uint8),
            "vector": np.zeros((*shape, EGO_FLOATS), np.float32),
        }

    def ego_rows(self, arrays: Arrays) -> np.ndarray:
        """All rows of floats."""
        return arrays["vector"][:, 0]

    def fill(self, world: NativeWorld, arrays: Arrays) -> None:
        """Draw all environments."""
        raster_ego(world.roads, world.state, arrays["raster"][:, 0])

    def fill_one(self, world: NativeWorld, e: int, arrays: Arrays) -> None:
        """Look at one environment that has just begun."""
        one = world.one(e)
        raster_ego(world.roads, one, arrays["raster"][e : e + 1, 0])
        observe_ego(world.roads, one, arrays["vector"][e : e + 1, 0])

    def space(self, form: str) -> gym.Space:
        """A Box of bytes, alone or in a Dict beside the ego's numbers."""
        raster = gym.spaces.Box(0, 255, _SHAPE, np.uint8)
        if form == "flat":
            return raster
        return gym.spaces.Dict(
            {"raster": raster, _EGO: gym.spaces.Box(LOW, HIGH, _COUNT, np.float32)}
        )

    def pack(self, arrays: Arrays, at: Any, form: str) -> Any:
        """Copies of the pictures, and of the ego's numbers."""
        raster = arrays["raster"][at].copy()
        if form == "flat":
            return raster
        return {"raster": raster, _EGO: arrays["vector"][at][..., _FIRST:_LAST].copy()}
