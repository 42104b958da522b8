"""Where few digits are too few: metres far from the ego in bfloat16 stand a quarter apart."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def exactly(module: nn.Module, x: Tensor) -> Tensor:
    """What a module gives in the type of its own weights, also within autocast."""
    if not torch.is_autocast_enabled(x.device.type):
        found: Tensor = module(x)
        return found
    with torch.autocast(x.device.type, enabled=False):
        found = module(x.to(next(module.parameters()).dtype))
    return found
