"""What a score of a driven episode looks like, and what it may expect a rollout to say.

A rollout metric is a pure function of (scene, rollout): no world, no agent, no randomness. The same
stored rollout gives the same score wherever it is scored.

Times are 10 Hz, frame 0 is the scene's current moment. `rollout.events` are mappings with `kind`,
`step` (index into `times`), `time` [s] and `actor` (track id or ""), and by kind:

| kind | more keys | meaning |
|---|---|---|
| collision | actor_kind, impact_speed, ego_speed [m/s], side, at_fault | a contact began |
| off_road | margin [m] | the ego left the drivable area |
| kerb | | the ego's box crossed the border of the drivable area |
| wrong_way | | drives against the lane's direction |
| red_light | light | crossed a stop line at red; the connector's id |
| stop_sign | lane | passed a stop sign without stopping |
| route_deviation | distance [m] | too far from the route: ends the route |
| heading_deviation | angle [rad] | turned too far from the route |
| blocked | | stood too long: ends the route |
| timeout | | the route took longer than its limit: ends the route |
| scenario_timeout | | a scenario on the way was not finished in time |
| emergency_yield | | did not yield to an emergency vehicle |
| min_speed | percent | a checkpoint: the ego's mean speed as a share of the traffic's [percent] |
| route_done | | reached the goal |
| behaviour_started, behaviour_impossible | behaviour, why | of a scripted actor |
| door_opened | | of a parked car |
| terminated | reason | why the episode ended before its time |

`rollout.info` holds facts by key, each optional, and each metric says which it needs:

| key | value |
|---|---|
| route_length | [m] |
| route_completion | share of the route driven, in [0, 1] |
| progress, route_offset | (t,) along the route line and distance to it [m] |
| off_lane | (t,) bool, outside the route's lanes (0.5 m tolerance) or against their direction |
| expert | (k, 3) recorded ego, rear axle, at 0, 0.1, 0.2, ... s to the recording's end |
| v_ref | impact speed if the ego did nothing [m/s] |
| scenario_kinds | names of the scenarios on the route |
| status | "completed", "running" or "failed: " and why |
| world | who simulated it, e.g. native |
| traffic | what recorded others did: replay or reactive |
| time_limit | how long the episode could last [s] |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from drivelab.errors import DataError
from drivelab.metrics.metric import SceneScore
from drivelab.types import Rollout, Scene


@runtime_checkable
class RolloutMetric(Protocol):
    """A versioned score of a driven episode, e.g. `neuroncap_v1`."""

    @property
    def name(self) -> str:
        """With its version."""

    @property
    def subscores(self) -> tuple[str, ...]:
        """Columns of a row, in this order."""

    @property
    def failed_score(self) -> float | None:
        """What an invalid scene counts; None = it is skipped from the mean."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Fields of the rollout, or keys of its info, that the metric cannot do without."""

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge one episode; `SceneScore.states` are the states that were driven.

        Raises:
            DataError: the rollout lacks an input, or is no episode of this scene.
        """

    def finish(
        self,
        rows: Sequence[dict[str, Any]],
        states: Callable[[str], Float[np.ndarray, "t 11"]],
    ) -> list[dict[str, Any]]:
        """Add what needs several scenes to the rows of a complete run."""

    def aggregate(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """Score and sub-scores of a run by the metric's own rule."""


def check_inputs(metric: RolloutMetric, scene: Scene, rollout: Rollout) -> None:
    """Refuse a rollout that is not of this scene or lacks what the metric needs.

    Raises:
        DataError: says what is missing and who could have recorded it.
    """
    where = f"rollout of {rollout.scene_id}"
    if rollout.scene_id != scene.id:
        raise DataError(
            f"{metric.name} got the rollout with the scene {scene.id!r}; expected the scene that "
            "it was driven in",
            where=where,
        )
    for name in metric.inputs:
        if not _has(name, scene, rollout):
            raise DataError(
                f"{metric.name} needs {name!r}, which this rollout does not hold; "
                "run the episode again in a world that records it, or choose another metric",
                where=where,
            )


def _has(name: str, scene: Scene, rollout: Rollout) -> bool:
    if name == "plans":
        return rollout.plans is not None and rollout.plan_steps is not None
    if name == "route":
        return rollout.route is not None and len(rollout.route) > 1
    if name == "expert":
        future = scene.ego.poses[scene.now :]
        return "expert" in rollout.info or (len(future) > 1 and bool(np.isfinite(future).all()))
    return rollout.info.get(name) is not None
