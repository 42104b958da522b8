"""CARLA's driving score of the leaderboards 1.0, 2.0 and 2.1: route completion times penalty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drivelab.metrics.aggregate import MeanOfScenes, mean_over_valid
from drivelab.metrics.closed_loop.carla_record import INPUTS, RouteRecord, route_record
from drivelab.metrics.closed_loop.carla_rules import (
    INFRACTIONS,
    LEADERBOARD_1_0,
    LEADERBOARD_2_0,
    LEADERBOARD_2_1,
    CarlaRules,
)
from drivelab.metrics.metric import SceneScore
from drivelab.metrics.rollout_metric import check_inputs
from drivelab.types import Rollout, Scene

LEAST_KM = 0.001  # for infractions per kilometre


@dataclass(frozen=True, slots=True)
class CarlaDrivingScore(MeanOfScenes):
    """DS in [0, 100], the mean over routes; a route that failed to run counts 0."""

    name: str
    rules: CarlaRules
    subscores: tuple[str, ...] = ("route_completion", "infraction_penalty")
    failed_score: float | None = 0.0
    inputs: tuple[str, ...] = INPUTS

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge one route."""
        check_inputs(self, scene, rollout)
        record = route_record(rollout)
        penalty = self.rules.penalty(
            record.counts, record.off_lane_percent, record.checkpoint_percents
        )
        return SceneScore(
            score=record.completion * penalty,
            subscores={"route_completion": record.completion, "infraction_penalty": penalty},
            states=rollout.ego,
            events=record.events,
            details=record_columns(record),
        )

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Means over routes; infractions per kilometre as the leaderboard lists them."""
        means = mean_over_valid(rows, ("score", *self.subscores))
        counted = [row for row in rows if "infractions_vehicle_per_km" in row]
        columns = [f"infractions_{kind}_per_km" for kind in INFRACTIONS]
        return {**means, **(mean_over_valid(counted, columns) if counted else {})}


def record_columns(record: RouteRecord) -> dict[str, float | int | str]:
    """Further columns of a row: status, counts, and counts per kilometre driven."""
    driven = max(record.completion / 100.0 * record.route_km, LEAST_KM)
    columns: dict[str, float | int | str] = {
        "route_status": record.status,
        "off_lane_percent": record.off_lane_percent,
    }
    for kind, n in record.counts.items():
        columns[f"infractions_{kind}"] = n
        columns[f"infractions_{kind}_per_km"] = n / driven
    return columns


def leaderboard_1_0() -> CarlaDrivingScore:
    """DS of leaderboard 1.0."""
    return CarlaDrivingScore("carla_ds_v1.0", LEADERBOARD_1_0)


def leaderboard_2_0() -> CarlaDrivingScore:
    """DS of leaderboard 2.0."""
    return CarlaDrivingScore("carla_ds_v2.0", LEADERBOARD_2_0)


def leaderboard_2_1() -> CarlaDrivingScore:
    """DS of leaderboard 2.1: infractions add up instead of multiplying."""
    return CarlaDrivingScore("carla_ds_v2.1", LEADERBOARD_2_1)
