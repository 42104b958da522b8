"""The published tasks' heads."""

from __future__ import annotations

from torch import nn


def make_head(channels: int, classes: int) -> nn.Module:
    """A linear classifier; for 0 classes nothing, so that pooled features come out."""
    if classes == 0:
        return nn.Identity()
    head = nn.Linear(channels, classes)
    nn.init.trunc_normal_(head.weight, std=0.02)
    nn.init.zeros_(head.bias)
    return head
