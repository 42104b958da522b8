"""One worker of a closed loop: episodes -> rollouts -> scores, several side by side.

Whatever goes wrong in one episode becomes one failed row with its traceback; the others go on.
"""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from drivelab.errors import ConfigError, DataError
from drivelab.evaluation.closed_loop import Drive, drive_all
from drivelab.evaluation.controllers import AUTO, check_controller, controller_for
from drivelab.evaluation.proposals import StoredRollouts
from drivelab.evaluation.reference_impact import with_reference
from drivelab.evaluation.tasks import Outcome, Task, WorkerSpec, failed_outcome
from drivelab.evaluation.worker import (
    AGENT_FAULTS,
    milliseconds,
    raise_if_interrupted,
    score_columns,
    seed_libraries,
    writable,
)
from drivelab.metrics.metric_names import find_metric
from drivelab.metrics.rollout_metric import RolloutMetric
from drivelab.registry import build
from drivelab.sim.world.episode import Episode
from drivelab.sim.world.view import base_scene
from drivelab.types import Agent, Rollout


class DrivingWorker:
    """Holds one agent, one metric and one source of episodes."""

    def __init__(self, spec: WorkerSpec) -> None:
        if spec.controller != AUTO:  # told before an agent is built
            check_controller(spec.controller, "bench.controller")
        self.source: Any = spec.source  # its `load` gives episodes
        self.metric = _rollout_metric(spec.metric)
        self.agent: Agent = build(spec.agent, device=spec.device, seed=spec.seed)
        self.seed, self.controller = spec.seed, controller_for(spec.controller, self.agent)

    def run(self, task: Task) -> list[Outcome]:
        """Drive and score the episodes of one task, in order."""
        episodes: dict[str, Episode] = {}
        outcomes: dict[str, Outcome] = {}
        load_ms: dict[str, float] = {}
        for name in task.scenes:
            start = perf_counter()
            try:
                episodes[name] = self.source.load(name)
            except AGENT_FAULTS as error:
                outcomes[name] = _failed(name, error, None)
            load_ms[name] = milliseconds(start)
        seed_libraries(self.seed, task.index)
        driven = self._drive(list(episodes.values())) if episodes else []
        for name, result in zip(episodes, driven, strict=True):
            times = {"time_load": load_ms[name]}
            outcomes[name] = self._score(name, episodes[name], result, times)
        return [outcomes[name] for name in task.scenes]

    def _drive(self, episodes: Sequence[Episode]) -> list[Rollout | BaseException]:
        """The rollout of every episode, or what went wrong."""
        if isinstance(self.agent, StoredRollouts):
            return [self._stored(self.agent, episode) for episode in episodes]
        try:
            drives = drive_all(episodes, self.agent, controller=self.controller, seed=self.seed)
        except AGENT_FAULTS as error:  # an episode that no world can start, or the agent's reset
            raise_if_interrupted(error)
            if len(episodes) == 1:
                return [error]
            return [result for episode in episodes for result in self._drive([episode])]
        return [_rollout(one) for one in drives]

    def _stored(self, agent: StoredRollouts, episode: Episode) -> Rollout | BaseException:
        try:
            return agent.rollout(episode.id)
        except DataError as error:
            return error

    def _score(
        self,
        name: str,
        episode: Episode,
        result: Rollout | BaseException,
        times: dict[str, float],
    ) -> Outcome:
        if isinstance(result, BaseException):
            return _failed(name, result, episode, times)
        start = perf_counter()
        try:
            result = with_reference(self.metric, episode, result)
            score = self.metric.score(base_scene(episode), result)
        except AGENT_FAULTS as error:
            return _failed(name, error, episode, times)
        row = {
            **_columns(name, episode),
            **times,
            "time_act": float(result.info.get("time_act_ms", 0.0)),
            "time_score": milliseconds(start),
            "steps": len(result.times) - 1,
            "ended": str(result.info.get("status", "")),
            **score_columns(score),
        }
        return Outcome(name, row, rollout=result)


def _rollout(one: Drive) -> Rollout | BaseException:
    """What was driven, or why it cannot be told."""
    if one.fault is not None:
        return one.fault
    try:
        return one.rollout()
    except AGENT_FAULTS as error:
        raise_if_interrupted(error)
        return error


def _rollout_metric(name: str) -> RolloutMetric:
    metric = find_metric(name)
    if not isinstance(metric, RolloutMetric):
        from drivelab.metrics.metric_names import rollout_metrics

        raise ConfigError(
            f"{name} scores single plans, this bench drives in closed loop; its scores: "
            f"{', '.join(rollout_metrics())}"
        )
    return metric


def _columns(name: str, episode: Episode | None) -> dict[str, Any]:
    if episode is None:
        return {"scene": name, "family": "", "log": "", "time": None}
    history = episode.history
    return {
        "scene": name,
        "family": episode.family,
        "log": episode.source if history is None else history.log,
        "time": None if history is None else history.time,
    }


def _failed(
    name: str, error: BaseException, episode: Episode | None, times: dict[str, float] | None = None
) -> Outcome:
    raise_if_interrupted(error)
    text = " ".join(str(error).split())
    told = writable(f"{type(error).__name__}: {text}"[:400])
    trace = writable("".join(traceback.format_exception(error)))
    return failed_outcome(name, told, trace, {**_columns(name, episode), **(times or {})})
