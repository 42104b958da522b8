"""One training run from the command line: learn, test on unseen seeds, draw, film, sum up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivelab.cli.compose import NAMES
from drivelab.cli.console import speaker
from drivelab.cli.train_result import print_training
from drivelab.errors import ConfigError
from drivelab.registry import build
from drivelab.sim.envs.core import EnvCore, EnvOptions
from drivelab.sim.envs.episodes import episode_source
from drivelab.sim.envs.families import ROADS, FamilyEpisodes
from drivelab.sim.envs.vector_view import VectorView
from drivelab.training.run_folder import (
    SUMMARY,
    new_folder,
    open_folder,
    read_progress,
    write_json,
)
from drivelab.training.settings import Say, TrainSettings
from drivelab.training.trials import Trials, random_policy, run_trials

TEST_SEED = 2**32  # seeds of the last test; training draws its own below 2^31
_WHOLE = ("validation", "trials", "threads", "seed")


def train_config(config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    from drivelab.evaluation.environment import describe_environment

    names = config[NAMES]
    folder = Path(config["run"]["dir"] or new_folder(
        Path(config["run"]["root"]), names["algo"], names["env"]
    ))  # fmt: skip
    settings = _settings(config, folder)
    say: Say = speaker(config)
    env = build(config["env"])
    if not isinstance(env, EnvOptions):
        raise ConfigError(f"env={names['env']}: its _target_ makes no EnvOptions")
    EnvCore(env, environments=1, view=VectorView())  # knows its own options, and refuses wrong ones
    algo = build(config["algo"])
    algo.check(settings)
    open_folder(
        folder, {key: value for key, value in config.items() if key not in ("quiet", "run")}
    )
    if (folder / SUMMARY).is_file():
        say(f"this run is finished: {folder}")
        print_training(json.loads((folder / SUMMARY).read_text()), folder)
        return 0
    write_json(folder / "env.json", describe_environment(settings.seed))
    say(f"run: {folder}")
    act = algo.train(env, settings, say)
    results = _test(act, env, settings, say)
    summary = _summary(names, settings, env, results)
    _draw(folder, results)
    _film(folder, results["trained"])
    write_json(folder / SUMMARY, summary)  # last: a run with a summary is finished
    print_training(summary, folder)
    return 0


def unseen(env: EnvOptions) -> EnvOptions:
    """The environment on episodes for the test: of families, also on roads never trained on."""
    source = episode_source(env.episodes)
    if isinstance(source, FamilyEpisodes):
        source = replace(source, roads=(ROADS, 2 * ROADS))
    return replace(env, episodes=source)


def _test(act: Any, env: EnvOptions, settings: TrainSettings, say: Say) -> dict[str, Trials]:
    test = unseen(env)
    seeds = range(TEST_SEED, TEST_SEED + settings.trials)
    say(f"testing on {settings.trials} unseen episodes: the policy, a random one, idm")
    return {
        "trained": run_trials(act, test, seeds, record=_first_of_each_family(test, seeds)),
        "random": run_trials(random_policy(test, settings.seed), test, seeds),
        "idm": rule_trials(test, seeds),
    }


def _first_of_each_family(env: EnvOptions, seeds: range) -> list[int]:
    """Places of the episodes that are filmed."""
    source = episode_source(env.episodes)
    families = [source(seed).family for seed in seeds]
    return [families.index(family) for family in sorted(set(families))]


def rule_trials(env: EnvOptions, seeds: range) -> Trials:
    """The rule agent `idm` on the same episodes, through the evaluation's closed loop."""
    from drivelab.agents.idm import Idm
    from drivelab.cli.train_rules import trial_of_drive
    from drivelab.evaluation.closed_loop import drive_all

    source = episode_source(env.episodes)
    drives = drive_all([source(seed) for seed in seeds], Idm())
    return Trials(
        tuple(trial_of_drive(drive, seed) for drive, seed in zip(drives, seeds, strict=True))
    )


def _settings(config: Mapping[str, Any], folder: Path) -> TrainSettings:
    steps = None if config["steps"] is None else _whole(config, "steps")
    whole = {name: _whole(config, name) for name in _WHOLE}
    return TrainSettings(
        folder=folder,
        steps=steps,
        minutes=float(_number(config, "minutes")),
        every=float(_number(config, "every")),
        device=str(config["device"]),
        **whole,
    )


def _number(config: Mapping[str, Any], key: str) -> float:
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{key}={value!r}: expected a number")
    return value


def _whole(config: Mapping[str, Any], key: str) -> int:
    value = _number(config, key)
    if value != int(value):
        raise ConfigError(f"{key}={value!r}: expected a whole number")
    return int(value)


def _summary(
    names: Mapping[str, str], settings: TrainSettings, env: EnvOptions, results: dict[str, Trials]
) -> dict[str, Any]:
    from drivelab.evaluation.fingerprint import versions

    rows = read_progress(settings.folder)
    last = rows[-1] if rows else {"minutes": 0.0, "steps": 0}
    return {
        "schema": 1,
        "verb": "train",
        "algo": names["algo"],
        "env": names["env"],
        "episodes": _named(env.episodes),
        "seed": settings.seed,
        "minutes": last["minutes"],
        "steps": last["steps"],
        "test_seeds": [TEST_SEED, TEST_SEED + settings.trials],
        "success": {name: trials.success for name, trials in results.items()},
        "results": {name: trials.facts() for name, trials in results.items()},
        "versions": versions(),
    }


def _named(episodes: Any) -> Any:
    """The choice of episodes as JSON."""
    if isinstance(episodes, str) or callable(episodes):
        return str(episodes)
    return list(episodes)


def _draw(folder: Path, results: dict[str, Trials]) -> None:
    from drivelab.reports.learning_curve import draw_learning_curve

    beside = {name: trials.success for name, trials in results.items() if name != "trained"}
    draw_learning_curve(read_progress(folder), folder / "curve.png", beside=beside)


def _film(folder: Path, trials: Trials) -> None:
    from drivelab.data.rollout_log import rollout_scene
    from drivelab.reports.drive_video import render_drive

    for rollout, scene in zip(trials.rollouts, trials.scenes, strict=True):
        file = folder / f"trained-{scene.family or 'episode'}.mp4"
        render_drive(rollout_scene(rollout, scene), rollout, file, title=scene.id)
