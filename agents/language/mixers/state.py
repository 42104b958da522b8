"""What a Mamba-2 mixer keeps between two tokens, and how its short convolution reads it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.kernels.sequence.causal_conv1d import causal_conv1d


@dataclass(frozen=True, slots=True)
class MixerState:
    """Everything a mixer knows of the tokens so far; its size does not depend on their number."""

    conv: Float[Tensor, "b c taps_less_one"]  # last inputs of the convolution
    scan: Float[Tensor, "b h p n"]  # state of each head


def depthwise(channels: int, taps: int) -> nn.Conv1d:
    """Weights of a causal convolution of each channel alone, under the published names."""
    return nn.Conv1d(channels, channels, taps, groups=channels)


def convolve(
    conv: nn.Conv1d, x: Float[Tensor, "b l c"], state: MixerState | None, backend: str
) -> tuple[Float[Tensor, "b l c"], Float[Tensor, "b c t"]]:
    """Silu of the causal convolution, and its last inputs."""
    y, last = causal_conv1d(
        x.transpose(1, 2),
        conv.weight[:, 0],
        conv.bias,
        state=None if state is None else state.conv,
        act="silu",
        backend=backend,
    )
    return y.transpose(1, 2), last


def repeat_heads(x: Float[Tensor, "b l c"], kept: int, heads: int) -> Float[Tensor, "b l h d"]:
    """Split channels into `kept` heads, of which each serves neighbouring ones of `heads`."""
    return x.unflatten(2, (kept, -1)).repeat_interleave(heads // kept, 2)


def decay_rates(log_rates: Float[Tensor, " h"]) -> Float[Tensor, " h"]:
    """A = -exp(A_log), in float32 at least."""
    return -log_rates.to(torch.promote_types(log_rates.dtype, torch.float32)).exp()
