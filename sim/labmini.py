"""Make the embedded split: which families, how many logs of each, which seed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from drivelab.data.labmini import write_labmini
from drivelab.data.recorded_log import RecordedLog
from drivelab.sim.generator import FAMILIES, generate_log

SEED = 20240601
LOGS = 100  # of two scenes each


def labmini_plan() -> tuple[tuple[str, int], ...]:
    """(family, index) of every log: the families take turns until there are enough."""
    names = tuple(FAMILIES)
    return tuple((names[index % len(names)], index) for index in range(LOGS))


def labmini_logs(seed: int = SEED) -> Iterator[RecordedLog]:
    """Generate the logs of the split one after the other."""
    for family, index in labmini_plan():
        yield generate_log(family, seed, index=index)


def make_labmini(path: str | Path, seed: int = SEED) -> int:
    """Write the split to a file; returns the number of scenes."""
    logs = sorted(labmini_logs(seed), key=lambda log: log.name)
    write_labmini(path, logs)
    return sum(len(log.starts) for log in logs)
