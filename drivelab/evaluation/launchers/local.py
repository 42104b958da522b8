"""The local launcher: this process, or several of one thread each."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from drivelab.errors import ConfigError
from drivelab.evaluation.launchers.processes import run_in_processes
from drivelab.evaluation.tasks import Outcome, Task, WorkerSpec
from drivelab.evaluation.workers import AnyWorker


@dataclass(frozen=True, slots=True)
class LocalLauncher:
    """Run on this machine with `workers` processes; one worker runs in this very process."""

    workers: int = 1

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigError(f"workers={self.workers}: expected 1 or more")

    def run(
        self, spec: WorkerSpec, tasks: Sequence[Task], worker: AnyWorker
    ) -> Generator[list[Outcome], None, None]:
        """Yield outcomes as tasks are done."""
        count = min(self.workers, len(tasks))
        if count > 1:
            yield from run_in_processes(spec, tasks, count)
            return
        for task in tasks:
            yield worker.run(task)
