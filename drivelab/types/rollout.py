"""The record of an episode: what was planned, what the ego then did, what the others did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from drivelab.types.tracks import Tracks


@dataclass(frozen=True, slots=True, eq=False)
class Rollout:
    """States at `times` [s] from the scene's current moment; all poses in the `map` frame.

    An open-loop rollout has one `plan`. A closed-loop one also has every plan that was made on the
    way (`plans`, each in the ego frame of the state `plan_steps` says, at `plan_dt`), the line of
    its route, and the red connectors of every time.
    """

    scene_id: str
    times: Float[np.ndarray, " t"]
    ego: Float[np.ndarray, "t 11"]
    tracks: Tracks  # the same times
    plan: Float[np.ndarray, "p 3"]  # what the agent handed over first, ego frame of the first state
    plan_dt: float
    events: tuple[Mapping[str, Any], ...] = ()  # {kind, step, time, actor, ...}
    info: Mapping[str, Any] = field(default_factory=dict)
    plans: Float[np.ndarray, "k p 3"] | None = None
    plan_steps: Int[np.ndarray, " k"] | None = None  # indices into `times`, rising
    route: Float[np.ndarray, "m 3"] | None = None  # (x [m], y [m], heading [rad])
    red_lights: tuple[tuple[str, ...], ...] = ()  # red connector ids by time
