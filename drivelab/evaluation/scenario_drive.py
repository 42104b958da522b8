"""One scenario in closed loop: drive a seed, score it, hold it to what the scenario expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivelab.evaluation.closed_loop import drive
from drivelab.evaluation.reference_impact import with_reference
from drivelab.metrics.metric_names import find_metric
from drivelab.sim.scenario.expect import Verdict, judge
from drivelab.sim.scenario.files import ScenarioFile
from drivelab.sim.scenario.score import known_scores
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.view import base_scene
from drivelab.types import Agent, Rollout


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioDrive:
    """One seed of a scenario, driven and judged."""

    seed: int
    episode: Episode
    rollout: Rollout
    scores: Mapping[str, float]
    verdicts: tuple[Verdict, ...]

    @property
    def passed(self) -> bool:
        """Whether every expectation is met."""
        return all(verdict.passed for verdict in self.verdicts)


def drive_scenario(
    source: ScenarioFile,
    agent: Agent,
    seed: int = 0,
    *,
    metrics: Sequence[str] = (),
    controller: str = "lqr",
) -> ScenarioDrive:
    """Drive one seed of a scenario and judge it.

    Args:
        source: the scenario.
        agent: who drives.
        seed: of the scenario, and of the agent's reset.
        metrics: names of rollout metrics; those that `min_score` names are added.
        controller: see `drivelab.evaluation.closed_loop.drive`.
    """
    episode = source.episode(seed)
    rollout = drive(episode, agent, controller=controller, seed=seed)
    expect = source.scenario.expect
    names = dict.fromkeys((*metrics, *expect.min_score))
    scores = rollout_scores(episode, rollout, tuple(names))
    verdicts = judge(expect, rollout, episode.vehicle, scores)
    return ScenarioDrive(seed, episode, rollout, scores, verdicts)


def rollout_scores(episode: Episode, rollout: Rollout, names: Sequence[str]) -> dict[str, float]:
    """Scores by metric; metrics that need what this rollout does not hold are left out."""
    metrics = {name: find_metric(name) for name in names}
    for metric in metrics.values():
        rollout = with_reference(metric, episode, rollout)
    return known_scores(base_scene(episode), rollout, metrics)
