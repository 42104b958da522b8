"""Reinforcement by several learners of a Ray cluster, through Ray Train's torch backend.

Every learner takes its rows of each batch, and all of them the mean gradient. The first one has the
actors that drive, looks at held-out clips and saves; the run's folder has to be on a disk that all
see. A learner that dies takes the group with it, which starts again from the last checkpoint.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from drivelab.errors import ConfigError, MissingExtra, RunError
from drivelab.training.checkpoint import load_facts
from drivelab.training.ray_cluster import connect
from drivelab.training.reinforcement.loop import Progress, learn
from drivelab.training.reinforcement.settings import ReinforcementSettings
from drivelab.training.run_folder import CHECKPOINT
from drivelab.training.together import Share

try:
    import ray.train
    from ray.train.torch import TorchTrainer
except ImportError as error:
    raise MissingExtra("ray[train]", extra="ray") from error

RESTARTS = 3  # of the whole group, after a learner died


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
        cluster: address, cpus and gpus of the actors that drive.
        more: what else `learn` takes, able to be sent to another process.

    Raises:
        ConfigError: no cluster is told.
        RunError: the learners died more often than they are restarted; the checkpoint is kept.
    """
    if cluster is None:
        settings.check_alone()
        raise ConfigError("learn_on_ray without a cluster; one learner needs none: call learn")
    actors = settings.workers * cluster["cpus"]
    connect(cluster["address"], settings.learners + actors, tell=True)
    folder = settings.folder.absolute()
    told = {"network": network, "course": course, "cluster": cluster, **more}
    told |= {"settings": replace(settings, folder=folder)}
    trainer = TorchTrainer(
        _work,
        train_loop_config=told,
        scaling_config=ray.train.ScalingConfig(
            num_workers=settings.learners, use_gpu=settings.device.startswith("cuda")
        ),
        run_config=ray.train.RunConfig(
            storage_path=str(folder / "ray"),
            failure_config=ray.train.FailureConfig(max_failures=RESTARTS),
        ),
    )
    try:
        trainer.fit()
    except Exception as error:  # Ray's own tree of errors differs between its versions
        raise RunError(
            f"the learners ended: {error}; type the same command with run.dir={folder} to go on "
            "from the last checkpoint"
        ) from error
    facts = load_facts(folder / CHECKPOINT)
    if facts is None:
        raise RunError(f"{folder}: the learners left no checkpoint; is the folder on their disk?")
    return Progress(**{name: facts[name] for name in Progress.__slots__})


def _work(told: Mapping[str, Any]) -> None:
    context = ray.train.get_context()
    share = Share(context.get_world_rank(), context.get_world_size())
    settings: ReinforcementSettings = told["settings"]
    if settings.device.startswith("cuda"):
        from ray.train.torch import get_device

        settings = replace(settings, device=str(get_device()))
    say: Callable[[str], None] = told["say"] if share.first else _nothing
    learn(**{**told, "settings": settings, "say": say, "share": share})


def _nothing(line: str) -> None:
    pass
