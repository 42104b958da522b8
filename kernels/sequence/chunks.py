"""The linear recurrence in plain torch, chunk by chunk, for every device and floating type.

A chunk of 32 tokens meets the state before it in two products of matrices, and itself in a lower
triangle of scores. The triangle grows from single tokens: two neighbouring spans a, b of h tokens
become one of 2 h, whose new scores are those of b's queries, decayed back to the border, with a's
keys, decayed up to it. So every factor is a product of decays, at most 1, and nothing is ever
divided by one: gates of any strength neither overflow nor lose digits, where exp(G_t) exp(-G_s)
(GLA, arXiv 2312.06635, section 4.2) does both, and a decay costs one exponential instead of the
paper's one for each pair of neighbours.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor

LONGEST = 32  # tokens of a chunk; 64 take a fifth longer on a CPU
_ELEMENTWISE = 2  # spans up to which a product of matrices costs more than a sum of products


class Inside(NamedTuple):
    """What a chunk of C tokens needs of its own queries q, keys k and decays."""

    scores: Tensor  # (..., C, C): of query t with key s <= t, decayed from s to t; 0 above
    queries: Tensor  # (..., C, K): decayed back to the chunk's start
    keys: Tensor  # (..., C, K): decayed up to the chunk's end
    decay: Tensor  # (..., K): of the whole chunk


def full_precision(device: torch.device) -> AbstractContextManager[object]:
    """Where autocast lets products of matrices alone: states are never half precision."""
    if device.type == "meta":
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def chunk_length(tokens: int) -> int:
    """Tokens of a chunk: a power of 2."""
    return min(LONGEST, 1 << max(tokens - 1, 0).bit_length())


def in_chunks(x: Tensor, length: int, fill: float = 0.0) -> Tensor:
    """(B, H, L, D) as (B, H, N, C, D), the last chunk filled up."""
    missing = -x.shape[2] % length
    if missing:
        x = torch.nn.functional.pad(x, (0, 0, 0, missing), value=fill)
    return x.unflatten(2, (-1, length))


def inside(q: Tensor, k: Tensor, decay: Tensor) -> Inside:
    """Scores within a chunk, and what decays to its borders.

    Args:
        q: queries, (..., C, K), C a power of 2.
        k: keys, alike.
        decay: of each token, alike.
    """
    scores = (q * k).sum(-1)[..., None, None]  # (..., spans, h, h)
    queries, keys, whole = (q * decay).unsqueeze(-2), k.unsqueeze(-2), decay
    while whole.shape[-2] > 1:
        first, second = _neighbours(scores, -3)
        q_first, q_second = _neighbours(queries, -3)
        k_first, k_second = _neighbours(keys, -3)
        past, ahead = _neighbours(whole, -2)
        above = torch.cat([first, torch.zeros_like(first)], -1)
        below = torch.cat([_products(q_second, k_first), second], -1)
        scores = torch.cat([above, below], -2)
        queries = torch.cat([q_first, q_second * past.unsqueeze(-2)], -2)
        keys = torch.cat([k_first * ahead.unsqueeze(-2), k_second], -2)
        whole = past * ahead
    return Inside(*(x.squeeze(-3) for x in (scores, queries, keys)), whole.squeeze(-2))


def weighted(scores: Tensor, values: Tensor) -> Tensor:
    """Sums of a chunk's values (..., C, V) under its scores (..., C, C).

    A value that is not finite makes NaN of its own token and later ones only, although the product
    of matrices multiplies it with the zeros above the diagonal too.
    """
    lost = (values.detach() * 0).cumsum(-2)
    return scores @ values.nan_to_num(0.0, 0.0, 0.0) + lost


def states_before(start: Tensor, written: Tensor, decay: Tensor) -> tuple[Tensor, Tensor]:
    """States (B, H, N, K, V) before each chunk, and the one (B, H, K, V) behind the last.

    Args:
        start: before the first chunk.
        written: what each chunk adds, (B, H, N, K, V).
        decay: of each chunk, (B, H, N, K or 1).
    """
    states = [start]
    for added, fade in zip(written.unbind(2), decay.unsqueeze(-1).unbind(2), strict=True):
        states.append(torch.addcmul(added, fade, states[-1]))
    return torch.stack(states[:-1], 2), states[-1]


def _neighbours(x: Tensor, axis: int) -> tuple[Tensor, Tensor]:
    first, second = x.unflatten(axis, (-1, 2)).unbind(axis)
    return first, second


def _products(q: Tensor, k: Tensor) -> Tensor:
    if q.shape[-2] <= _ELEMENTWISE:
        return (q.unsqueeze(-2) * k.unsqueeze(-3)).sum(-1)
    return q @ k.transpose(-1, -2)
