"""Bench2Drive (Jia et al., arXiv 2406.03877): driving score, success, abilities, ease.

All figures are in percent, as the benchmark prints them. Routes that failed to run count zero in
driving score and success rate, and nothing in the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivelab.metrics.aggregate import MeanOfScenes, mean_over_valid
from drivelab.metrics.closed_loop.bench2drive_abilities import (
    ABILITIES,
    SIGNS,
    abilities_of,
    shows_traffic_signs,
)
from drivelab.metrics.closed_loop.bench2drive_comfort import comfort_share
from drivelab.metrics.closed_loop.carla import record_columns
from drivelab.metrics.closed_loop.carla_record import INPUTS, RouteRecord, route_record
from drivelab.metrics.closed_loop.carla_rules import BENCH2DRIVE
from drivelab.metrics.metric import SceneScore
from drivelab.metrics.rollout_metric import check_inputs
from drivelab.types import Rollout, Scene

ABSURD_SPEED = 1000.0  # checkpoints above are dropped [percent]
_ABILITY_COLUMNS = tuple(f"ability_{name}" for name in ABILITIES)
_COUNTED_IF_RUN = (*_ABILITY_COLUMNS, "efficiency", "comfort")


@dataclass(frozen=True, slots=True)
class Bench2Drive(MeanOfScenes):
    """The benchmark's five figures; `corrected` repairs the smoothness of the published scripts."""

    name: str
    corrected: bool
    subscores: tuple[str, ...] = (
        "success_rate",
        "route_completion",
        "infraction_penalty",
        *_COUNTED_IF_RUN,
        "ability_mean",
    )
    failed_score: float | None = 0.0
    inputs: tuple[str, ...] = INPUTS

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge one route."""
        check_inputs(self, scene, rollout)
        record = route_record(rollout)
        penalty = BENCH2DRIVE.penalty(record.counts, record.off_lane_percent)
        success = 100.0 * float(_succeeded(record))
        parts = {
            "success_rate": success,
            "route_completion": record.completion,
            "infraction_penalty": penalty,
            **_abilities(record, success, scene, rollout),
            "efficiency": _efficiency(record),
            "comfort": 100.0 * comfort_share(rollout.ego, corrected=self.corrected),
            "ability_mean": float("nan"),  # of the run, not of a route
        }
        return SceneScore(
            score=record.completion * penalty,
            subscores=parts,
            states=rollout.ego,
            events=record.events,
            details=record_columns(record),
        )

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Means over routes; abilities, efficiency and comfort over those that were driven."""
        means = mean_over_valid(rows, ("score", *self.subscores))
        driven = [row for row in rows if "route_status" in row]
        means.update(mean_over_valid(driven, _COUNTED_IF_RUN))
        shown = [means[name] for name in _ABILITY_COLUMNS if not np.isnan(means[name])]
        means["ability_mean"] = float(np.mean(shown)) if shown else float("nan")
        return means


def published() -> Bench2Drive:
    """As the released scripts count."""
    return Bench2Drive("bench2drive_v0.0.4", corrected=False)


def corrected() -> Bench2Drive:
    """With derivatives by the true spacing and a yaw acceleration that is one."""
    return Bench2Drive("bench2drive_corrected_v0.0.4", corrected=True)


def _succeeded(record: RouteRecord) -> bool:
    """At the goal and without any infraction but those of the minimum speed."""
    return record.completed and not record.infractions and record.off_lane_percent == 0.0


def _abilities(
    record: RouteRecord, success: float, scene: Scene, rollout: Rollout
) -> dict[str, float]:
    """Success of the abilities that the route asks for, NaN of the others."""
    asked = abilities_of(rollout.info.get("scenario_kinds", ()))
    shown = {name: success if name in asked else float("nan") for name in ABILITIES}
    if SIGNS in asked and success == 0.0 and shows_traffic_signs(record, scene.map, rollout):
        shown[SIGNS] = 100.0
    return {f"ability_{name}": value for name, value in shown.items()}


def _efficiency(record: RouteRecord) -> float:
    """Mean of the checkpoints' speeds as a share of the traffic's; NaN without checkpoints."""
    sane = [percent for percent in record.checkpoint_percents if percent <= ABSURD_SPEED]
    return float(np.mean(sane)) if sane else float("nan")
