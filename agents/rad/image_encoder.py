"""The scene as pictures of several cameras -> tokens; beside them the ego's motion and its route.

Features: `images` (b, cameras, h, w, 4) uint8, see `drivelab.agents.rad.sight`, and `vector`
(b, 515) float32 in the layout `EGO_LAYOUT`, of which only these columns are read: the ego's own
motion and size, the way ahead, the ego's place on it. Road users, lanes, borders, lights and what
a map says (limits, the gap to the border) are not.

Each picture goes through the same maps (`drivelab.agents.rad.picture_maps`). A cell of the last one
becomes a token, which is told its place and camera.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from drivelab.agents.rad.config import RadConfig
from drivelab.agents.rad.picture_maps import make_maps
from drivelab.agents.rad.scene_tokens import SceneTokens
from drivelab.agents.rad.sight import CHANNELS, PICTURES
from drivelab.agents.rad.vector_encoder import KEY, embedding, place_of
from drivelab.agents.transfuser.inputs import check_features
from drivelab.kernels.world.observe_ego import EGO_COLUMNS, EGO_FLOATS

# Speed, acceleration, steering, yaw rate, side speed, length, width, wheel base, axle to centre
OWN = 9  # first columns of the part `ego`; those behind them are read off the map
_MIDDLE, _SPREAD = 110.0, 60.0  # of the bytes of a street by day


class ImageEncoder(nn.Module):
    """Tokens of `config.width` from pictures of `config.cameras`."""

    def __init__(self, config: RadConfig) -> None:
        super().__init__()
        self.config = config
        width, height = config.pixels
        self.shape = (len(config.cameras), height, width, CHANNELS)
        self.maps = make_maps(config)
        self.token = nn.Linear(self.maps.width, config.width)
        cells = prod(_halved(size, config.halvings) for size in (height, width))
        self.place = nn.Parameter(0.02 * torch.randn(len(config.cameras) * cells, config.width))
        self.norm = nn.LayerNorm(config.width)
        columns = {name: len(names) for name, _, names in EGO_COLUMNS}
        ahead = place_of("way").stop - place_of("way").start + columns["progress"]
        self.navigation = embedding(ahead, config.width)
        self.state = embedding(OWN, config.width)

    def forward(self, features: Mapping[str, Tensor]) -> SceneTokens:
        """Tokens of a batch of observations.

        Raises:
            DataError: no `images` or `vector`, another shape, or numbers that are not finite.
        """
        check_features(features, {KEY: (EGO_FLOATS,), PICTURES: self.shape})
        vector = features[KEY].to(self.token.weight.dtype)
        pictures = _scaled(features[PICTURES].flatten(0, 1), self.token.weight.dtype)
        seen = self.maps(pictures).flatten(2).transpose(1, 2)
        tokens = self.token(seen).unflatten(0, (-1, self.shape[0])).flatten(1, 2)
        tokens = self.norm(tokens + self.place)
        ahead = torch.cat([vector[:, place_of("way")], vector[:, place_of("progress")]], -1)
        return SceneTokens(
            tokens,
            torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device),
            self.navigation(ahead),
            self.state(vector[:, place_of("ego")][:, :OWN]),
        )


def _scaled(pictures: UInt8[Tensor, "b h w c"], dtype: torch.dtype) -> Float[Tensor, "b c h w"]:
    """Bytes about 0, channels in front (in memory they stay behind, as convolutions like it)."""
    return pictures.permute(0, 3, 1, 2).to(dtype).sub_(_MIDDLE).div_(_SPREAD)


def _halved(size: int, times: int) -> int:
    for _ in range(times):
        size = (size + 1) // 2
    return size
