"""NeuroNCAP score (Ljungbergh et al., arXiv 2404.07762): 5 without a collision, else by impact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivelab.errors import DataError
from drivelab.metrics.aggregate import MeanOfScenes
from drivelab.metrics.closed_loop.drive import drive_of
from drivelab.metrics.metric import Event, SceneScore
from drivelab.metrics.rollout_metric import check_inputs
from drivelab.types import Rollout, Scene

HIT_KINDS = ("vehicle", "bicycle")  # the classes that the official checker looks at


def ncap_score(impact_speed: float, reference_speed: float) -> float:
    """Score of a collision: 4 (1 - impact / reference), at least 0; speeds in m/s.

    An ego that hits though doing nothing is harmless (reference 0) gets 0, the formula's limit.
    """
    if reference_speed == 0.0:
        return 0.0
    return 4.0 * max(0.0, 1.0 - impact_speed / reference_speed)


@dataclass(frozen=True, slots=True)
class NeuroNcap(MeanOfScenes):
    """0 to 5 stars, with the collision rate and the impact speed of the runs that collided."""

    name: str = "neuroncap_v1"
    subscores: tuple[str, ...] = ("collision_rate", "impact_speed")
    failed_score: float | None = None
    inputs: tuple[str, ...] = ("v_ref",)

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge one run by the first contact with a vehicle or bicycle."""
        check_inputs(self, scene, rollout)
        reference = float(rollout.info["v_ref"])
        if not 0.0 <= reference < np.inf:
            raise DataError(
                f"v_ref is {reference}; expected the impact speed of an ego that does nothing, in "
                "m/s: finite, not below 0",
                where=f"rollout of {rollout.scene_id}, info",
            )
        drive = drive_of(scene, rollout)
        watched = np.array([kind in HIT_KINDS for kind in drive.kinds], bool)
        touching = (drive.contacts() > 0) & watched
        steps = np.flatnonzero(touching.any(1))
        if not len(steps):
            missed = {"collision_rate": 0.0, "impact_speed": float("nan")}
            return SceneScore(5.0, missed, rollout.ego)
        step = int(steps[0])
        hits = {int(n): drive.impact_speed(step, int(n)) for n in np.flatnonzero(touching[step])}
        actor = max(hits, key=lambda n: (hits[n], drive.ids[n]))
        event = Event("collision", step, drive.ids[actor], f"{hits[actor]:.1f} m/s")
        return SceneScore(
            score=ncap_score(hits[actor], reference),
            subscores={"collision_rate": 1.0, "impact_speed": hits[actor]},
            states=rollout.ego,
            events=(event,),
            details={"reference_speed": reference},
        )
