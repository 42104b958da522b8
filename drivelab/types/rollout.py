"""The record of an episode: what was planned, what the ego then did, what the others did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.types.tracks import Tracks


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """States at `times` [s] from the scene's current moment; all poses in the `map` frame."""

    scene_id: str
    times: Float[np.ndarray, " t"]
    ego: Float[np.ndarray, "t 11"]
    tracks: Tracks  # the same times
    plan: Float[np.ndarray, "p 3"]  # what the agent handed over, ego frame of the first state
    plan_dt: float
    events: tuple[Mapping[str, Any], ...] = ()  # {kind, step, actor, margin}
    info: Mapping[str, Any] = field(default_factory=dict)
