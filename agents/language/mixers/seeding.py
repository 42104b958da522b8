"""Mixers that start from the attention whose place they take: keys write, queries read."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.language.mixers.first_values import step_biases
from drivelab.agents.language.mixers.matvlm import MaTVLMMixer
from drivelab.agents.language.mixers.mmmamba import GATE_GAIN, MmMambaMixer


@dataclass(frozen=True, slots=True)
class AttentionWeights:
    """Projections of an attention, without biases."""

    query: Float[Tensor, "q d"]
    key: Float[Tensor, "kv d"]
    value: Float[Tensor, "kv d"]
    out: Float[Tensor, "d q"]


def unpack(
    packed: Float[Tensor, "rows d"], out: Float[Tensor, "d q"], heads: int, kv_heads: int
) -> AttentionWeights:
    """The projections in InternLM2's packed one.

    Args:
        packed: rows by group of heads that share a key; in a group the queries, the key, the value.
        out: the output projection.
        heads: of the queries.
        kv_heads: of the keys, which is the number of groups.
    """
    groups = packed.unflatten(0, (kv_heads, heads // kv_heads + 2, -1))
    query, key, value = groups[:, :-2], groups[:, -2], groups[:, -1]
    return AttentionWeights(query.flatten(0, 2), key.flatten(0, 1), value.flatten(0, 1), out)


@torch.no_grad()
def seed_mmmamba(mixer: MmMambaMixer, attention: AttentionWeights) -> None:
    """q, k, v and the output are the attention's; the convolution starts as none.

    The step size starts independent of the input, the decay rates at e, the gates small.
    """
    mixer.q_proj.weight.copy_(attention.query)
    mixer.k_proj.weight.copy_(attention.key)
    mixer.v_proj.weight.copy_(attention.value)
    mixer.o_proj.weight.copy_(attention.out)
    mixer.conv1d.weight.zero_()
    mixer.conv1d.weight[:, 0, -1] = 1
    mixer.conv1d.bias.zero_()
    mixer.in_proj.weight.zero_()
    mixer.dt_bias.copy_(step_biases(mixer.config.heads))
    mixer.A_log_bias.fill_(1)
    nn.init.xavier_uniform_(mixer.g_proj.weight, gain=GATE_GAIN)


@torch.no_grad()
def seed_matvlm(mixer: MaTVLMMixer, attention: AttentionWeights) -> None:
    """x, B, C and the output are the values, keys, queries and output of the attention.

    The gate, the step sizes and the convolution keep their fresh values.
    """
    _, x, b, c, _ = mixer.in_proj.weight.split(mixer.config.parts)
    x.copy_(attention.value)
    b.copy_(attention.key)
    c.copy_(attention.query)
    mixer.out_proj.weight.copy_(attention.out)
