"""One run of reinforcement learning from the command line: learning, last test, curve, summary."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from drivelab.cli.compose import NAMES
from drivelab.cli.console import speaker
from drivelab.cli.reinforcement_test import report_run, results_of, show_look, try_weights
from drivelab.cli.train_result import print_reinforcement
from drivelab.cli.typed_options import typed_options
from drivelab.data.actor_resources import check_actor_resources, check_gpus
from drivelab.errors import ConfigError, RunError
from drivelab.registry import build
from drivelab.training.run_folder import (
    PROGRESS,
    SUMMARY,
    check_folder,
    new_folder,
    open_folder,
    read_progress,
    write_json,
)

PICTURES = {"rig": None, "scale": None, "weather": "day", "keep": None}  # unless it is told
VOCABULARY = "vocabulary.npy"  # in the run's folder, where the actions are entries of one
# Options that change nothing of what is learnt: a run goes on with others.
_PASSING = ("quiet", "minutes", "run", "launcher", "workers", "curves", "threads", "device")


def reinforce_config(config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    from drivelab.agents.vadv2.vocabulary import save_vocabulary
    from drivelab.evaluation.run_folder import run_lock

    names = config[NAMES]
    folder = Path(config["run"]["dir"] or new_folder(
        Path(config["run"]["root"]), f"{names['recipe']}-{config['mode']}", str(config["obs"])
    ))  # fmt: skip
    settings = settings_of(config, folder)
    if not isinstance(config["guarded"], bool):
        raise ConfigError(f"guarded={config['guarded']}: expected true or false")
    say = speaker(config)
    recipe, cluster = build(config["recipe"]), cluster_of(config)
    _check_observations(config, recipe)
    start, entries = Path(config["start"]) if config["start"] else None, folder / VOCABULARY
    seen = _seen(config, recipe, start)
    course, tested = course_of(config, "train", seen), course_of(config, "test", seen)
    course.check(settings)
    trials = config["trials"]
    if type(trials) is not int or not 1 <= trials <= tested.size:
        raise ConfigError(f"trials={trials!r}: expected 1 to {tested.size} test clips")
    _check_machine(settings, cluster)
    lasting = _lasting(config, seen)
    check_folder(folder, lasting)
    say(f"run: {folder}")
    learnt = replace(course, size=settings.clips)  # what is held out makes no vocabulary
    network, pupil = recipe.begin(settings, start, learnt, entries, say)
    course, tested = course.with_action(pupil.action), tested.with_action(pupil.action)
    open_folder(folder, lasting)  # only now: who mistyped an option may type the same folder again
    if pupil.vocabulary is not None:
        save_vocabulary(pupil.vocabulary, entries)
    teach = partial(_learner_of(settings), network, course, pupil=pupil, cluster=cluster)
    with run_lock(folder):
        return _taught(config, teach, recipe, pupil, tested, settings, say)


def _lasting(config: Mapping[str, Any], seen: Any) -> dict[str, Any]:
    """The options that decide what is learnt, as the run folder keeps them."""
    lasting = {key: value for key, value in config.items() if key not in _PASSING}
    if seen is None:
        del lasting["pictures"]  # of which nothing was used
    else:
        lasting["pictures"] = {**config["pictures"], "keep": None}  # the same streets everywhere
    names = config[NAMES]
    return {**lasting, NAMES: {k: name for k, name in names.items() if k not in _PASSING}}


def _check_machine(settings: Any, cluster: Mapping[str, Any] | None) -> None:
    """Refuse a device or workers that there are not, before anything is driven.

    Raises:
        ConfigError: the device is not here, no cluster was asked for, none is at its address, or
            its actors ask for what cannot be.
        MissingExtra: a cluster without Ray.
    """
    import torch

    from drivelab.agents.learned.driver import check_device

    if settings.learners == 1:  # several look for it where they are
        check_device(settings.device)
    if cluster is None:
        settings.check_alone()
        return
    settings.check_cluster()
    check_actor_resources(cluster["cpus"], cluster["gpus"])
    from drivelab.data.ray_cluster import connect

    if cluster["address"]:
        connect(cluster["address"], 0.0, tell=settings.learners > 1, ship=cluster["ship"])
    else:
        check_gpus(settings.workers * cluster["gpus"], torch.cuda.device_count())


def _check_observations(config: Mapping[str, Any], recipe: Any) -> None:
    """Refuse what the recipe does not look at."""
    asked = str(config["obs"])
    known = getattr(recipe, "observations", ("vector",))
    if asked not in known:
        name = config[NAMES]["recipe"]
        raise ConfigError(f"obs={asked}: recipe={name} learns from obs={' or '.join(known)}")


def _taught(
    config: Mapping[str, Any],
    teach: Callable[..., Any],
    recipe: Any,
    pupil: Any,
    tested: Any,
    settings: Any,
    say: Callable[[str], None],
) -> int:
    from drivelab.evaluation.environment import describe_environment

    folder = settings.folder
    if (folder / SUMMARY).is_file():
        say(f"this run is finished: {folder}")
        _show_finished(folder)
        return 0
    write_json(folder / "env.json", describe_environment(settings.seed))
    show = partial(show_look, folder)
    progress = teach(settings=settings, objective=recipe.objective(), say=say, show=show)
    if progress.rounds < settings.total:
        say(f"paused after {progress.seconds / 60:.0f} min: the same command with "
            f"run.dir={folder} goes on")  # fmt: skip
        return 0
    say(f"testing on {config['trials']} unseen clips")
    files = _files(config, folder, recipe)
    looks = try_weights(files, pupil, tested, config["trials"])
    summary = _summary(config, settings, results_of(looks, files))
    report_run(folder, summary, looks)
    write_json(folder / SUMMARY, summary)  # last: a run with a summary is finished
    print_reinforcement(summary, folder)
    return 0


def _learner_of(settings: Any) -> Callable[..., Any]:
    """What teaches: this process, or several on a cluster."""
    if settings.learners == 1:
        from drivelab.training.reinforcement.loop import learn

        return learn
    from drivelab.training.reinforcement.ray_learners import learn_on_ray

    return learn_on_ray


def _show_finished(folder: Path) -> None:
    """Print the summary of a run that came to its end.

    Raises:
        RunError: it is damaged.
    """
    file = folder / SUMMARY
    try:
        print_reinforcement(json.loads(file.read_text()), folder)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{file} is damaged ({type(error).__name__}: {error}): remove it, and the same command "
            "tests the weights again and writes it"
        ) from error


def settings_of(config: Mapping[str, Any], folder: Path) -> Any:
    """The settings of a composed config, numbers checked.

    Raises:
        ConfigError: an option is of another type, or out of its range.
    """
    from drivelab.training.reinforcement.settings import ReinforcementSettings

    return ReinforcementSettings(folder, **typed_options(ReinforcementSettings, config))


def cluster_of(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where actors of launcher=ray live; None: this process drives."""
    if config[NAMES]["launcher"] == "local":
        return None
    return {name: config["launcher"][name] for name in ("address", "cpus", "gpus", "ship")}


def course_of(config: Mapping[str, Any], split: str, seen: Any = None) -> Any:
    """The clips of one split of radlab, seen through sensors or as numbers."""
    from drivelab.sim.envs.core import EnvOptions
    from drivelab.sim.radlab import LENGTH, clip_ids
    from drivelab.training.reinforcement.loop import Course

    source = _clips(split, str(config["traffic"]), bool(config["guarded"]))
    env = EnvOptions(episodes=source, action="rad", reward="rad")
    return Course(env, size=len(clip_ids(split)), steps=LENGTH, seen=seen)


def _seen(config: Mapping[str, Any], recipe: Any, start: Path | None) -> Any:
    """Through which sensors policies see; None where they see numbers.

    Raises:
        ConfigError: an option that cannot be.
    """
    if config["obs"] == "vector":
        given = {k: v for k, v in config["pictures"].items() if v != PICTURES[k]}
        if given:
            name, value = next(iter(given.items()))
            raise ConfigError(
                f"pictures.{name}={value}: with obs=vector there are none; leave it out, or say "
                "obs=images"
            )
        return None
    from drivelab.data.array_store import cache_folder
    from drivelab.training.rollouts.pictures import Pictures

    asked = dict(config["pictures"])
    keep = str(Path(asked.pop("keep") or cache_folder("streets")).absolute())
    pictures = Pictures(**{k: v for k, v in asked.items() if v is not None}, keep=keep)
    if config["obs"] == "images":
        return pictures
    for name in ("rig", "scale"):
        if asked[name] is not None:
            raise ConfigError(
                f"pictures.{name}={asked[name]}: with obs=sensors the network's own rig looks; "
                "leave it out"
            )
    return recipe.sensors(start, weather=pictures.weather, keep=keep)


@cache
def _clips(split: str, traffic: str, guarded: bool) -> Any:
    """Clips that several runs of one process share: to make all of them takes minutes."""
    from drivelab.sim.envs.clips import ClipEpisodes
    from drivelab.training.rollouts.episodes import KeptEpisodes

    return KeptEpisodes(ClipEpisodes(split, traffic, guarded))


def _files(config: Mapping[str, Any], folder: Path, recipe: Any) -> dict[str, Path]:
    """Weights to compare: those from before reinforcement, if there was any, and the best ones.

    Raises:
        RunError: what the run wrote is not there any more.
    """
    from drivelab.training.reinforcement.loop import BEST, IMITATION

    found = {}
    if config["mode"] != "il" and config["pretraining"]:
        found["imitation"] = folder / IMITATION
    elif config["mode"] != "il" and config["start"]:
        found["start"] = Path(config["start"])
    elif config["mode"] != "il" and hasattr(recipe, "shipped"):
        found["start"] = recipe.shipped
    found["trained"] = folder / BEST
    for file in found.values():
        if not file.is_file():
            raise RunError(
                f"{file} is there no more: put it back, or learn again in another run.dir"
            )
    return found


def _summary(
    config: Mapping[str, Any], settings: Any, results: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    from drivelab.evaluation.fingerprint import versions
    from drivelab.training.reinforcement.judge import METRIC

    rows = read_progress(settings.folder)
    looks = [row for row in rows if "validation" in row]
    if not looks:
        raise RunError(
            f"{settings.folder / PROGRESS} tells no look at held-out clips any more: put the file "
            "back, or learn again in another run.dir"
        )
    best = max(reversed(looks), key=lambda row: row["validation"]["score"])  # of equals the latest
    told = {key: rows[-1][key] for key in ("updates", "clips", "dropped", "decisions")}
    return {
        "schema": 1,
        "verb": "train",
        "recipe": config[NAMES]["recipe"],
        "obs": config["obs"],
        "mode": config["mode"],
        "seed": settings.seed,
        "rounds": rows[-1]["round"],
        **told,
        "minutes": round(rows[-1]["seconds"] / 60.0, 2),
        "best": {"round": best["round"], **best["validation"]},
        "test": "radlab test (generated, not RAD's closed clips)",
        "metric": METRIC,
        "test_clips": config["trials"],
        "results": results,
        "versions": versions(),
    }
