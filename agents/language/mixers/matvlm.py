"""MaTVLM's layer: Mamba-2 in attention's place inside a Phi-2 block.

MaTVLM (arXiv 2503.13440): x + mixer(LN(x)) + MLP(LN(x)), in parallel. The mixer's projection gives
[z, x, B, C, dt]; x and B may have fewer heads than C, like the values and keys that they come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.feedforward import Mlp
from drivelab.agents.encoders.norms import RMSNorm
from drivelab.agents.encoders.options import SCANS, check_choice, check_counts
from drivelab.agents.language.mixers.first_values import log_decay_rates, step_biases
from drivelab.agents.language.mixers.state import (
    MixerState,
    convolve,
    decay_rates,
    depthwise,
    repeat_heads,
)
from drivelab.errors import ConfigError
from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm_gated
from drivelab.kernels.sequence.ssd import ssd

EPS = 1e-5


@dataclass(frozen=True, slots=True)
class MaTVLMConfig:
    """Sizes of the block whose attention is replaced."""

    width: int = 2560
    heads: int = 32
    kv_heads: int = 32
    hidden: int = 10240  # of the MLP
    taps: int = 4
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_counts(self, "width", "heads", "kv_heads", "hidden", "taps")
        check_choice(self, "backend", SCANS)
        if self.width % self.heads or self.heads % self.kv_heads:
            raise ConfigError(
                f"MaTVLM with width={self.width}, heads={self.heads}, kv_heads={self.kv_heads}: "
                "expected kv_heads to divide heads, and heads to divide width"
            )

    @property
    def parts(self) -> tuple[int, int, int, int, int]:
        """Rows of the projection: z, x, B, C, dt."""
        kv = self.width // self.heads * self.kv_heads
        return (self.width, kv, kv, self.width, self.heads)


class MaTVLMMixer(nn.Module):
    """Mamba-2 with the heads of an attention; the norm works head by head, behind the gate."""

    def __init__(self, config: MaTVLMConfig) -> None:
        super().__init__()
        self.config = config
        self.in_proj = nn.Linear(config.width, sum(config.parts), bias=False)
        self.conv1d = depthwise(sum(config.parts[1:4]), config.taps)
        self.dt_bias = nn.Parameter(step_biases(config.heads))
        self.A_log = nn.Parameter(log_decay_rates(config.heads))
        self.D = nn.Parameter(torch.ones(config.heads))
        self.norm = RMSNorm(config.width, EPS)
        self.out_proj = nn.Linear(config.width, config.width, bias=False)

    def forward(
        self, u: Float[Tensor, "b l d"], state: MixerState | None = None
    ) -> tuple[Float[Tensor, "b l d"], MixerState]:
        """Outputs, and the state behind the last token."""
        config, (_, x_rows, b_rows, c_rows, _) = self.config, self.config.parts
        z, xbc, dt = self.in_proj(u).split(
            (config.width, x_rows + b_rows + c_rows, config.heads), -1
        )
        xbc, last = convolve(self.conv1d, xbc, state, config.backend)
        x, b, c = xbc.split((x_rows, b_rows, c_rows), -1)
        y, scanned = ssd(
            repeat_heads(x, config.kv_heads, config.heads),
            dt,
            decay_rates(self.A_log),
            repeat_heads(b, config.kv_heads, config.heads),
            repeat_heads(c, config.heads, config.heads),
            D=self.D,
            dt_bias=self.dt_bias,
            dt_softplus=True,
            state=None if state is None else state.scan,
            backend=config.backend,
        )
        group = config.width // config.heads
        y = rmsnorm_gated(
            y.flatten(2), self.norm.weight, z, eps=EPS, group=group, backend=config.backend
        )
        return self.out_proj(y), MixerState(last, scanned)

    def step(
        self, u: Float[Tensor, "b d"], state: MixerState
    ) -> tuple[Float[Tensor, "b d"], MixerState]:
        """One more token, in constant time: what `forward` gives for it behind the others."""
        out, after = self(u[:, None], state)
        return out[:, 0], after


class MaTVLMLayer(nn.Module):
    """A block of the language model whose attention is a `MaTVLMMixer`."""

    def __init__(self, config: MaTVLMConfig) -> None:
        super().__init__()
        self.input_layernorm = nn.LayerNorm(config.width, EPS)
        self.mamba = MaTVLMMixer(config)
        self.mlp = Mlp(config.width, config.hidden, approximate="tanh")

    def forward(
        self, x: Float[Tensor, "b l d"], state: MixerState | None = None
    ) -> tuple[Float[Tensor, "b l d"], MixerState]:
        """Outputs, and the state behind the last token."""
        normed = self.input_layernorm(x)
        mixed, after = self.mamba(normed, state)
        return x + mixed + self.mlp(normed), after

    def step(
        self, x: Float[Tensor, "b d"], state: MixerState
    ) -> tuple[Float[Tensor, "b d"], MixerState]:
        """One more token, in constant time: what `forward` gives for it behind the others."""
        out, after = self(x[:, None], state)
        return out[:, 0], after
