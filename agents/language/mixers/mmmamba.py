"""mmMamba's mixer: Mamba-2 with the heads of the attention that it takes the place of.

mmMamba (arXiv 2502.13145): [v, k, q] -> causal convolution of two taps and silu -> SSD with x = v,
B = k, C = q -> norm of each head, times silu(g) -> output. No rotary embedding, no D.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.norms import RMSNorm
from drivelab.agents.encoders.options import SCANS, check_choice, check_counts
from drivelab.agents.language.mixers.first_values import step_biases
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
GATE_GAIN = 2**-2.5  # of the gate's first weights


@dataclass(frozen=True, slots=True)
class MmMambaConfig:
    """Sizes of the attention that the mixer takes the place of."""

    width: int = 2048
    heads: int = 16
    kv_heads: int = 8
    taps: int = 2
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_counts(self, "width", "heads", "kv_heads", "taps")
        check_choice(self, "backend", SCANS)
        if self.width % self.heads or self.heads % self.kv_heads:
            raise ConfigError(
                f"mmMamba with width={self.width}, heads={self.heads}, kv_heads={self.kv_heads}: "
                "expected kv_heads to divide heads, and heads to divide width"
            )

    @property
    def head_width(self) -> int:
        """Channels of a head."""
        return self.width // self.heads

    @property
    def shares(self) -> tuple[int, int, int]:
        """Channels of v, k and q, the order in which the convolution takes them."""
        return (self.kv_heads * self.head_width, self.kv_heads * self.head_width, self.width)


class MmMamba(nn.Module):
    """What the form in training and the released one share."""

    def __init__(self, config: MmMambaConfig) -> None:
        super().__init__()
        self.config = config
        self.conv1d = depthwise(sum(config.shares), config.taps)
        self.dt_bias = nn.Parameter(step_biases(config.heads))
        self.A_log_bias = nn.Parameter(torch.ones(config.heads))
        self.o_proj = nn.Linear(config.width, config.width, bias=False)

    def forward(
        self, u: Float[Tensor, "b l d"], state: MixerState | None = None
    ) -> tuple[Float[Tensor, "b l d"], MixerState]:
        """Outputs, and the state behind the last token."""
        heads, after = self.heads_of(u, state)
        return self.o_proj(heads), after

    def step(
        self, u: Float[Tensor, "b d"], state: MixerState
    ) -> tuple[Float[Tensor, "b d"], MixerState]:
        """One more token, in constant time: what `forward` gives for it behind the others."""
        out, after = self(u[:, None], state)
        return out[:, 0], after

    def heads_of(
        self, u: Float[Tensor, "b l d"], state: MixerState | None = None
    ) -> tuple[Float[Tensor, "b l d"], MixerState]:
        """All heads before the output: what is compared with a teacher's attention heads."""
        config = self.config
        vkq, gate, dt, weight = self.projected(u)
        vkq, last = convolve(self.conv1d, vkq, state, config.backend)
        v, k, q = vkq.split(config.shares, -1)
        y, scanned = ssd(
            repeat_heads(v, config.kv_heads, config.heads),
            dt,
            decay_rates(self.A_log_bias),
            repeat_heads(k, config.kv_heads, config.heads),
            repeat_heads(q, config.heads, config.heads),
            dt_bias=self.dt_bias,
            dt_softplus=True,
            state=None if state is None else state.scan,
            backend=config.backend,
        )
        gates = gate.unflatten(2, (config.heads, -1))
        y = rmsnorm_gated(y, weight, gates, eps=EPS, norm_before_gate=True, backend=config.backend)
        return y.flatten(2), MixerState(last, scanned)

    def projected(self, u: Float[Tensor, "b l d"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """[v, k, q], gates, step sizes, and the weight of the norm."""
        raise NotImplementedError


class MmMambaMixer(MmMamba):
    """The form in which mmMamba is trained."""

    def __init__(self, config: MmMambaConfig) -> None:
        super().__init__(config)
        width, (_, kv, _) = config.width, config.shares
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, kv, bias=False)
        self.v_proj = nn.Linear(width, kv, bias=False)
        self.in_proj = nn.Linear(width, config.heads, bias=False)
        self.g_proj = nn.Linear(width, width, bias=False)
        self.g_norm = RMSNorm(config.head_width, EPS)
        nn.init.xavier_uniform_(self.g_proj.weight, gain=GATE_GAIN)

    def projected(self, u: Float[Tensor, "b l d"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Each by a projection of its own."""
        vkq = torch.cat([self.v_proj(u), self.k_proj(u), self.q_proj(u)], -1)
        return vkq, self.g_proj(u), self.in_proj(u), self.g_norm.weight


class FusedMmMambaMixer(MmMamba):
    """The released form: one projection, rows in the order v, k, q, gate, step size."""

    def __init__(self, config: MmMambaConfig) -> None:
        super().__init__(config)
        rows = sum(config.shares) + config.width + config.heads
        self.wvkqgdt = nn.Linear(config.width, rows, bias=False)
        self.g_norm_swish_gate = RMSNorm(config.head_width, EPS)

    def projected(self, u: Float[Tensor, "b l d"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """All by one projection."""
        config = self.config
        parts = (sum(config.shares), config.width, config.heads)
        vkq, gate, dt = self.wvkqgdt(u).split(parts, -1)
        return vkq, gate, dt, self.g_norm_swish_gate.weight


@torch.no_grad()
def fuse(mixer: MmMambaMixer) -> FusedMmMambaMixer:
    """The released form of a trained mixer: the same outputs from one projection."""
    weights = mixer.state_dict()
    rows = ("v_proj", "k_proj", "q_proj", "g_proj", "in_proj")
    joined = torch.cat([weights.pop(f"{name}.weight") for name in rows])
    weights["wvkqgdt.weight"] = joined
    weights["g_norm_swish_gate.weight"] = weights.pop("g_norm.weight")
    fused = FusedMmMambaMixer(mixer.config).to(joined.device, joined.dtype)
    fused.load_state_dict(weights)
    return fused.train(mixer.training)
