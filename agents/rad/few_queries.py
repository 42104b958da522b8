"""Attention of few queries to many tokens, without a key and a value for each token.

With k queries and t tokens of width c, `nn.MultiheadAttention` makes 2 t c^2 products for keys and
values. The scores are as well those of the tokens themselves with queries that went backwards
through the keys' weights, and the sum of values is the values' weights on the sum of tokens: about
2 t k h c products with h heads, less by c / (k h).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


def pays(attention: nn.MultiheadAttention, queries: int) -> bool:
    """Whether so many queries are few."""
    return queries * attention.num_heads < attention.embed_dim


def attend(
    attention: nn.MultiheadAttention,
    query: Float[Tensor, "b k c"],
    tokens: Float[Tensor, "b t c"],
    absent: Bool[Tensor, "b t"],
) -> Float[Tensor, "b k c"]:
    """What `attention(query, tokens, tokens, key_padding_mask=absent)` gives, up to rounding."""
    heads, width = attention.num_heads, attention.embed_dim
    each = width // heads
    asks, keys, values = attention.in_proj_weight.view(3, heads, each, width)
    ask_bias, _, value_bias = attention.in_proj_bias.view(3, heads, each)
    asked = torch.einsum("bkc,hdc->bkhd", query, asks) + ask_bias
    # The keys' bias moves all scores of a query alike, which the softmax does not see.
    back = torch.einsum("bkhd,hdc->bkhc", asked / math.sqrt(each), keys).flatten(1, 2)
    scores = (back @ tokens.transpose(1, 2)).masked_fill(absent[:, None], -math.inf)
    seen = (scores.softmax(-1) @ tokens).unflatten(1, (-1, heads))
    found = torch.einsum("bkhc,hdc->bkhd", seen, values) + value_bias
    return attention.out_proj(found.flatten(2))
