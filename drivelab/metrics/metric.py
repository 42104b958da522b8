"""What every score looks like from outside: prepare a scene once, score a batch of plans on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from drivelab.types import Scene


@dataclass(frozen=True, slots=True)
class Event:
    """The first time something went wrong, where and by how much."""

    kind: str  # collision | ttc | off_road | wrong_way | red_light | lane_keeping | comfort
    step: int  # index of the 10 Hz state, 0 = now
    actor: str = ""  # track or map object id
    detail: str = ""  # e.g. the collision type or the comfort signal
    margin: float = float("nan")  # signed distance to the rule's limit [m], negative = violated


@dataclass(frozen=True, slots=True, eq=False)
class SceneScore:
    """Score of one plan on one scene."""

    score: float
    subscores: Mapping[str, float]  # the metric's `subscores`, in that order
    states: Float[np.ndarray, "t 11"]  # simulated ego states at 10 Hz
    events: tuple[Event, ...] = ()
    details: Mapping[str, float | int | str] = field(default_factory=dict)  # more columns of a row


@runtime_checkable
class Metric(Protocol):
    """A versioned score, e.g. `pdms_v1.1`."""

    name: str  # with its version
    subscores: tuple[str, ...]
    failed_score: float | None  # what an invalid scene counts: None = skipped from the mean

    def prepare(self, scene: Scene) -> Any:
        """Everything that does not depend on the plan (reference, map, tracks); picklable."""

    def score(
        self, prepared: Any, plans: Float[np.ndarray, "b t 3"], dt: float
    ) -> list[SceneScore]:
        """Score plans given as ego-frame poses at dt, 2 dt, ...; batch equals loop."""

    def finish(
        self,
        rows: Sequence[dict[str, Any]],
        states: Callable[[str], Float[np.ndarray, "t 11"]],
    ) -> list[dict[str, Any]]:
        """Add what needs several scenes (two-frame comfort) to the rows of a complete run."""

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Mean of the score and of every sub-score over the valid rows by the official rule."""
