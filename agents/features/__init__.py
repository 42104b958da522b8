"""What networks are fed and taught: arrays from observations and scenes, without torch.

`features_of` and `targets_of` are the doors; training and driving go through the same ones.
"""

from drivelab.agents.features.build import (
    FEATURES,
    TARGETS,
    VERSION,
    compact_features,
    expand,
    features_of,
    rig_of,
    targets_of,
)
from drivelab.agents.features.options import (
    FULL,
    MINI,
    CameraOptions,
    FeatureOptions,
    LidarOptions,
    SemanticOptions,
)

__all__ = [
    "FEATURES",
    "FULL",
    "MINI",
    "TARGETS",
    "VERSION",
    "CameraOptions",
    "FeatureOptions",
    "LidarOptions",
    "SemanticOptions",
    "compact_features",
    "expand",
    "features_of",
    "rig_of",
    "targets_of",
]
