"""One run of reinforcement learning from the command line: learning, last test, curve, summary."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from drivelab.cli.compose import NAMES
from drivelab.cli.train_result import print_reinforcement
from drivelab.errors import ConfigError, nearest_name
from drivelab.metrics.bootstrap import mean_interval
from drivelab.registry import build
from drivelab.training.run_folder import (
    SUMMARY,
    new_folder,
    open_folder,
    read_progress,
    write_json,
)

OBSERVATIONS = ("vector",)
# Options that change nothing of what is learnt: a run goes on with others.
_PASSING = ("quiet", "minutes", "run", "launcher", "workers")


def reinforce_config(config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    from drivelab.evaluation.run_folder import run_lock
    from drivelab.training.reinforcement.loop import learn

    names = config[NAMES]
    folder = Path(config["run"]["dir"] or new_folder(
        Path(config["run"]["root"]), f"{names['recipe']}-{config['mode']}", str(config["obs"])
    ))  # fmt: skip
    if config["obs"] not in OBSERVATIONS:
        raise ConfigError(
            f"obs={config['obs']}: expected {' or '.join(OBSERVATIONS)}"
            f"{nearest_name(str(config['obs']), OBSERVATIONS)}"
        )
    settings = settings_of(config, folder)
    recipe = build(config["recipe"])
    network = recipe.network(settings.seed, Path(config["start"]) if config["start"] else None)
    course = course_of(config, "train")
    course.check(settings)
    tested = course_of(config, "test")
    if not 1 <= config["trials"] <= tested.size:
        raise ConfigError(f"trials={config['trials']}: expected 1 to {tested.size} test clips")
    lasting = {key: value for key, value in config.items() if key not in _PASSING}
    lasting[NAMES] = {group: name for group, name in names.items() if group not in _PASSING}
    open_folder(folder, lasting)
    teach = partial(learn, network, course, cluster=cluster_of(config))
    with run_lock(folder):
        return _taught(config, teach, recipe, tested, settings)


def _taught(
    config: Mapping[str, Any], teach: Callable[..., Any], recipe: Any, tested: Any, settings: Any
) -> int:
    from drivelab.evaluation.environment import describe_environment

    folder = settings.folder
    say = _quiet if config["quiet"] else _aloud
    if (folder / SUMMARY).is_file():
        say(f"this run is finished: {folder}")
        print_reinforcement(json.loads((folder / SUMMARY).read_text()), folder)
        return 0
    write_json(folder / "env.json", describe_environment(settings.seed))
    say(f"run: {folder}")
    progress = teach(settings=settings, objective=recipe.objective(), say=say)
    if progress.rounds < settings.total:
        say(f"paused after {progress.seconds / 60:.0f} min: the same command with "
            f"run.dir={folder} goes on")  # fmt: skip
        return 0
    say(f"testing on {config['trials']} unseen clips")
    summary = _summary(config, settings, _test(config, tested, folder))
    _draw(folder)
    write_json(folder / SUMMARY, summary)  # last: a run with a summary is finished
    print_reinforcement(summary, folder)
    return 0


def settings_of(config: Mapping[str, Any], folder: Path) -> Any:
    """The settings of a composed config, numbers checked.

    Raises:
        ConfigError: an option is of another type, or out of its range.
    """
    from drivelab.training.reinforcement.settings import ReinforcementSettings

    found: dict[str, Any] = {}
    for option in fields(ReinforcementSettings):
        if option.name == "folder":
            continue
        found[option.name] = value = config[option.name]
        kind = str(option.type).partition(" ")[0]
        empty = value is None and "None" in str(option.type)
        if kind != "bool" and not empty and not _is_a(kind, value):
            told = "a text" if kind == "str" else "a number"
            raise ConfigError(f"{option.name}={value!r}: expected {told}")
    return ReinforcementSettings(folder=folder, **found)


def cluster_of(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """Where actors of launcher=ray live; None: this process drives."""
    if config[NAMES]["launcher"] == "local":
        return None
    return {name: config["launcher"][name] for name in ("address", "cpus", "gpus")}


def course_of(config: Mapping[str, Any], split: str) -> Any:
    """The clips of one split of radlab."""
    from drivelab.sim.envs.clips import ClipEpisodes
    from drivelab.sim.envs.core import EnvOptions
    from drivelab.sim.radlab import LENGTH, clip_ids
    from drivelab.training.reinforcement.loop import Course
    from drivelab.training.rollouts.episodes import KeptEpisodes

    source = ClipEpisodes(split, str(config["traffic"]), bool(config["guarded"]))
    env = EnvOptions(episodes=KeptEpisodes(source), action="rad", reward="rad")
    return Course(env, size=len(clip_ids(split)), steps=LENGTH)


def _test(config: Mapping[str, Any], tested: Any, folder: Path) -> dict[str, dict[str, Any]]:
    """The nine metrics of the weights before and after reinforcement, on the same clips."""
    import torch

    from drivelab.agents.rad.weights import open_rad
    from drivelab.planning.rad_anchors import rad_anchors
    from drivelab.training.reinforcement.judge import greedy, judge_clips
    from drivelab.training.reinforcement.loop import BEST, IMITATION

    valid = torch.from_numpy(rad_anchors().valid.copy())
    files = {"imitation": folder / IMITATION, "trained": folder / BEST}
    if config["mode"] == "il" or not files["imitation"].is_file():
        del files["imitation"]
    found: dict[str, dict[str, Any]] = {}
    for name, file in files.items():
        act = greedy(open_rad(file).requires_grad_(False), valid)
        look = judge_clips(act, tested.env, range(config["trials"]))
        hits = np.array([row["collision_ratio"] for row in look.rows])
        found[name] = {
            "score": look.score, **look.metrics,
            "collision_ratio_ci95": list(mean_interval(hits, 0)),
            "weights": file.name,
            "weights_sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }  # fmt: skip
    return found


def _summary(
    config: Mapping[str, Any], settings: Any, results: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    from drivelab.evaluation.fingerprint import versions

    rows = read_progress(settings.folder)
    looks = [row for row in rows if "validation" in row]
    best = max(looks, key=lambda row: row["validation"]["score"])
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
        "test_clips": config["trials"],
        "results": results,
        "versions": versions(),
    }


def _draw(folder: Path) -> None:
    from drivelab.reports.reinforcement_curve import draw_reinforcement_curve

    draw_reinforcement_curve(read_progress(folder), folder / "curve.png")


def _is_a(kind: str, value: Any) -> bool:
    if kind == "str":
        return isinstance(value, str)
    return not isinstance(value, bool) and isinstance(value, int | float)


def _aloud(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _quiet(text: str) -> None:
    pass
