"""What a network looks through: how its features are built, and which rig is drawn for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from drivelab.agents.features import FULL, MINI, FeatureOptions
from drivelab.agents.learned.config import SceneConfig
from drivelab.errors import ConfigError

RIGS = {"full": "navsim_nominal", "mini": "labmini_mini"}
_SIZES = {"full": FULL, "mini": MINI}


@dataclass(frozen=True, slots=True)
class Sight:
    """How a scene reaches a network.

    Attributes:
        features: options of the builders.
        rig: drawn where a scene has no sensors of its own; None where none are looked at.
    """

    features: FeatureOptions
    rig: str | None


def sight_of(config: SceneConfig) -> Sight:
    """The sight that a network of this configuration is made for.

    Raises:
        ConfigError: its image has a size that no preset's cameras give.
    """
    for name, options in _SIZES.items():
        camera, lidar = options.camera, options.lidar
        if camera is None or lidar is None:
            continue
        if camera.size == tuple(config.camera):
            seen = replace(lidar, cells=config.lidar[0], reach=config.lidar_range)
            features = replace(
                options, lidar=None if config.latent else seen, agents=config.agents,
                poses=config.poses, dt=config.dt,
            )  # fmt: skip
            return Sight(features, RIGS[name])
    known = ", ".join(f"{o.camera.size} ({n})" for n, o in _SIZES.items() if o.camera)
    raise ConfigError(
        f"a network for images of {tuple(config.camera)} px (height, width): features are built "
        f"for {known}; choose one of these presets"
    )


def blind(poses: int, dt: float) -> Sight:
    """Of a network that is told the ego's status alone."""
    return Sight(replace(FULL, camera=None, lidar=None, poses=poses, dt=dt), None)
