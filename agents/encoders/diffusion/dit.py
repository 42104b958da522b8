"""DiT: diffusion with a transformer."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from drivelab.agents.encoders.diffusion.conditioning import Modulation, modulate
from drivelab.agents.encoders.diffusion.config import DiTConfig
from drivelab.agents.encoders.diffusion.ends import DiffusionEnds, end_flops
from drivelab.agents.encoders.feedforward import Mlp
from drivelab.agents.encoders.flops import Flops, linear
from drivelab.agents.encoders.vit import MLP_RATIO, Attention, transformer_flops


class DiTBlock(nn.Module):
    """Attention and MLP under adaLN-Zero."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__()
        width = config.width
        self.norm1 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.attn = Attention(width, config.heads, config.attention)
        self.norm2 = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.mlp = Mlp(width, MLP_RATIO * width, approximate="tanh")
        self.adaLN_modulation = Modulation(width, 6)

    def forward(
        self, x: Float[Tensor, "b n c"], condition: Float[Tensor, "b c"]
    ) -> Float[Tensor, "b n c"]:
        """Tokens under a condition."""
        shift, scale, gate, shift2, scale2, gate2 = self.adaLN_modulation(condition)
        x = x + gate * self.attn(modulate(self.norm1(x), shift, scale))
        return x + gate2 * self.mlp(modulate(self.norm2(x), shift2, scale2))


class DiT(DiffusionEnds):
    """DiT (arXiv 2212.09748) with the parameter names of its released weights."""

    def __init__(self, config: DiTConfig) -> None:
        super().__init__(config)
        self.config = config
        self.blocks = nn.ModuleList(DiTBlock(config) for _ in range(config.depth))
        for block in self.blocks:
            for layer in (block.attn.qkv, block.attn.proj, block.mlp.fc1, block.mlp.fc2):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def mixed(
        self, x: Float[Tensor, "b n d"], condition: Float[Tensor, "b d"]
    ) -> Float[Tensor, "b n d"]:
        """What the blocks make of the tokens."""
        for block in self.blocks:
            x = block(x, condition)
        return x


def flops(config: DiTConfig) -> Flops:
    """Operations for one latent."""
    tokens, width = config.edge**2, config.width
    blocks = transformer_flops(tokens, width, config.depth)
    return blocks + linear(1, width, 6 * width) * config.depth + end_flops(config)
