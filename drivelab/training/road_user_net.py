"""A first layer for policies on the native vector observation (extra `rl`).

The rows of the road users go through one small network and are pooled by their maximum, as in
PointNet (arXiv 1612.00593): what is learned about one car holds for all, whatever its place in the
list. Everything else goes in as it is.
"""

from __future__ import annotations

from drivelab.errors import MissingExtra
from drivelab.sim.envs.vector_view import PARTS

try:
    import gymnasium as gym
    import torch
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from torch import Tensor, nn
except ModuleNotFoundError as error:
    raise MissingExtra(str(error.name), extra="rl") from error

_PLACES = {name: (start, stop, shape) for name, start, stop, shape in PARTS}
_FIRST, _LAST, _ROWS = _PLACES["actors"]


class RoadUserNet(BaseFeaturesExtractor):
    """Flat observation (b, floats) -> features (b, n)."""

    def __init__(self, observation_space: gym.spaces.Box, width: int = 32) -> None:
        floats = int(observation_space.shape[0])
        super().__init__(observation_space, floats - (_LAST - _FIRST) + width)
        self.user = nn.Sequential(
            nn.Linear(_ROWS[1], width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Pool the road users, keep the rest."""
        users = self.user(observations[:, _FIRST:_LAST].reshape(-1, *_ROWS)).amax(dim=1)
        return torch.cat([observations[:, :_FIRST], users, observations[:, _LAST:]], dim=1)
