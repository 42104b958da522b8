"""A first layer for policies on the native vector observation (extra `rl`).

The rows of the road users, each beside the ego's own numbers and points of its way, go through one
small network and are pooled by their maximum, as in PointNet (arXiv 1612.00593): what is learned
about one car holds for all, whatever its place in the list. Everything else goes in as it is.
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
_EGO = slice(*_PLACES["ego"][:2])
_WAY = _PLACES["way"]
_POINTS = (4, 9, 14, 24)  # of the way, which tell whether a road user is on it


class RoadUserNet(BaseFeaturesExtractor):
    """Flat observation (b, floats) -> features (b, n)."""

    def __init__(self, observation_space: gym.spaces.Box, width: int = 48) -> None:
        floats = int(observation_space.shape[0])
        super().__init__(observation_space, floats - (_LAST - _FIRST) + width)
        seen = _ROWS[1] + (_EGO.stop - _EGO.start) + 2 * len(_POINTS)
        self.user = nn.Sequential(
            nn.Linear(seen, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Pool the road users, each seen beside the ego and its way; keep the rest."""
        rows = observations[:, _FIRST:_LAST].reshape(-1, *_ROWS)
        way = observations[:, _WAY[0] : _WAY[1]].reshape(-1, *_WAY[2])
        points = way[:, list(_POINTS), :2].flatten(1)
        own = torch.cat([observations[:, _EGO], points], dim=1)
        own = own[:, None].expand(-1, rows.shape[1], -1)
        users = self.user(torch.cat([rows, own], dim=2)) * rows[..., :1]  # absent rows are 0
        pooled = users.amax(dim=1)
        return torch.cat([observations[:, :_FIRST], pooled, observations[:, _LAST:]], dim=1)
