"""What a launcher hands to a worker and gets back: picklable records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.data.source import SceneSource
from drivelab.metrics.metric import Event
from drivelab.types import Rollout

OK, FAILED, SKIPPED = "ok", "failed", "skipped"


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """Everything a worker process needs to build its agent, metric and scenes."""

    agent: Mapping[str, Any]
    metric: str
    source: SceneSource
    seed: int
    device: str = "cpu"
    controller: str = ""  # how a closed loop turns plans into motion; empty = plans are scored


@dataclass(frozen=True, slots=True)
class Task:
    """Scenes that meet the agent in one batch.

    The cut of a scene list into tasks depends on nothing but the list and the batch size, so that
    resumed runs and any number of workers give every agent the same batches.
    """

    index: int
    scenes: tuple[str, ...]
    attempt: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """One finished scene: its row, and what the rollout file keeps.

    `modes` are the alternatives that the plan was chosen from, in the ego frame, and `mode_scores`
    what the agent gave them; both only where it tells them.
    """

    scene: str
    row: Mapping[str, Any]
    states: Float[np.ndarray, "t 11"] | None = None
    plan: Float[np.ndarray, "p 3"] | None = None
    plan_dt: float = 0.5
    modes: Float[np.ndarray, "k t 3"] | None = None
    mode_scores: Float[np.ndarray, " k"] | None = None
    events: tuple[Event, ...] = ()  # all, of which the row has the first
    traceback: str = ""
    rollout: Rollout | None = None  # of a closed loop, instead of states and plan


def failed_outcome(
    scene: str, error: str, traceback: str = "", columns: Mapping[str, Any] = MappingProxyType({})
) -> Outcome:
    """The row of a scene that gave no score, with what is known of it in `columns`."""
    row = {**columns, "scene": scene, "status": FAILED, "error": error}
    return Outcome(scene, row, traceback=traceback or error)


def cut_tasks(scenes: tuple[str, ...], batch: int) -> list[Task]:
    """Cut a scene list into consecutive batches."""
    starts = range(0, len(scenes), batch)
    return [Task(i, scenes[start : start + batch]) for i, start in enumerate(starts)]


def after_death(task: Task, reason: str) -> tuple[list[Task], list[Outcome]]:
    """Decide what becomes of the task of a worker that died: run again, or record as failed.

    A task is tried again once as it was (the machine may have been short of memory). If it kills a
    second worker, its scenes go one by one, so that only the scene at fault is lost.
    """
    if task.attempt == 0:
        return [Task(task.index, task.scenes, 1)], []
    if len(task.scenes) > 1:
        return [Task(task.index, (scene,), 1) for scene in task.scenes], []
    return [], [failed_outcome(task.scenes[0], f"the worker died on this scene: {reason}")]
