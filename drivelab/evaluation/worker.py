"""One worker: scenes -> observations -> plans -> scores, a batch at a time.

Whatever goes wrong with one scene becomes one failed row with its traceback; the others go on.
"""

from __future__ import annotations

import random
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from drivelab.data.observation import build_observation
from drivelab.errors import ConfigError
from drivelab.evaluation.plan_check import check_answer, check_plan
from drivelab.evaluation.plan_modes import modes_of
from drivelab.evaluation.tasks import OK, Outcome, Task, WorkerSpec, failed_outcome
from drivelab.metrics.metric import Metric, SceneScore
from drivelab.metrics.metric_names import find_metric
from drivelab.registry import build
from drivelab.types import Agent, Observation, Plan, Scene

STATE_STEP = 0.1  # spacing of the simulated states [s]
# SystemExit too: an agent that calls sys.exit must not end the run.
AGENT_FAULTS = (Exception, SystemExit)


@dataclass(slots=True)
class _Item:
    """A scene on its way through the worker."""

    id: str
    scene: Scene | None = None
    observation: Observation | None = None
    plan: Plan | None = None
    error: str = ""
    trace: str = ""
    time_load: float = 0.0
    time_act: float = 0.0
    time_score: float = 0.0

    def fail(self, error: BaseException) -> None:
        raise_if_interrupted(error)
        text = " ".join(str(error).split())
        self.error = writable(f"{type(error).__name__}: {text}"[:400])
        self.trace = writable("".join(traceback.format_exception(error)))


class Worker:
    """Holds one agent, one metric and one scene source."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.source: Any = spec.source
        self.metric: Metric = _plan_metric(spec.metric)
        self.agent: Agent = build(spec.agent, device=spec.device, seed=spec.seed)
        self.seed = spec.seed

    def run(self, task: Task) -> list[Outcome]:
        """Evaluate the scenes of one task, in order."""
        items = [self._observe(scene_id) for scene_id in task.scenes]
        ready = [item for item in items if not item.error]
        if ready:
            self._act(ready, task.index)
        return [self._score(item) for item in items]

    def _observe(self, scene_id: str) -> _Item:
        item = _Item(scene_id)
        start = perf_counter()
        try:
            item.scene = self.source.load(scene_id)
            item.observation = build_observation(item.scene, self.agent.rig)
        except AGENT_FAULTS as error:
            item.fail(error)
        item.time_load = milliseconds(start)
        return item

    def _act(self, items: Sequence[_Item], index: int) -> None:
        start = perf_counter()
        seed_libraries(self.seed, index)
        try:
            plans = check_answer(self.agent.act([_seen(item) for item in items]), len(items))
        except AGENT_FAULTS as error:
            raise_if_interrupted(error)
            if len(items) > 1:
                for item in items:  # one by one: only the scene at fault fails
                    self._act([item], index)
            else:
                items[0].fail(error)
                items[0].time_act = milliseconds(start)
            return
        share = milliseconds(start) / len(items)
        for item, plan in zip(items, plans, strict=True):
            item.time_act = share
            try:
                item.plan = check_plan(plan)
            except AGENT_FAULTS as error:
                item.fail(error)

    def _score(self, item: _Item) -> Outcome:
        scene, plan = item.scene, item.plan
        start = perf_counter()
        if scene is not None and plan is not None:
            try:
                prepared = self.metric.prepare(scene)
                score = self.metric.score(prepared, plan.poses[None], plan.dt)[0]
            except AGENT_FAULTS as error:
                item.fail(error)
            else:
                item.time_score = milliseconds(start)
                row = {**_scene_columns(item), **score_columns(score)}
                kept = (score.states, plan.poses, plan.dt, *modes_of(plan))
                return Outcome(item.id, row, *kept, events=tuple(score.events))
        item.time_score = milliseconds(start)
        return failed_outcome(item.id, item.error, item.trace, _scene_columns(item))


def _plan_metric(name: str) -> Metric:
    metric = find_metric(name)
    if not isinstance(metric, Metric):
        raise ConfigError(
            f"{name} scores rollouts of a closed loop, this bench scores single plans; its scores "
            "are those of `drivelab list metric` that are not marked closed-loop"
        )
    return metric


def raise_if_interrupted(error: BaseException) -> None:
    """Ctrl-C stays Ctrl-C: compiled code wraps it into errors of its own."""
    link: BaseException | None = error
    while link is not None:
        if isinstance(link, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        link = link.__cause__ or link.__context__


def writable(text: str) -> str:
    """The text as UTF-8 can hold it: errors of others may quote undecodable bytes."""
    return text.encode(errors="backslashreplace").decode()


def seed_libraries(seed: int, index: int) -> None:
    """Give every batch its own stream of the global generators, whoever runs it."""
    state = int(np.random.SeedSequence([seed, index]).generate_state(1)[0])
    random.seed(state)
    np.random.seed(state)  # noqa: NPY002 - agents of others draw from the global generator
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(state)


def _seen(item: _Item) -> Observation:
    if item.observation is None:
        raise RuntimeError(f"scene {item.id} has no observation")
    return item.observation


def milliseconds(start: float) -> float:
    """Time since `start` by `perf_counter` [ms]."""
    return (perf_counter() - start) * 1e3


def _scene_columns(item: _Item) -> dict[str, Any]:
    scene = item.scene
    return {
        "scene": item.id,
        "family": scene.family if scene else "",
        "log": scene.log if scene else "",
        "time": scene.time if scene else None,
        "time_load": item.time_load,
        "time_act": item.time_act,
        "time_score": item.time_score,
    }


def score_columns(score: SceneScore) -> dict[str, Any]:
    """A score as columns of a row, with its first event."""
    row: dict[str, Any] = {"status": OK, "score": float(score.score)}
    row.update({name: float(value) for name, value in score.subscores.items()})
    row.update(score.details)
    if score.events:
        first = min(score.events, key=lambda event: event.step)
        row.update(
            first_kind=first.kind,
            first_step=int(first.step),
            first_time=first.step * STATE_STEP,
            first_actor=first.actor,
            first_detail=first.detail,
            first_margin=float(first.margin),
        )
    return row
