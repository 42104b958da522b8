"""PDMS v1.1 (NAVSIM, arXiv 2406.15349) as the devkit's branch v1.1 computes it.

PDMS = NC * DAC * (5 EP + 5 TTC + 2 C) / 12; DDC is reported and has no weight.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.metrics.aggregate import MeanOfScenes
from drivelab.metrics.metric import SceneScore
from drivelab.metrics.navsim.events import find_events, margins
from drivelab.metrics.navsim.prepared import Prepared, prepare
from drivelab.metrics.navsim.rules import PDMS_V1_1
from drivelab.metrics.navsim.subscores import Subscores, normalised_progress, score_states
from drivelab.types import Scene


def pdms_columns(parts: Subscores, reference: Subscores) -> dict[str, Float[np.ndarray, " b"]]:
    """Sub-scores and score of each proposal, each against the reference alone."""
    product = parts.no_collision * parts.drivable
    reference_reach = float(
        reference.progress[0] * reference.no_collision[0] * reference.drivable[0]
    )
    best = np.maximum(parts.progress * product, reference_reach)
    progress = normalised_progress(parts.progress, product, best, PDMS_V1_1)
    weights = PDMS_V1_1.weights
    weighted = weights[0] * progress + weights[1] * parts.ttc + weights[2] * parts.comfort
    return {
        "no_at_fault_collisions": parts.no_collision,
        "drivable_area_compliance": parts.drivable,
        "driving_direction_compliance": parts.direction,
        "ego_progress": progress,
        "time_to_collision_within_bound": parts.ttc,
        "comfort": parts.comfort,
        "score": product * weighted / sum(weights),
    }


class Pdms(MeanOfScenes):
    """Predictive Driver Model Score, NAVSIM v1.1."""

    name = "pdms_v1.1"
    subscores = (
        "no_at_fault_collisions",
        "drivable_area_compliance",
        "driving_direction_compliance",
        "ego_progress",
        "time_to_collision_within_bound",
        "comfort",
    )
    failed_score: float | None = None

    def prepare(self, scene: Scene) -> Prepared:
        """Reference, tracks and map of a scene."""
        return prepare(scene, PDMS_V1_1)

    def score(
        self, prepared: Prepared, plans: Float[np.ndarray, "b t 3"], dt: float
    ) -> list[SceneScore]:
        """Simulate and judge plans."""
        states = prepared.simulate(plans, dt)
        parts = score_states(states, prepared.around, PDMS_V1_1)
        columns = pdms_columns(parts, prepared.reference)
        shift = np.zeros(states.shape[-1])
        shift[:2] = prepared.origin
        return [
            SceneScore(
                score=float(columns["score"][b]),
                subscores={name: float(columns[name][b]) for name in self.subscores},
                states=states[b] + shift,
                events=find_events(parts, b, states[b], prepared.around, PDMS_V1_1),
                details=margins(parts, b, states[b], prepared.around),
            )
            for b in range(len(states))
        ]
