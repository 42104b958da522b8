"""Make the table of labmini's generated splits: `python -m drivelab.sim.labmini_table [FILE]`.

Every scene's attempts are simulated until one gives a good drive. What is found is written now and
then; started again, it goes on where it was.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from drivelab.sim.labmini_splits import (
    SPLITS,
    TABLE,
    UNKNOWN,
    SceneName,
    find_attempt,
    read_scene_id,
    scene_ids,
)

BETWEEN = 100  # scenes from one writing to the next
WORKERS = 2

Columns = dict[str, np.ndarray]


def make_table(file: Path, *, workers: int = WORKERS, limit: int | None = None) -> int:
    """Fill the table; returns how many scenes it lacks in the end.

    Args:
        file: where it lies, whole or in part, or is to lie.
        workers: processes.
        limit: of scenes looked for in this call.
    """
    columns = read_columns(file)
    lacking = [
        read_scene_id(scene)
        for split in SPLITS
        for scene, attempt in zip(scene_ids(split), columns[f"{split}_attempts"], strict=True)
        if attempt == UNKNOWN
    ]
    wanted = lacking[:limit]
    with get_context("spawn").Pool(workers) as pool:
        found = pool.imap_unordered(_found, wanted, chunksize=4)
        for done, (name, attempt, digest) in enumerate(found, 1):
            columns[f"{name.split}_attempts"][name.index] = attempt
            columns[f"{name.split}_maps"][name.index] = digest
            if done % BETWEEN == 0 or done == len(wanted):
                write_columns(file, columns)
                print(f"{done} of {len(wanted)} scenes", flush=True)
    return len(lacking) - len(wanted)


def read_columns(file: Path) -> Columns:
    """The table as far as it goes; all scenes unknown where there is none."""
    if file.exists():
        with np.load(file) as stored:
            return {name: stored[name] for name in stored.files}
    columns: Columns = {}
    for split, (count, _) in SPLITS.items():
        columns[f"{split}_attempts"] = np.full(count, UNKNOWN, np.uint8)
        columns[f"{split}_maps"] = np.zeros(count, np.uint64)
    return columns


def write_columns(file: Path, columns: Columns) -> None:
    """Write the table in one step: a reader sees the old one or the new one."""
    beside = file.with_suffix(".part.npz")
    np.savez_compressed(beside, allow_pickle=False, **columns)
    os.replace(beside, file)


def _found(name: SceneName) -> tuple[SceneName, int, int]:
    return (name, *find_attempt(name))


if __name__ == "__main__":
    make_table(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / TABLE)
