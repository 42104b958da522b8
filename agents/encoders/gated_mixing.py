"""ViG's mixer: bidirectional gated linear attention with local detail let through by a gate."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.flops import Flops, convolution, linear, recurrence
from drivelab.agents.encoders.grids import to_map, to_tokens
from drivelab.agents.encoders.norms import RMSNorm
from drivelab.agents.encoders.rows import by_rows
from drivelab.kernels.sequence.gla_bidirectional import gla_bidirectional

Compat = Literal["paper", "released"]
GATE_RANK = 16
GATE_NORMALISER = 16.0  # of the log gates, as in GLA: keeps the decay of a token near 1
GAIN = 2**-2.5  # of the first weights


class GatedMixer(nn.Module):
    """Mixes the tokens of a grid (ViG, arXiv 2405.18425, §3).

    l = depthwise 3x3 convolution of x; queries, keys, values, the gates of both directions and the
    output gate s all read l; y = s * norm(scan) + (1 - s) * norm(l), head by head. The scan is the
    mean of both directions.

    Args:
        width: channels of a token; keys have half as many.
        heads: of the scan.
        conv_act: silu after the convolution.
        out_act: silu before the last projection.
        compat: "released" halves the scan once more in evaluation, as ViG's code does (its norm
            hides that up to 1e-5); "paper" never does.
        backend: of the scan, see `drivelab.kernels`.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        conv_act: bool,
        out_act: bool,
        compat: Compat = "paper",
        backend: str = "auto",
    ) -> None:
        super().__init__()
        self.heads, self.out_act, self.compat, self.backend = heads, out_act, compat, backend
        convolve = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.in_proj = nn.Sequential(convolve, nn.SiLU() if conv_act else nn.Identity())
        self.qkv_proj = nn.Linear(width, 2 * width, bias=False)
        self.gk_proj = nn.Sequential(
            nn.Linear(width, GATE_RANK, bias=False), nn.Linear(GATE_RANK, width)
        )
        self.g_proj = nn.Linear(width, width)
        self.g_norm, self.l_norm = RMSNorm(width // heads), RMSNorm(width // heads)
        self.o_proj = nn.Linear(width, width, bias=False)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, gain=GAIN)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b n c"], grid: tuple[int, int]) -> Float[Tensor, "b n c"]:
        """Mix the tokens of a grid, which come row by row."""
        local = to_tokens(self.in_proj(to_map(x, grid)))
        return by_rows(self._join, local, self._scan(local))

    def _join(self, local: Float[Tensor, "b n c"], seen: Float[Tensor, "b n c"]) -> Tensor:
        """What the scan saw and what is near, head by head, under the output gate."""
        share = self._by_head(self.g_proj(local).sigmoid())
        near, far = self.l_norm(self._by_head(local)), self.g_norm(self._by_head(seen))
        mixed = torch.lerp(near, far, share).flatten(2)
        return self.o_proj(nn.functional.silu(mixed) if self.out_act else mixed)

    def _scan(self, local: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        width = local.shape[2]
        parts = self.qkv_proj(local).split((width // 2, width // 2, width), -1)
        gates = by_rows(self._log_gates, local).chunk(2, -1)
        streams = [self._by_head(part).transpose(1, 2) for part in (*parts, *gates)]
        halved_again = self.compat == "released" and not self.training
        scale = (width // 2 // self.heads) ** -0.5 / (4 if halved_again else 2)
        out = gla_bidirectional(*streams, scale=scale, merge="sum", backend=self.backend)
        return out.transpose(1, 2).flatten(2)

    def _log_gates(self, local: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        return nn.functional.logsigmoid(self.gk_proj(local)) / GATE_NORMALISER

    def _by_head(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n h d"]:
        return x.unflatten(2, (self.heads, -1))


def mixer_flops(tokens: int, width: int, heads: int) -> Flops:
    """Operations of a `GatedMixer`."""
    return (
        convolution(tokens, 3, 1, width)
        + linear(tokens, width, 2 * width)  # queries, keys, values
        + linear(tokens, width, GATE_RANK)
        + linear(tokens, GATE_RANK, width)
        + linear(tokens, width, 2 * width)  # output gate and output
        + recurrence(tokens, heads, width // 2 // heads, width // heads, directions=2)
    )
