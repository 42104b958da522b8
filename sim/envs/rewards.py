"""Rewards: named terms, one weight each, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError, nearest_name
from drivelab.kernels.world.judge import TERMS

# Good for learning to drive a route; every other term weighs nothing unless it is given.
DEFAULT_WEIGHTS: Mapping[str, float] = {
    "progress": 0.02,
    "goal": 1.0,
    "collision": -2.0,
    "off_road": -2.0,
    "wrong_way": -1.0,
    "red_light": -0.5,
    "stop_sign": -0.2,
    "route_deviation": -2.0,
    "blocked": -2.0,
    "comfort": -0.002,
    "speeding": -0.05,
    "lane_keeping": -0.004,
    "heading": -0.004,
    "headway": -0.02,
    "time": -0.01,
}
# RAD (arXiv 2502.13144, section 3.4): -1 for each event that ends a clip, nothing else. A static
# collision is the border touched; `off_road` begins in the same step and would count it twice.
RAD_WEIGHTS: Mapping[str, float] = {
    "collision": -1.0,
    "kerb": -1.0,
    "route_deviation": -1.0,
    "heading_deviation": -1.0,
}
PRESETS: Mapping[str, Mapping[str, float]] = {"default": DEFAULT_WEIGHTS, "rad": RAD_WEIGHTS}


def weight_row(reward: str | Mapping[str, float]) -> Float[np.ndarray, " terms"]:
    """Weights in the order of `TERMS`.

    Args:
        reward: the name of a preset, or weights that replace those of the default preset by name.

    Raises:
        ConfigError: no such preset or term, or a weight that is no finite number.
    """
    if isinstance(reward, str):
        if reward not in PRESETS:
            raise ConfigError(
                f"reward={reward!r}: no such preset{nearest_name(reward, PRESETS)} "
                f"(there are: {', '.join(PRESETS)}, or a mapping of terms to weights)"
            )
        weights: Mapping[str, float] = PRESETS[reward]
    else:
        for name, weight in reward.items():
            _check(name, weight)
        weights = {**DEFAULT_WEIGHTS, **reward}
    return np.array([float(weights.get(name, 0.0)) for name in TERMS])


def _check(name: str, weight: float) -> None:
    if name not in TERMS:
        raise ConfigError(
            f"reward has no term {name!r}{nearest_name(name, TERMS)} "
            f"(there are: {', '.join(TERMS)})"
        )
    number = isinstance(weight, int | float) and not isinstance(weight, bool)
    if not number or not isfinite(weight):
        raise ConfigError(f"reward term {name!r} has the weight {weight!r}: expected a number")
