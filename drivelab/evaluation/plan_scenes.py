"""Plans without scores: an agent over the scenes of a source, as a run would ask it.

The cut into batches and the seeds are those of `drivelab eval`, and so are the plans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from drivelab.data.observation import build_observation
from drivelab.data.source import SceneSource
from drivelab.evaluation.monitor import Monitor
from drivelab.evaluation.plan_check import check_answer, check_plan
from drivelab.evaluation.tasks import cut_tasks
from drivelab.evaluation.worker import AGENT_FAULTS, raise_if_interrupted, seed_libraries
from drivelab.types import Agent, Observation, Plan


@dataclass(frozen=True, slots=True)
class PlannedScenes:
    """Checked plans by scene, and for each scene without one the reason."""

    plans: Mapping[str, Plan]
    failures: Mapping[str, str]


def plan_scenes(
    agent: Agent,
    source: SceneSource,
    scenes: Sequence[str],
    monitor: Monitor,
    *,
    seed: int,
    batch: int,
) -> PlannedScenes:
    """Ask the agent about every scene; what goes wrong with one scene fails that one alone."""
    plans: dict[str, Plan] = {}
    failures: dict[str, str] = {}
    monitor.start(len(scenes), 0)
    try:
        for task in cut_tasks(tuple(scenes), batch):
            seen = _observe(agent, source, task.scenes, failures)
            if seen:
                _act(agent, seen, (seed, task.index), plans, failures)
            failed = sum(scene in failures for scene in task.scenes)
            monitor.advance(len(task.scenes), failed)
    finally:
        monitor.stop()
    return PlannedScenes(plans, failures)


def _observe(
    agent: Agent, source: SceneSource, scenes: Sequence[str], failures: dict[str, str]
) -> dict[str, Observation]:
    seen = {}
    for scene in scenes:
        try:
            seen[scene] = build_observation(source.load(scene), agent.rig)
        except AGENT_FAULTS as error:
            failures[scene] = _told(error)
    return seen


def _act(
    agent: Agent,
    seen: Mapping[str, Observation],
    seeds: tuple[int, int],
    plans: dict[str, Plan],
    failures: dict[str, str],
) -> None:
    seed_libraries(*seeds)
    try:
        answer = check_answer(agent.act(list(seen.values())), len(seen))
    except AGENT_FAULTS as error:
        reason = _told(error)
        if len(seen) > 1:
            for scene, observation in seen.items():  # one by one: only that at fault fails
                _act(agent, {scene: observation}, seeds, plans, failures)
        else:
            failures.update(dict.fromkeys(seen, reason))
        return
    for scene, plan in zip(seen, answer, strict=True):
        try:
            plans[scene] = check_plan(plan)
        except AGENT_FAULTS as error:
            failures[scene] = _told(error)


def _told(error: BaseException) -> str:
    raise_if_interrupted(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
