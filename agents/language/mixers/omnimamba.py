"""OmniMamba's mixer: Mamba-2 whose projection has a low-rank addition for each task.

OmniMamba (arXiv 2503.08686): understanding ("mmu") and image generation ("t2i") share all weights
but a LoRA pair each, W u + 4 B(A(u)).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.norms import RMSNorm
from drivelab.agents.encoders.options import SCANS, check_choice, check_counts
from drivelab.agents.language.mixers.first_values import log_decay_rates, step_biases
from drivelab.agents.language.mixers.state import MixerState, convolve, decay_rates, depthwise
from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.sequence.rmsnorm_gated import rmsnorm_gated
from drivelab.kernels.sequence.ssd import ssd

TASKS = ("mmu", "t2i")
EPS = 1e-5
RANK, ALPHA = 8, 32.0  # of the additions
DROPOUT = 0.05  # of what they read, in training


@dataclass(frozen=True, slots=True)
class OmniMambaConfig:
    """Sizes of Mamba-2 (1.3 billion parameters, 48 of these mixers)."""

    width: int = 2048
    expand: int = 2
    head_width: int = 64
    state_width: int = 128
    groups: int = 1  # of heads that share B and C, and are normed together
    taps: int = 4
    backend: str = "auto"

    def __post_init__(self) -> None:
        check_counts(self, "width", "expand", "head_width", "state_width", "groups", "taps")
        check_choice(self, "backend", SCANS)
        if self.inner % self.head_width or self.heads % self.groups:
            raise ConfigError(
                f"OmniMamba with width={self.width}, expand={self.expand}, head_width="
                f"{self.head_width}, groups={self.groups}: expected head_width to divide "
                "expand * width, and groups to divide the heads"
            )

    @property
    def inner(self) -> int:
        """Channels of all heads."""
        return self.expand * self.width

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.inner // self.head_width

    @property
    def parts(self) -> tuple[int, int, int]:
        """Rows of the projection: z; x, B and C together; dt."""
        return (self.inner, self.inner + 2 * self.groups * self.state_width, self.heads)


class TaskLinear(nn.Linear):
    """A linear layer without bias, and a low-rank addition for each task, which starts at zero."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__(given, made, bias=False)
        for task in TASKS:
            self.add_module(f"{task}_lora_A0", nn.Linear(given, RANK, bias=False))
            self.add_module(f"{task}_lora_B0", nn.Linear(RANK, made, bias=False))
            nn.init.zeros_(self.get_submodule(f"{task}_lora_B0").weight)

    def forward(self, u: Float[Tensor, "b l d"], task: str) -> Float[Tensor, "b l r"]:
        """W u + alpha / rank * B(A(u)) with the pair of the task, "mmu" or "t2i"."""
        if task not in TASKS:
            raise ConfigError(
                f"task={task!r}{nearest_name(task, TASKS)}; expected {' or '.join(TASKS)}"
            )
        seen = nn.functional.dropout(u, DROPOUT, self.training)
        down, up = (self.get_submodule(f"{task}_lora_{side}0") for side in "AB")
        return super().forward(u) + ALPHA / RANK * up(down(seen))


class OmniMambaMixer(nn.Module):
    """Mamba-2 with a projection for each of two tasks."""

    def __init__(self, config: OmniMambaConfig) -> None:
        super().__init__()
        self.config = config
        self.in_proj = TaskLinear(config.width, sum(config.parts))
        self.conv1d = depthwise(config.parts[1], config.taps)
        self.dt_bias = nn.Parameter(step_biases(config.heads))
        self.A_log = nn.Parameter(log_decay_rates(config.heads))
        self.D = nn.Parameter(torch.ones(config.heads))
        self.norm = RMSNorm(config.inner, EPS)
        self.out_proj = nn.Linear(config.inner, config.width, bias=False)

    def forward(
        self, u: Float[Tensor, "b l d"], task: str, state: MixerState | None = None
    ) -> tuple[Float[Tensor, "b l d"], MixerState]:
        """Outputs under the weights of a task, and the state behind the last token."""
        config = self.config
        z, xbc, dt = self.in_proj(u, task).split(config.parts, -1)
        xbc, last = convolve(self.conv1d, xbc, state, config.backend)
        shared = config.groups * config.state_width
        x, b, c = xbc.split((config.inner, shared, shared), -1)
        y, scanned = ssd(
            x.unflatten(2, (config.heads, -1)),
            dt,
            decay_rates(self.A_log),
            b.unflatten(2, (config.groups, -1)),
            c.unflatten(2, (config.groups, -1)),
            D=self.D,
            dt_bias=self.dt_bias,
            dt_softplus=True,
            state=None if state is None else state.scan,
            backend=config.backend,
        )
        group = config.inner // config.groups
        y = rmsnorm_gated(
            y.flatten(2), self.norm.weight, z, eps=EPS, group=group, backend=config.backend
        )
        return self.out_proj(y), MixerState(last, scanned)

    def step(
        self, u: Float[Tensor, "b d"], task: str, state: MixerState
    ) -> tuple[Float[Tensor, "b d"], MixerState]:
        """One more token, in constant time: what `forward` gives for it behind the others."""
        out, after = self(u[:, None], task, state)
        return out[:, 0], after
