"""Values that the parameters of a Mamba-2 mixer start from (arXiv 2405.21060)."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

SHORTEST, LONGEST = 1e-3, 0.1  # first step sizes
SLOWEST, FASTEST = 1.0, 16.0  # first decay rates


def step_biases(heads: int) -> Float[Tensor, " h"]:
    """Biases whose softplus is log-uniform between the shortest and the longest step."""
    span = math.log(LONGEST / SHORTEST)
    steps = torch.exp(torch.rand(heads) * span + math.log(SHORTEST)).clamp_min(SHORTEST)
    return steps + torch.log(-torch.expm1(-steps))


def log_decay_rates(heads: int) -> Float[Tensor, " h"]:
    """Logarithms of rates that are uniform between the slowest and the fastest."""
    return torch.empty(heads).uniform_(SLOWEST, FASTEST).log()
