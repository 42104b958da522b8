"""Which worker does a job: one that scores plans, or one that drives in closed loop."""

from __future__ import annotations

from typing import Any, Protocol

from drivelab.evaluation.summary import AnyMetric
from drivelab.evaluation.tasks import Outcome, Task, WorkerSpec
from drivelab.types import Agent


class AnyWorker(Protocol):
    """Holds an agent and a metric; turns tasks into outcomes."""

    agent: Agent
    source: Any  # of its scenes or episodes

    @property
    def metric(self) -> AnyMetric:
        """What the scenes are scored by."""

    def run(self, task: Task) -> list[Outcome]:
        """Evaluate the scenes of one task, in order."""


def make_worker(spec: WorkerSpec) -> AnyWorker:
    """The worker of a spec; a closed loop needs the world, which others do not import."""
    if spec.controller:
        from drivelab.evaluation.driving_worker import DrivingWorker

        return DrivingWorker(spec)
    from drivelab.evaluation.worker import Worker

    return Worker(spec)
