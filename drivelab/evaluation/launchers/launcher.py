"""What every launcher looks like from outside."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from drivelab.evaluation.tasks import Outcome, Task, WorkerSpec
from drivelab.evaluation.workers import AnyWorker


class Launcher(Protocol):
    """Runs tasks somewhere and hands back their outcomes as they are done, in any order.

    At most one task per worker is in flight, so memory does not grow with the number of scenes.
    """

    def run(
        self, spec: WorkerSpec, tasks: Sequence[Task], worker: AnyWorker
    ) -> Generator[list[Outcome], None, None]:
        """Run all tasks; `worker` was made from `spec` in this process and may be used."""
