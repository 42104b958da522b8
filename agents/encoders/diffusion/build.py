"""The diffusion backbones by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from drivelab.agents.encoders.diffusion.config import DiGConfig, DiTConfig
from drivelab.agents.encoders.diffusion.dig import DiG
from drivelab.agents.encoders.diffusion.dit import DiT
from drivelab.errors import ConfigError, nearest_name

BACKBONES: Mapping[str, DiGConfig | DiTConfig] = {
    "dig_s_2": DiGConfig(width=384, heads=6, depth=12),
    "dig_b_2": DiGConfig(width=768, heads=12, depth=12),
    "dig_l_2": DiGConfig(width=1024, heads=16, depth=24),
    "dig_xl_2": DiGConfig(width=1152, heads=18, depth=28),
    "dit_s_2": DiTConfig(width=384, heads=6, depth=12),
    "dit_b_2": DiTConfig(width=768, heads=12, depth=12),
    "dit_l_2": DiTConfig(width=1024, heads=16, depth=24),
    "dit_xl_2": DiTConfig(width=1152, heads=16, depth=28),
}


def build_backbone(name: str, **changes: Any) -> DiG | DiT:
    """A `DiffusionBackbone` with fresh weights; `changes` are fields of its configuration.

    Raises:
        ConfigError: no such backbone, no such field, or a value that it
            cannot have; the message names those that it can.
    """
    if name not in BACKBONES:
        raise ConfigError(
            f"no diffusion backbone {name!r}{nearest_name(name, BACKBONES)}; there are: "
            f"{', '.join(BACKBONES)}"
        )
    known = [field.name for field in fields(BACKBONES[name])]
    for key in changes:
        if key not in known:
            raise ConfigError(
                f"{name} has no option {key!r}{nearest_name(key, known)}; it knows: "
                f"{', '.join(known)}"
            )
    config = replace(BACKBONES[name], **changes)
    return DiG(config) if isinstance(config, DiGConfig) else DiT(config)
