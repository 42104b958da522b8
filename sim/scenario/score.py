"""The score of a scenario: does the rollout do what its text expects?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from drivelab.errors import DataError
from drivelab.metrics.aggregate import MeanOfScenes
from drivelab.metrics.metric import Event, SceneScore
from drivelab.metrics.metric_names import find_metric
from drivelab.metrics.rollout_metric import RolloutMetric, check_inputs
from drivelab.sim.scenario.expect import Verdict, judge
from drivelab.sim.scenario.schema import Expect
from drivelab.types import Rollout, Scene

INFRACTIONS = ("collision", "off_road", "red_light", "stop_sign", "wrong_way")


@dataclass(frozen=True, slots=True)
class ScenarioPass(MeanOfScenes):
    """1 where every expectation of the scenario is met, else 0.

    Sub-scores: the share of expectations met, 1 without a collision, 1 without an infraction, and
    the share of the route driven. Scores that `min_score` names are computed from the same
    rollout; one that cannot be told is not met.
    """

    name: str = "scenario_pass_v1"
    subscores: tuple[str, ...] = ("expectations", "no_collision", "lawful", "route_completion")
    failed_score: float | None = 0.0
    inputs: tuple[str, ...] = ("expect", "route_completion")

    def score(self, scene: Scene, rollout: Rollout) -> SceneScore:
        """Judge one drive."""
        check_inputs(self, scene, rollout)
        known = known_scores(scene, rollout, named_metrics(rollout))
        verdicts = judge(_expect(rollout), rollout, scene.vehicle, known)
        kinds = {str(event["kind"]) for event in rollout.events}
        met = [verdict.passed for verdict in verdicts]
        failed = [verdict for verdict in verdicts if not verdict.passed]
        share = sum(met) / len(met) if met else 1.0
        parts = (
            share,
            float("collision" not in kinds),
            float(kinds.isdisjoint(INFRACTIONS)),
            float(rollout.info["route_completion"]),
        )
        return SceneScore(
            score=float(not failed),
            subscores=dict(zip(self.subscores, parts, strict=True)),
            states=rollout.ego,
            events=_events(rollout, failed),
            details={"missed": "; ".join(f"{v.name}: {v.found}" for v in failed)},
        )


def named_metrics(rollout: Rollout) -> dict[str, RolloutMetric]:
    """The metrics that a rollout's expectations name; none where it has no expectations.

    Names only: a stored text must not say what is imported.
    """
    if rollout.info.get("expect") is None:
        return {}
    return {n: find_metric(n) for n in _expect(rollout).min_score if ":" not in n}


def known_scores(
    scene: Scene, rollout: Rollout, metrics: Mapping[str, RolloutMetric]
) -> dict[str, float]:
    """Scores by name; metrics that need what this rollout does not hold are left out."""
    scores = {}
    for name, metric in metrics.items():
        try:
            check_inputs(metric, scene, rollout)
            scores[name] = float(metric.score(scene, rollout).score)
        except DataError:  # no such score for this episode, as nuPlan's without an expert
            continue
    return scores


def _expect(rollout: Rollout) -> Expect:
    try:
        return msgspec.convert(rollout.info["expect"], Expect)
    except msgspec.ValidationError as error:
        raise DataError(
            f"its expectations cannot be read: {error}", where=f"rollout of {rollout.scene_id}"
        ) from error


def _events(rollout: Rollout, failed: list[Verdict]) -> tuple[Event, ...]:
    """What the world saw; where nothing happened, the expectation that was missed at the end."""
    seen = [
        Event(str(e["kind"]), int(e["step"]), str(e["actor"]), detail=str(e.get("side", "")))
        for e in rollout.events
        if e["kind"] in INFRACTIONS
    ]
    if not seen and failed:
        last = len(rollout.times) - 1
        seen = [Event("expectation", last, detail=f"{failed[0].name}: {failed[0].found}")]
    return tuple(seen)
