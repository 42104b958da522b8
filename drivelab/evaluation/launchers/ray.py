"""The Ray launcher: actors of one policy each, on this machine or a cluster.

Only Ray core is used. An actor holds one task at a time; the task of a dead actor is tried again by
a new one (see `after_death`).
"""

from __future__ import annotations

import pickle
import sys
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from drivelab.data.actor_resources import check_actor_resources
from drivelab.errors import ConfigError
from drivelab.evaluation.environment import THREAD_VARIABLES
from drivelab.evaluation.tasks import Outcome, Task, WorkerSpec, after_death
from drivelab.evaluation.workers import AnyWorker, make_worker


class RayWorker:
    """A worker inside an actor."""

    def __init__(self, packed: bytes, search_path: Sequence[str]) -> None:
        # The spec may name modules of the driver's folder: make them importable before unpacking.
        sys.path.extend(folder for folder in search_path if folder not in sys.path)
        self.worker = make_worker(pickle.loads(packed))

    def run(self, task: Task) -> list[Outcome]:
        """Evaluate one task."""
        return self.worker.run(task)


@dataclass(frozen=True, slots=True)
class RayLauncher:
    """Run on Ray actors; starts a cluster on this machine unless one is named."""

    workers: int = 2  # actors
    address: str | None = None  # of a running cluster, e.g. "auto"
    cpus: float = 1.0  # per actor
    gpus: float = 0.0  # per actor
    ship: bool = False  # whether actors are sent the drivelab of this process

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigError(f"workers={self.workers}: expected 1 or more")
        check_actor_resources(self.cpus, self.gpus)

    def run(
        self, spec: WorkerSpec, tasks: Sequence[Task], worker: AnyWorker
    ) -> Generator[list[Outcome], None, None]:
        """Yield outcomes as tasks are done; a cluster started here is shut down at the end."""
        from drivelab.data.ray_cluster import connect, ray

        started = connect(
            self.address, self.workers * self.cpus, self.workers * self.gpus, ship=self.ship
        )
        try:
            yield from self._run(ray, spec, tasks)
        finally:
            if started:
                ray.shutdown()

    def _run(
        self, ray: Any, spec: WorkerSpec, tasks: Sequence[Task]
    ) -> Generator[list[Outcome], None, None]:
        packed = ray.put(pickle.dumps(spec))
        waiting = deque(tasks)
        idle = [self._actor(ray, packed) for _ in range(min(self.workers, len(tasks)))]
        busy: dict[Any, tuple[Any, Task]] = {}
        try:
            while waiting or busy:
                while waiting and idle:
                    actor, task = idle.pop(), waiting.popleft()
                    busy[actor.run.remote(task)] = (actor, task)
                (done,), _ = ray.wait(list(busy), num_returns=1)
                actor, task = busy.pop(done)
                try:
                    outcomes = ray.get(done)
                except (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError) as error:
                    again, outcomes = after_death(task, _reason(error))
                    waiting.extendleft(reversed(again))
                    actor = self._actor(ray, packed)
                idle.append(actor)
                if outcomes:
                    yield outcomes
        finally:
            for actor in [*idle, *(actor for actor, _ in busy.values())]:
                ray.kill(actor)

    def _actor(self, ray: Any, packed: Any) -> Any:
        remote = ray.remote(
            num_cpus=self.cpus,
            num_gpus=self.gpus,
            max_restarts=0,
            runtime_env={"env_vars": dict.fromkeys(THREAD_VARIABLES, "1")},
        )
        return remote(RayWorker).remote(packed, list(sys.path))


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
