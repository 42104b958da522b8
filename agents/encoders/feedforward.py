"""What a block does to each token alone."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn


def hidden_width(width: int, multiple: int) -> int:
    """Hidden channels of a SwiGLU with as many weights as a plain MLP of 4x: 8/3, rounded up."""
    return multiple * -(-int(8 * width / 3) // multiple)


class SwiGLU(nn.Module):
    """down_proj(silu(a) * b) with [a, b] = gate_proj(x) (arXiv 2002.05202), no bias."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, 2 * hidden, bias=False)
        self.down_proj = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """Each token alone."""
        a, b = self.gate_proj(x).chunk(2, -1)
        return self.down_proj(nn.functional.silu(a) * b)


class GatedHidden(nn.Module):
    """The same as `SwiGLU` under ViG-H's names."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, 2 * hidden, bias=False)
        self.fc2 = nn.Linear(hidden, width, bias=False)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """Each token alone."""
        a, b = self.fc1(x).chunk(2, -1)
        return self.fc2(nn.functional.silu(a) * b)


class Mlp(nn.Module):
    """fc2(gelu(fc1(x))), as in ViT and DiT."""

    def __init__(self, width: int, hidden: int, approximate: str = "none") -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.GELU(approximate)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Float[Tensor, "b n c"]) -> Float[Tensor, "b n c"]:
        """Each token alone."""
        return self.fc2(self.act(self.fc1(x)))
