"""EPDMS v2.2 (NAVSIM v2, arXiv 2506.04218) as the devkit's branch v2.2 computes it.

score = NC * DAC * DDC * TLC * (5 EP + 5 TTC + 2 LK + 2 HC + 2 EC) / 16, each sub-score forgiven
where the recorded human fails it. Traffic is the recorded one (non-reactive).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.geometry.poses import compose
from drivelab.metrics.aggregate import mean_over_valid
from drivelab.metrics.metric import SceneScore
from drivelab.metrics.navsim.events import find_events, margins
from drivelab.metrics.navsim.extended_comfort import add_two_frame_comfort
from drivelab.metrics.navsim.prepared import Prepared, prepare
from drivelab.metrics.navsim.rules import EPDMS_V2_2, PLAN_DT
from drivelab.metrics.navsim.subscores import Subscores, normalised_progress, score_states
from drivelab.types import Scene

MULTIPLIERS = (
    "no_at_fault_collisions",
    "drivable_area_compliance",
    "driving_direction_compliance",
    "traffic_light_compliance",
)
WEIGHTED = (
    "ego_progress",
    "time_to_collision_within_bound",
    "lane_keeping",
    "history_comfort",
)
TWO_FRAME = "two_frame_extended_comfort"


def epdms_columns(
    parts: Subscores, reference: Subscores | None
) -> dict[str, Float[np.ndarray, " b"]]:
    """The eight sub-scores of each proposal; without a reference each is its own best."""
    product = parts.no_collision * parts.drivable * parts.direction * parts.red_light
    best = parts.progress * product
    if reference is not None:
        one = reference
        reach = one.progress[0] * one.no_collision[0] * one.drivable[0]
        best = np.maximum(best, reach * one.direction[0] * one.red_light[0])
    return {
        "no_at_fault_collisions": parts.no_collision,
        "drivable_area_compliance": parts.drivable,
        "driving_direction_compliance": parts.direction,
        "traffic_light_compliance": parts.red_light,
        "ego_progress": normalised_progress(parts.progress, product, best, EPDMS_V2_2),
        "time_to_collision_within_bound": parts.ttc,
        "lane_keeping": parts.lane,
        "history_comfort": parts.comfort,
    }


def filter_by_human(
    columns: Mapping[str, Float[np.ndarray, " b"]], human: Mapping[str, float]
) -> dict[str, Float[np.ndarray, " b"]]:
    """Forgive what the human failed: a sub-score becomes 1 where the human's is exactly 0."""
    return {
        name: np.ones_like(values) if human[name] == 0.0 else values
        for name, values in columns.items()
    }


def final_score(row: Mapping[str, float], two_frame: float) -> float:
    """Score of one row; an unknown (NaN) two-frame comfort drops out together with its weight."""
    product = float(np.prod([row[name] for name in MULTIPLIERS]))
    values = [row[name] for name in WEIGHTED]
    weights = list(EPDMS_V2_2.weights)
    if np.isnan(two_frame):
        weights.pop()
    else:
        values.append(two_frame)
    return product * float(np.dot(weights, values)) / sum(weights)


def scene_scores(
    scene: Prepared,
    states: Float[np.ndarray, "b 41 11"],
    parts: Subscores,
    reference: Subscores,
    human: Mapping[str, float] | None,
    plans: Float[np.ndarray, "b t 3"],
) -> list[SceneScore]:
    """Filtered sub-scores, score without two-frame comfort, events and margins of each plan.

    The details also hold where the ego starts and where its plan ends (map frame [m]): two-stage
    scores weight follow-up scenes by them.
    """
    ends = compose(scene.pose, np.asarray(plans, float)[:, -1])
    raw = epdms_columns(parts, reference)
    columns = raw if human is None else filter_by_human(raw, human)
    shift = np.zeros(states.shape[-1])
    shift[:2] = scene.origin
    scores = []
    for b in range(len(states)):
        row = {name: float(values[b]) for name, values in columns.items()}
        unfiltered = {f"unfiltered_{name}": float(values[b]) for name, values in raw.items()}
        scores.append(
            SceneScore(
                score=final_score(row, float("nan")),
                subscores={**row, TWO_FRAME: float("nan")},
                states=states[b] + shift,
                events=find_events(parts, b, states[b], scene.around, EPDMS_V2_2),
                details={
                    **margins(parts, b, states[b], scene.around),
                    "start_x": float(scene.pose[0]),
                    "start_y": float(scene.pose[1]),
                    "end_x": float(ends[b, 0]),
                    "end_y": float(ends[b, 1]),
                    **unfiltered,
                },
            )
        )
    return scores


class Epdms:
    """Extended PDM Score, NAVSIM v2.2, one stage, recorded traffic."""

    name = "epdms_v2.2"
    subscores = (*MULTIPLIERS, *WEIGHTED, TWO_FRAME)
    failed_score: float | None = None

    def prepare(self, scene: Scene) -> tuple[Prepared, dict[str, float] | None]:
        """Reference, tracks and map of a scene, and what the human scores alone."""
        prepared = prepare(scene, EPDMS_V2_2)
        if scene.synthetic or prepared.human is None:
            return prepared, None
        states = prepared.simulate(prepared.human[None], PLAN_DT)
        parts = score_states(states, prepared.around, EPDMS_V2_2)
        human = epdms_columns(parts, None)
        return prepared, {name: float(values[0]) for name, values in human.items()}

    def score(
        self,
        prepared: tuple[Prepared, dict[str, float] | None],
        plans: Float[np.ndarray, "b t 3"],
        dt: float,
    ) -> list[SceneScore]:
        """Simulate and judge plans; two-frame comfort is added when the run is complete."""
        scene, human = prepared
        states = scene.simulate(plans, dt)
        parts = score_states(states, scene.around, EPDMS_V2_2, scene.history)
        return scene_scores(scene, states, parts, scene.reference, human, plans)

    def finish(
        self,
        rows: Sequence[dict[str, Any]],
        states: Callable[[str], Float[np.ndarray, "t 11"]],
    ) -> list[dict[str, Any]]:
        """Two-frame comfort from neighbouring scenes of a log, and the final scores."""
        finished = []
        for row in add_two_frame_comfort(rows, states):
            if row.get("status", "ok") == "ok":
                row = {**row, "score": final_score(row, row[TWO_FRAME])}
            finished.append(row)
        return finished

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Mean over the valid scenes; scenes without a neighbour are left out of EC's mean."""
        return mean_over_valid(rows, ("score", *self.subscores))
