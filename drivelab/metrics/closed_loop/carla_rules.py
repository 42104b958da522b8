"""CARLA's driving score as a formula: coefficients by leaderboard version.

Sources: leaderboard branches leaderboard-1.0, leaderboard-2.0 and leaderboard-2.1,
`statistics_manager.py`; Bench2Drive's fork of the same file (arXiv 2406.03877). The branch `master`
of the leaderboard carries the coefficients of 2.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

INFRACTIONS = (
    "pedestrian",
    "vehicle",
    "static",
    "red_light",
    "stop_sign",
    "scenario_timeout",
    "emergency_yield",
)


@dataclass(frozen=True, slots=True)
class CarlaRules:
    """What an infraction costs.

    `costs` are factors of the penalty, or with `additive` the summands c of 1 / (1 + sum c).
    Infractions that a version does not know cost nothing.
    """

    version: str
    costs: Mapping[str, float]
    min_speed: float = 0.0  # cost of a checkpoint passed at standstill
    additive: bool = False

    def penalty(
        self,
        counts: Mapping[str, int],
        off_lane_percent: float,
        checkpoint_percents: Sequence[float] = (),
    ) -> float:
        """Product of all penalties, in [0, 1].

        Args:
            counts: how often each infraction happened.
            off_lane_percent: share of the distance driven outside of the route's lanes.
            checkpoint_percents: mean speed of the ego as a share of the traffic's, checkpoint by
                checkpoint; 100 and more is no infraction.
        """
        slow = [self.min_speed * (1.0 - q / 100.0) for q in checkpoint_percents if q < 100.0]
        lane = 1.0 - off_lane_percent / 100.0
        if self.additive:
            total = sum(self.costs.get(kind, 0.0) * n for kind, n in counts.items()) + sum(slow)
            return lane / (1.0 + total)
        product = lane
        for kind, n in counts.items():
            product *= self.costs.get(kind, 1.0) ** n
        for cost in slow:
            product *= 1.0 - cost
        return product


_FIRST = {"pedestrian": 0.50, "vehicle": 0.60, "static": 0.65, "red_light": 0.70, "stop_sign": 0.80}
_SECOND = {**_FIRST, "scenario_timeout": 0.70, "emergency_yield": 0.70}
_ADDED = {
    "pedestrian": 1.0,
    "vehicle": 0.70,
    "static": 0.60,
    "red_light": 0.40,
    "stop_sign": 0.25,
    "scenario_timeout": 0.40,
    "emergency_yield": 0.40,
}

LEADERBOARD_1_0 = CarlaRules("1.0", _FIRST)
LEADERBOARD_2_0 = CarlaRules("2.0", _SECOND, min_speed=0.3)
LEADERBOARD_2_1 = CarlaRules("2.1", _ADDED, min_speed=0.40, additive=True)
BENCH2DRIVE = CarlaRules("bench2drive", _SECOND)  # checkpoints are recorded, not penalised
