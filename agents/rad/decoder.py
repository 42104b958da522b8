"""The cascaded decoder: planning queries, in RAD one, look at the scene again and again."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.rad.few_queries import attend, pays
from drivelab.agents.rad.scene_tokens import SceneTokens


class PlanningLayer(nn.Module):
    """Attention to the scene and an MLP, each with a shortcut and a norm behind it.

    There is no attention among queries: RAD has one, and each entry of a vocabulary is for itself.
    """

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.cross_attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ffn = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, query: Float[Tensor, "b k c"], scene: SceneTokens) -> Float[Tensor, "b k c"]:
        """The query, wiser by what it saw."""
        look, tokens, absent = self.cross_attention, scene.tokens, scene.absent
        if pays(look, query.shape[1]):
            seen = attend(look, query, tokens, absent)
        else:
            seen = look(query, tokens, tokens, key_padding_mask=absent, need_weights=False)[0]
        query = self.norm1(query + seen)
        return self.norm2(query + self.ffn(query))


class PlanningDecoder(nn.Module):
    """Layers one behind the other; keys and values are the scene's tokens in each."""

    def __init__(self, width: int, hidden: int, heads: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(PlanningLayer(width, hidden, heads) for _ in range(layers))

    def forward(self, query: Float[Tensor, "b k c"], scene: SceneTokens) -> Float[Tensor, "b k c"]:
        """The query after all layers."""
        for layer in self.layers:
            query = layer(query, scene)
        return query
