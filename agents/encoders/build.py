"""The encoders by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from torch import nn

from drivelab.agents.encoders import resnet, vig, vig_h, vit
from drivelab.agents.encoders.flops import Flops
from drivelab.errors import ConfigError, nearest_name


@dataclass(frozen=True, slots=True)
class Published:
    """An encoder as it was published: its network, its configuration, and what it costs."""

    network: Callable[[Any], nn.Module]
    config: Any
    flops: Callable[[Any, int, int], Flops]

    def changed(self, name: str, changes: Mapping[str, Any]) -> Any:
        """The configuration with some fields changed."""
        known = [field.name for field in fields(self.config)]
        for key in changes:
            if key not in known:
                raise ConfigError(
                    f"{name} has no option {key!r}{nearest_name(key, known)}; "
                    f"it knows: {', '.join(known)}"
                )
        return replace(self.config, **changes)


def _vig(**options: Any) -> Published:
    return Published(vig.ViG, vig.ViGConfig(**options), vig.flops)


def _vig_h(**options: Any) -> Published:
    return Published(vig_h.ViGH, vig_h.ViGHConfig(**options), vig_h.flops)


def _vit(**options: Any) -> Published:
    return Published(vit.ViT, vit.ViTConfig(**options), vit.flops)


def _resnet(**options: Any) -> Published:
    return Published(resnet.ResNet, resnet.ResNetConfig(**options), resnet.flops)


ENCODERS: Mapping[str, Published] = {
    "vig_t": _vig(width=192, heads=3, conv_act=True, out_act=True),
    "vig_s": _vig(width=384, heads=6, drop_path=0.2),
    "vig_b": _vig(width=768, heads=12, drop_path=0.5),
    "vig_h_t": _vig_h(drop_path=0.2),
    "vig_h_s": _vig_h(depths=(2, 2, 17, 2), drop_path=0.3),
    "vig_h_b": _vig_h(width=128, depths=(2, 2, 17, 2), heads=(4, 8, 16, 32), drop_path=0.6),
    "vit_t": _vit(width=192, heads=3, drop_path=0.1),
    "vit_s": _vit(width=384, heads=6, drop_path=0.1),
    "vit_b": _vit(width=768, heads=12, drop_path=0.1),
    "resnet18": _resnet(depths=(2, 2, 2, 2)),
    "resnet34": _resnet(depths=(3, 4, 6, 3)),
}


def build_encoder(name: str, **changes: Any) -> nn.Module:
    """A `VisionEncoder` with fresh weights; `changes` are fields of its configuration.

    Raises:
        ConfigError: no such encoder, no such field, or a value that it
            cannot have; the message names those that it can.
    """
    published = _published(name)
    return published.network(published.changed(name, changes))


def encoder_flops(name: str, height: int, width: int, **changes: Any) -> Flops:
    """Operations of the features of one image."""
    published = _published(name)
    return published.flops(published.changed(name, changes), height, width)


def _published(name: str) -> Published:
    if name not in ENCODERS:
        raise ConfigError(
            f"no encoder {name!r}{nearest_name(name, ENCODERS)}; there are: {', '.join(ENCODERS)}"
        )
    return ENCODERS[name]
