"""DiG: diffusion with gated linear attention, linear in the tokens."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.diffusion.conditioning import Modulation, modulate
from drivelab.agents.encoders.diffusion.config import DiGConfig
from drivelab.agents.encoders.diffusion.ends import DiffusionEnds, end_flops
from drivelab.agents.encoders.feedforward import SwiGLU, hidden_width
from drivelab.agents.encoders.flops import Flops, convolution, linear, recurrence
from drivelab.agents.encoders.grids import to_map, to_tokens
from drivelab.agents.encoders.norms import RMSNorm
from drivelab.agents.encoders.rows import by_rows
from drivelab.kernels.sequence.gla import gla

GATE_RANK = 16
GATE_NORMALISER = 16.0  # of the log gates
HIDDEN_MULTIPLE = 256
GAIN = 2**-2.5  # of the first weights


class CausalMixer(nn.Module):
    """Gated linear attention (arXiv 2312.06635) in one direction, with a gate on its output."""

    def __init__(self, width: int, heads: int, backend: str = "auto") -> None:
        super().__init__()
        self.heads, self.backend = heads, backend
        self.q_proj = nn.Linear(width, width // 2, bias=False)
        self.k_proj = nn.Linear(width, width // 2, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.g_proj = nn.Linear(width, width, bias=False)
        self.gk_proj = nn.Sequential(
            nn.Linear(width, GATE_RANK, bias=False), nn.Linear(GATE_RANK, width // 2)
        )
        self.g_norm_swish_gate = RMSNorm(width // heads)
        self.o_proj = nn.Linear(width, width, bias=False)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter, gain=GAIN)

    def forward(self, x: Float[Tensor, "b n c"], reverse: bool) -> Float[Tensor, "b n c"]:
        """Mix tokens in their order, or against it."""
        gates = by_rows(self._log_gates, x)
        streams = [
            self._by_head(one).transpose(1, 2)
            for one in (self.q_proj(x), self.k_proj(x), self.v_proj(x), gates)
        ]
        seen, _ = gla(*streams, reverse=reverse, backend=self.backend)
        return by_rows(self._leave, seen.transpose(1, 2).flatten(2), x)

    def _leave(self, seen: Float[Tensor, "b n c"], x: Float[Tensor, "b n c"]) -> Tensor:
        normed = self.g_norm_swish_gate(self._by_head(seen)).flatten(2)
        return self.o_proj(normed * nn.functional.silu(self.g_proj(x)))

    def _log_gates(self, x: Float[Tensor, "b n c"]) -> Tensor:
        return nn.functional.logsigmoid(self.gk_proj(x)) / GATE_NORMALISER

    def _by_head(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n h d"]:
        return x.unflatten(2, (self.heads, -1))


class DiGBlock(nn.Module):
    """Mixer and SwiGLU under adaLN-Zero, then a convolution in the stream's place."""

    def __init__(self, config: DiGConfig, *, skip: bool = False) -> None:
        super().__init__()
        width = config.width
        self.edge = config.edge
        self.norm1 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.attn = CausalMixer(width, config.heads, config.backend)
        self.norm2 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.mlp = SwiGLU(width, hidden_width(width, HIDDEN_MULTIPLE))
        self.adaLN_modulation = Modulation(width, 6)
        self.dw_conv = nn.Conv2d(width, width, 3, padding=1, groups=width)
        nn.init.dirac_(self.dw_conv.weight, groups=width)
        nn.init.zeros_(self.dw_conv.bias)
        self.skip_linear = nn.Linear(2 * width, width) if skip else None
        if self.skip_linear is not None and config.skip == "zero":
            nn.init.eye_(self.skip_linear.weight)
            nn.init.zeros_(self.skip_linear.bias)

    def forward(
        self,
        x: Float[Tensor, "b n c"],
        condition: Float[Tensor, "b c"],
        *,
        reverse: bool = False,
        skip: Float[Tensor, "b n c"] | None = None,
    ) -> Float[Tensor, "b n c"]:
        """Tokens under a condition; with `reverse`, what the block gives for the reversed ones.

        Args:
            x: tokens of a grid, row by row.
            condition: of time and class.
            reverse: work as on the grid turned by half a turn, and turn back.
            skip: tokens of an early block.
        """
        if self.skip_linear is not None:
            x = self.skip_linear(torch.cat([x, skip], -1))
        shift, scale, gate, shift2, scale2, gate2 = self.adaLN_modulation(condition)
        x = x + gate * self.attn(modulate(self.norm1(x), shift, scale), reverse)
        x = x + gate2 * by_rows(self.mlp, modulate(self.norm2(x), shift2, scale2))
        kernel = self.dw_conv.weight.flip(2, 3) if reverse else self.dw_conv.weight
        cells = to_map(x, (self.edge, self.edge))
        mixed = nn.functional.conv2d(cells, kernel, self.dw_conv.bias, padding=1, groups=x.shape[2])
        return to_tokens(mixed)


class DiG(DiffusionEnds):
    """DiG (arXiv 2405.18428) with the parameter names of its released code.

    Each block scans in one direction. Behind each block the sequence is reversed, and behind each
    odd block the grid transposed, so that four blocks see rows and columns from both ends.
    """

    def __init__(self, config: DiGConfig) -> None:
        super().__init__(config)
        self.config = config
        late = config.depth // 2 if config.skip != "none" else config.depth
        self.blocks = nn.ModuleList(
            DiGBlock(config, skip=block > late) for block in range(config.depth)
        )

    def mixed(
        self, x: Float[Tensor, "b n d"], condition: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b n d"]:
        """What the blocks make of the tokens.

        The tokens stay in reading order: blocks that see them reversed know it. A skip joins
        tokens that are reversed alike, but, as published, not always transposed alike.
        """
        early: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            skip = early.pop() if block.skip_linear is not None else None
            x = block(x, condition, reverse=index % 2 == 1, skip=skip)
            if index % 2 == 1:
                x = x.unflatten(1, (self.edge, self.edge)).transpose(1, 2).flatten(1, 2)
            if self.config.skip != "none" and index < len(self.blocks) // 2 - 1:
                early.append(x)
        return x


def token_order(edge: int, depth: int) -> list[list[int]]:
    """Raster index of the token at each position, before each block."""
    grid = torch.arange(edge * edge).view(edge, edge)
    turned = (grid, grid.flip(0, 1), grid.T, grid.T.flip(0, 1))
    return [turned[block % len(turned)].flatten().tolist() for block in range(depth)]


def flops(config: DiGConfig) -> Flops:
    """Operations for one latent."""
    tokens, width = config.edge**2, config.width
    hidden = hidden_width(width, HIDDEN_MULTIPLE)
    block = (
        linear(tokens, width, 4 * width)  # queries and keys, values, gate, output
        + linear(tokens, width, GATE_RANK)
        + linear(tokens, GATE_RANK, width // 2)
        + linear(tokens, width, 3 * hidden)
        + linear(1, width, 6 * width)
        + convolution(tokens, 3, 1, width)
        + recurrence(tokens, config.heads, width // 2 // config.heads, width // config.heads)
    )
    skips = 0 if config.skip == "none" else config.depth // 2 - 1
    return block * config.depth + linear(tokens, 2 * width, width) * skips + end_flops(config)
