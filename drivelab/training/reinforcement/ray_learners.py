"""Reinforcement by several learners of a Ray cluster.

Every learner takes its rows of each batch, and all of them the mean gradient. The first one has the
actors that drive, looks at held-out clips and saves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from drivelab.data.actor_resources import check_actor_resources
from drivelab.data.ray_cluster import connect
from drivelab.errors import ConfigError
from drivelab.training.ray_group import own_device, own_share, run_group
from drivelab.training.reinforcement.loop import Progress, learn
from drivelab.training.reinforcement.settings import ReinforcementSettings


def learn_on_ray(
    network: Any,
    course: Any,
    *,
    settings: ReinforcementSettings,
    cluster: Mapping[str, Any] | None,
    **more: Any,
) -> Progress:
    """As `learn`, by `settings.learners` learners, each with a CPU, or a GPU for device=cuda.

    Args:
        network: with the weights to begin with.
        course: what is driven.
        settings: sizes, rates and limits.
        cluster: address, cpus, gpus and ship of the actors that drive.
        more: what else `learn` takes, able to be sent to another process.

    Raises:
        ConfigError: no cluster is told, or it lacks what is asked for.
        RunError: the learners died more often than they are restarted; the checkpoint is kept.
    """
    if cluster is None:
        settings.check_alone()
        raise ConfigError("learn_on_ray without a cluster; one learner needs none: call learn")
    check_actor_resources(cluster["cpus"], cluster["gpus"])
    each = {"CPU": 1.0, **({"GPU": 1.0} if settings.device.startswith("cuda") else {})}
    cpus, gpus = (
        settings.learners * each.get(name, 0.0) + settings.workers * of_actor
        for name, of_actor in (("CPU", cluster["cpus"]), ("GPU", cluster["gpus"]))
    )
    connect(cluster["address"], cpus, gpus, tell=True, ship=cluster["ship"])
    folder = settings.folder.absolute()
    told = {"network": network, "course": course, "cluster": cluster, **more}
    told |= {"settings": replace(settings, folder=folder)}
    facts = run_group(_work, told, folder=folder, workers=settings.learners, resources=each)
    return Progress(**{name: facts[name] for name in Progress.__slots__})


def _work(told: Mapping[str, Any]) -> None:
    share = own_share()
    settings: ReinforcementSettings = told["settings"]
    settings = replace(settings, device=own_device(settings.device))
    say: Callable[[str], None] = told["say"] if share.first else _nothing
    learn(**{**told, "settings": settings, "say": say, "share": share})


def _nothing(line: str) -> None:
    pass
