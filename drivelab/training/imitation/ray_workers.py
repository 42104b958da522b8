"""Imitation by several workers of a Ray cluster.

Every worker takes its rows of each batch; the first one looks, logs and saves. The feature cache
has to be on a disk that all workers see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from drivelab.agents.learned.trainee import Trainee
from drivelab.data.actor_resources import check_actor_resources
from drivelab.data.ray_cluster import connect
from drivelab.errors import ConfigError
from drivelab.training.imitation.lesson import Lesson
from drivelab.training.imitation.loop import Progress, imitate
from drivelab.training.imitation.settings import ImitationSettings, Say
from drivelab.training.ray_group import own_device, own_share, run_group


def imitate_on_ray(
    trainee: Trainee, lesson: Lesson, settings: ImitationSettings, launcher: Mapping[str, Any],
    say: Say,
) -> Progress:  # fmt: skip
    """As `imitate`, by `settings.workers` workers; `launcher` is the config of launcher=ray.

    Raises:
        ConfigError: resources that cannot be, or a cluster that is not there.
        RunError: the workers died more often than they are restarted; the checkpoint is kept.
    """
    check_actor_resources(launcher["cpus"], launcher["gpus"])
    gpus = float(launcher["gpus"])
    if settings.device.startswith("cuda") and gpus == 0:
        raise ConfigError("device=cuda with launcher=ray: say launcher.gpus=1, a share per worker")
    connect(launcher["address"], settings.workers * launcher["cpus"], settings.workers * gpus,
            tell=True, ship=launcher["ship"])  # fmt: skip
    say(f"{settings.workers} workers on Ray")
    resources = {"CPU": float(launcher["cpus"]), **({"GPU": gpus} if gpus else {})}
    told = {"trainee": trainee, "lesson": lesson,
            "settings": replace(settings, folder=settings.folder.absolute())}  # fmt: skip
    facts = run_group(
        _work, told, folder=settings.folder, workers=settings.workers, resources=resources
    )
    return Progress(**{name: facts[name] for name in Progress.__slots__})


def _work(told: Mapping[str, Any]) -> None:
    settings: ImitationSettings = told["settings"]
    settings = replace(settings, device=own_device(settings.device))
    imitate(told["trainee"], told["lesson"], settings, _tell, own_share())


def _tell(line: str) -> None:
    print(line, flush=True)
