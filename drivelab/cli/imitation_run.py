"""One run of imitation from the command line: features, learning, curve, summary."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivelab.agents.learned.driver import check_device
from drivelab.agents.learned.trainee import Trainee
from drivelab.agents.learned.weights import weights_file
from drivelab.cli.compose import NAMES
from drivelab.cli.console import speaker
from drivelab.cli.train_result import print_imitation
from drivelab.cli.typed_options import typed_options
from drivelab.data.actor_resources import check_actor_resources
from drivelab.errors import ConfigError, DataError, RunError
from drivelab.registry import TARGET, build, load_object
from drivelab.training.checkpoint import load_facts
from drivelab.training.imitation import ImitationSettings, Lesson, imitate
from drivelab.training.imitation.anchors import (
    cluster,
    load_anchors,
    save_anchors,
    trajectories_of,
)
from drivelab.training.imitation.curves import check_curves
from drivelab.training.imitation.loop import BEST, Progress
from drivelab.training.imitation.settings import Say
from drivelab.training.imitation.start import take_weights
from drivelab.training.run_folder import (
    CHECKPOINT,
    SUMMARY,
    new_folder,
    open_folder,
    read_progress,
    write_json,
)

Learn = Callable[[Trainee, Lesson, ImitationSettings, Mapping[str, Any], Say], Progress]
ANCHORS = "anchors.npy"  # in the run's folder: what the network was taught with
# Options that change nothing of what is learnt: a run goes on with others.
_PASSING = (
    "quiet", "builders", "loaders", "minutes", "run", "cache", "save_every", "curves", "launcher",
)  # fmt: skip


def imitate_config(config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    from drivelab.evaluation.run_folder import run_lock

    names = config[NAMES]
    folder = Path(config["run"]["dir"] or new_folder(
        Path(config["run"]["root"]), names["agent"], names["data"]
    ))  # fmt: skip
    settings = settings_of(config, folder)
    say: Say = speaker(config)
    # What can be refused is refused before the folder is made and features take their time.
    check_device(settings.device)
    check_curves(settings.curves)
    learn = _way(names["launcher"], config["launcher"], settings)
    trainee = trainee_of(config["agent"], names["agent"], settings.seed)
    told = _prepared(config, trainee, folder)
    lesson = lesson_of(config, trainee.sight, settings.validation)
    lesson.updates(settings.batch * settings.accumulate)
    open_folder(folder, {key: value for key, value in config.items() if key not in _PASSING})
    with run_lock(folder):
        if (folder / SUMMARY).is_file():
            say(f"this run is finished: {folder}")
            return _shown(folder)
        say(f"run: {folder}")
        for line in told:
            say(line)
        try:
            return _taught(config, trainee, lesson, settings, learn, say)
        except KeyboardInterrupt:
            say(f"interrupted: the same command with run.dir={folder} goes on from what is kept")
            raise


def _taught(
    config: Mapping[str, Any], trainee: Trainee, lesson: Lesson, settings: ImitationSettings,
    learn: Learn, say: Say,
) -> int:  # fmt: skip
    from drivelab.evaluation.environment import describe_environment

    folder = settings.folder
    write_json(folder / "env.json", describe_environment(settings.seed))
    lesson = filled(lesson, int(config["builders"]), say)
    if trainee.set_anchors is not None:
        _set_anchors(config, trainee, lesson, folder)
    progress = learn(trainee, lesson, settings, config["launcher"], say)
    over = progress.epoch >= settings.epochs or progress.since >= (settings.patience or 10**9)
    if not over:
        say(f"paused after {progress.seconds / 60:.0f} min: the same command with "
            f"run.dir={folder} goes on")  # fmt: skip
        return 0
    summary = _summary(config, trainee, lesson, settings)
    _draw(folder)
    write_json(folder / SUMMARY, summary)  # last: a run with a summary is finished
    return _shown(folder)


def _shown(folder: Path) -> int:
    """Print the result of a finished run."""
    file = folder / SUMMARY
    try:
        print_imitation(json.loads(file.read_text()), folder)
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{file} is damaged ({error}); remove it and type the command again to write it anew"
        ) from error
    return 0


def _prepared(config: Mapping[str, Any], trainee: Trainee, folder: Path) -> list[str]:
    """Give the network what it begins with, unless the run has begun; lines that say so."""
    anchors, take = config["anchors"], trainee.set_anchors
    if anchors and take is None:
        raise ConfigError(
            f"anchors={anchors}: agent={config[NAMES]['agent']} takes none, or brings its own in "
            "agent.checkpoint; leave it out"
        )
    start = trainee.start if config["start"] == "auto" else config["start"]
    if (folder / SUMMARY).is_file() or load_facts(folder / CHECKPOINT) is not None:
        return []  # everything is in the checkpoint; the files may be gone by now
    if anchors and take is not None:
        _give(take, load_anchors(Path(anchors)), f"anchors={anchors}")
    return [take_weights(trainee.network, weights_file(str(start)))] if start else []


def _give(take: Callable[[Any], None], anchors: Any, where: str) -> None:
    import torch

    try:
        take(torch.from_numpy(anchors).float())
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def settings_of(config: Mapping[str, Any], folder: Path) -> ImitationSettings:
    """The settings of a composed config, numbers checked.

    Raises:
        ConfigError: an option is of another type, or out of its range.
    """
    return ImitationSettings(folder, **typed_options(ImitationSettings, config))


def trainee_of(agent: Mapping[str, Any], name: str, seed: int) -> Trainee:
    """The network behind an agent's config, with weights drawn by the seed.

    Raises:
        ConfigError: the agent has none to teach.
    """
    import torch

    kind = load_object(str(agent[TARGET]))
    if not callable(getattr(kind, "trainee", None)):
        raise ConfigError(
            f"agent={name}: nothing to teach, {kind.__name__} has no `trainee` (see the cards of "
            "diffusiondrive, transfuser and ego_mlp); what learns by driving has a recipe: "
            "'drivelab train recipe=rad'"
        )
    torch.manual_seed(seed)
    trainee: Trainee = kind.trainee(**{k: v for k, v in agent.items() if k != TARGET})
    return trainee


def lesson_of(config: Mapping[str, Any], sight: Any, tried: int) -> Lesson:
    """The scenes of a composed config as a network of this sight looks at them."""
    limit, cache = config["limit"], config["cache"]
    if limit is not None and not (type(limit) is int and limit > 0):
        raise ConfigError(f"limit={limit!r}: expected a whole number above 0, or null")
    builders = config["builders"]
    if not (type(builders) is int and builders >= 0):
        raise ConfigError(f"builders={builders!r}: expected a whole number, 0 or more")
    lesson: Lesson = build(config["data"]).lesson(
        sight, cache=Path(cache) if cache else None, limit=limit, tried=tried
    )
    return lesson


def filled(lesson: Lesson, builders: int, say: Say) -> Lesson:
    """The lesson with all its features built; scenes that cannot be built are left out."""
    say(f"features: {lesson.train.store.folder}")
    lost = lesson.train.fill(lesson.train_ids, workers=builders, say=say).failed
    missed = lesson.validation.fill(lesson.validation_ids, workers=builders, say=say).failed
    for kind, ids, failed in (
        ("training", lesson.train_ids, lost), ("validation", lesson.validation_ids, missed),
    ):  # fmt: skip
        if len(failed) == len(ids):
            why = next(iter(failed.values()), "there are none")
            raise DataError(f"no {kind} scene can be used: {why}")
    return replace(
        lesson,
        train_ids=tuple(scene for scene in lesson.train_ids if scene not in lost),
        validation_ids=tuple(scene for scene in lesson.validation_ids if scene not in missed),
    )


def _set_anchors(config: Mapping[str, Any], trainee: Trainee, lesson: Lesson, folder: Path) -> None:
    file = folder / ANCHORS
    if file.is_file():
        found = load_anchors(file)
    elif config["anchors"]:
        found = load_anchors(Path(config["anchors"]))
    else:
        modes = trainee.network.config.modes
        found = cluster(trajectories_of(lesson.train, lesson.train_ids), modes)
    assert trainee.set_anchors is not None
    _give(trainee.set_anchors, found, str(file))
    save_anchors(found, file)


def _way(launcher: str, workers: Mapping[str, Any], settings: ImitationSettings) -> Learn:
    """How it is learnt: in this process, or by workers of Ray."""
    if launcher != "local":
        check_actor_resources(workers["cpus"], workers["gpus"])
        from drivelab.training.imitation.ray_workers import imitate_on_ray

        return imitate_on_ray
    if settings.workers > 1:
        raise ConfigError(f"workers={settings.workers} share a batch through Ray: add launcher=ray")
    return lambda trainee, lesson, settings, _, say: imitate(trainee, lesson, settings, say)


def _summary(
    config: Mapping[str, Any], trainee: Trainee, lesson: Lesson, settings: ImitationSettings
) -> dict[str, Any]:
    from drivelab.evaluation.fingerprint import versions

    names = config[NAMES]
    rows = read_progress(settings.folder)
    best = max(rows, key=lambda row: row["validation"]["pdms"])
    weights = settings.folder / BEST
    return {
        "schema": 1,
        "verb": "train",
        "agent": _typed(names["agent"], str(config["agent"][TARGET])),
        "preset": trainee.preset,
        "data": names["data"],
        "train": lesson.train.recipe.source.label,
        "train_scenes": len(lesson.train_ids),
        "validation": lesson.validation.recipe.source.label,
        "validation_scenes": best.get("validation_scenes", len(lesson.validation_ids)),
        "parameters": sum(p.numel() for p in trainee.network.parameters()),
        "seed": settings.seed,
        "epochs": rows[-1]["epoch"],
        "updates": rows[-1]["updates"],
        "minutes": round(rows[-1]["seconds"] / 60.0, 2),
        "best": {"epoch": best["epoch"], **best["validation"]},
        "weights": BEST,
        "weights_sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        "versions": versions(),
    }


def _typed(name: str, target: str) -> str:
    """The agent as it is typed: a class of the user's own goes by module and name."""
    return target if name == target.replace(":", ".").rpartition(".")[2] else name


def _draw(folder: Path) -> None:
    from drivelab.reports.imitation_curve import draw_imitation_curve

    draw_imitation_curve(read_progress(folder), folder / "curve.png")
