"""The scene as numbers: the flat observation of `drivelab/Native-v0` -> tokens.

Features: `vector` (b, 515) float32 in the layout `EGO_LAYOUT` (docs/environments.md has the table).
Each road user, piece of a centreline and piece of a border becomes a token, the signals ahead
together one more; the way ahead is the navigation, the ego's own numbers are its state.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.rad.scene_tokens import SceneTokens
from drivelab.agents.transfuser.inputs import check_features
from drivelab.kernels.world.observe_ego import EGO_COLUMNS, EGO_FLOATS, EGO_LAYOUT

KEY = "vector"
_PLACES = {
    name: (slice(start, stop), len(columns))
    for (name, start, stop, *_), (_, _, columns) in zip(EGO_LAYOUT, EGO_COLUMNS, strict=True)
}
_TOKENS = ("actors", "lanes", "borders", "signals")  # parts whose rows become tokens
_ALWAYS = "signals"  # one row, which says itself that nothing is in sight


class VectorEncoder(nn.Module):
    """An embedding for each kind of row; rows of what is not there are absent tokens."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.tokens = nn.ModuleDict({name: embedding(_PLACES[name][1], width) for name in _TOKENS})
        way, progress = _PLACES["way"][0], _PLACES["progress"][0]
        ahead = way.stop - way.start + progress.stop - progress.start
        self.navigation = embedding(ahead, width)
        self.state = embedding(_PLACES["ego"][1], width)

    def forward(self, features: Mapping[str, Tensor]) -> SceneTokens:
        """Tokens of a batch of observations.

        Raises:
            DataError: no `vector`, another shape, or numbers that are not finite.
        """
        check_features(features, {KEY: (EGO_FLOATS,)})
        vector = features[KEY].to(self.state[0].weight.dtype)
        parts = {name: rows_of(vector, name) for name in _TOKENS}
        absent = [
            torch.zeros_like(rows[..., 0], dtype=torch.bool)
            if name == _ALWAYS
            else (rows == 0).all(-1)
            for name, rows in parts.items()
        ]
        ahead = torch.cat([vector[:, _PLACES["way"][0]], vector[:, _PLACES["progress"][0]]], -1)
        return SceneTokens(
            torch.cat([self.tokens[name](rows) for name, rows in parts.items()], 1),
            torch.cat(absent, 1),
            self.navigation(ahead),
            self.state(vector[:, _PLACES["ego"][0]]),
        )


def rows_of(vector: Float[Tensor, "b f"], part: str) -> Float[Tensor, "b n k"]:
    """The rows of one part of the observation, scaled as they are."""
    place, columns = _PLACES[part]
    return vector[:, place].unflatten(-1, (-1, columns))


def place_of(part: str) -> slice:
    """Where a part of the observation lies among its numbers."""
    return _PLACES[part][0]


def embedding(columns: int, width: int) -> nn.Sequential:
    """Numbers of one kind -> the planner's width."""
    return nn.Sequential(
        nn.Linear(columns, width), nn.ReLU(), nn.Linear(width, width), nn.LayerNorm(width)
    )
