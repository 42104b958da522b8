"""Imitation by several workers of a Ray cluster, through Ray Train's torch backend (extra `ray`).

Every worker takes its rows of each batch; the first one looks, logs and saves. The run's folder and
the feature cache have to be on a disk that all workers see. A worker that dies takes the group with
it, which starts again from the last checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivelab.agents.learned.trainee import Trainee
from drivelab.errors import ConfigError, MissingExtra, RunError
from drivelab.training.checkpoint import load_facts
from drivelab.training.imitation.lesson import Lesson
from drivelab.training.imitation.loop import Progress, imitate
from drivelab.training.imitation.settings import ImitationSettings, Say
from drivelab.training.ray_cluster import connect
from drivelab.training.run_folder import CHECKPOINT
from drivelab.training.together import Share

try:
    import ray.train
    from ray.train.torch import TorchTrainer
except ImportError as error:
    raise MissingExtra("ray[train]", extra="ray") from error

RESTARTS = 3  # of the whole group, after a worker died


def imitate_on_ray(
    trainee: Trainee, lesson: Lesson, settings: ImitationSettings, launcher: Mapping[str, Any],
    say: Say,
) -> Progress:  # fmt: skip
    """As `imitate`, by `settings.workers` workers; `launcher` is the config of launcher=ray.

    Raises:
        RunError: the workers died more often than they are restarted; the checkpoint is kept.
    """
    connect(launcher["address"], settings.workers * launcher["cpus"], tell=True)
    gpus = float(launcher["gpus"])
    if settings.device.startswith("cuda") and gpus == 0:
        raise ConfigError("device=cuda with launcher=ray: say launcher.gpus=1, a share per worker")
    say(f"{settings.workers} workers on Ray")
    resources = {"CPU": float(launcher["cpus"]), **({"GPU": gpus} if gpus else {})}
    trainer = TorchTrainer(
        _work,
        train_loop_config={
            "trainee": trainee, "lesson": lesson,
            "settings": replace(settings, folder=settings.folder.absolute()),
        },
        scaling_config=ray.train.ScalingConfig(
            num_workers=settings.workers, use_gpu=gpus > 0,
            resources_per_worker=resources,
        ),
        run_config=ray.train.RunConfig(
            storage_path=str((settings.folder / "ray").absolute()),
            failure_config=ray.train.FailureConfig(max_failures=RESTARTS),
        ),
    )  # fmt: skip
    try:
        trainer.fit()
    except Exception as error:  # Ray's own tree of errors differs between its versions
        raise RunError(
            f"the workers ended: {error}; type the same command with run.dir={settings.folder} to "
            "go on from the last checkpoint"
        ) from error
    return _progress(settings.folder)


def _work(config: Mapping[str, Any]) -> None:
    context = ray.train.get_context()
    share = Share(context.get_world_rank(), context.get_world_size())
    settings: ImitationSettings = config["settings"]
    if settings.device.startswith("cuda"):
        from ray.train.torch import get_device

        settings = replace(settings, device=str(get_device()))
    imitate(config["trainee"], config["lesson"], settings, _tell, share)


def _tell(line: str) -> None:
    print(line, flush=True)


def _progress(folder: Path) -> Progress:
    facts = load_facts(folder / CHECKPOINT)
    if facts is None:
        raise RunError(f"{folder}: the workers left no checkpoint; is the folder on their disk?")
    return Progress(**{name: facts[name] for name in Progress.__slots__})
