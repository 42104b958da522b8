"""A group of workers that learn together: Ray Train's torch backend (extra `ray`).

What they learn is kept in the run's folder, which has to be on a disk that all of them see. A
worker that dies takes the group with it, which starts again from the last checkpoint; an error that
drivelab tells would come again, and ends the run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from drivelab.errors import DrivelabError, MissingExtra, RunError
from drivelab.training.checkpoint import load_facts
from drivelab.training.run_folder import CHECKPOINT
from drivelab.training.together import Share

try:
    import ray.train
    from ray.train.torch import TorchTrainer, get_device
except ImportError as error:
    raise MissingExtra("ray[train]", extra="ray") from error

RESTARTS = 3  # of the whole group, after a worker died
_NOTE = "error.txt"  # in the run's folder: what a worker could not do


def run_group(
    work: Callable[[Mapping[str, Any]], None],
    told: Mapping[str, Any],
    *,
    folder: Path,
    workers: int,
    resources: Mapping[str, float],
) -> dict[str, Any]:
    """Let every worker do `work(told)` and give the facts of the checkpoint that they left.

    Args:
        work: what a worker does; it asks `own_share` which part is its own.
        told: the same for all, able to be sent to another process.
        folder: of the run.
        workers: in the group.
        resources: of each, e.g. {"CPU": 1, "GPU": 1}.

    Raises:
        RunError: a worker told an error; they died more often than they are started again; or they
            left no checkpoint.
    """
    note = (folder / _NOTE).absolute()
    for left in reversed(range(RESTARTS + 1)):
        note.unlink(missing_ok=True)
        trainer = TorchTrainer(
            partial(_telling, work, note),
            train_loop_config=dict(told),
            scaling_config=ray.train.ScalingConfig(
                num_workers=workers,
                use_gpu=resources.get("GPU", 0) > 0,
                resources_per_worker=dict(resources),
            ),
            run_config=ray.train.RunConfig(storage_path=str((folder / "ray").absolute())),
        )
        try:
            trainer.fit()
            break
        except Exception as error:  # Ray's own tree of errors differs between its versions
            if note.is_file():
                why = note.read_text()
                note.unlink()
                raise RunError(why) from error
            if not left:
                raise RunError(
                    f"the workers ended: {error}; type the same command with run.dir={folder} to "
                    "go on from the last checkpoint"
                ) from error
    facts = load_facts(folder / CHECKPOINT)
    if facts is None:
        raise RunError(f"{folder}: the workers left no checkpoint; is the folder on their disk?")
    return facts


def _telling(
    work: Callable[[Mapping[str, Any]], None], note: Path, told: Mapping[str, Any]
) -> None:
    """In a worker: leave word of an error that would come again."""
    try:
        work(told)
    except DrivelabError as error:
        note.write_text(str(error))
        raise


def own_share() -> Share:
    """Which part of every batch the worker takes that asks."""
    context = ray.train.get_context()
    return Share(context.get_world_rank(), context.get_world_size())


def own_device(asked: str) -> str:
    """The GPU that Ray gave the worker that asks, where one was asked for."""
    return str(get_device()) if asked.startswith("cuda") else asked
