"""One submission from the command line: words -> settings -> file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from drivelab.cli.overrides import SHORT, read_request
from drivelab.errors import ConfigError, RunError

TEAM = ("team_name", "authors", "email", "institution", "country")
FILE_AGENT = "drivelab.evaluation.proposals:ProposalAgent"
RUN_AGENT = "drivelab.evaluation.proposals:StoredPlans"


def run_submit(way: str, words: Sequence[str]) -> int:
    """Compose the config, write the file and say what it holds."""
    from drivelab.cli.compose import compose
    from drivelab.cli.console import ConsoleMonitor
    from drivelab.cli.run import one_thread

    one_thread()
    request = read_request("submit", words)
    if request.flags:
        raise ConfigError(f"submit takes no {request.flags[0]}: one file a command")
    config = compose("submit", request)
    team = _team(config)
    agent, bench = _sources(way, config, words)
    from drivelab.data.submission import Team
    from drivelab.evaluation.submit import SubmitSettings, submit

    settings = SubmitSettings(
        agent=agent,
        bench=bench,
        team=Team(*team),
        out=Path(str(config["out"])),
        seed=_whole(config, "seed", 0),
        batch=_whole(config, "batch", 1),
        device=str(config["device"]),
    )
    result = submit(settings, ConsoleMonitor(quiet=bool(config["quiet"])))
    stages = f" and {result.second_stage} of the second stage" if result.second_stage else ""
    print(
        f"{result.file}: NAVSIM {result.version}, {result.scenes} scenes{stages} of "
        f"{result.label}, 8 finite poses each; read back and compared"
    )
    if result.data != "real":
        print("This is no file for the leaderboard: its scenes are not NAVSIM's.")
    return 0


def _team(config: Mapping[str, Any]) -> list[str]:
    """Who submits; everything that is missing is told at once."""
    told = ["" if config[key] is None else str(config[key]).strip() for key in TEAM]
    missing = [f"{key}=" for key, text in zip(TEAM, told, strict=True) if not text]
    if missing:
        raise ConfigError(f"submit needs {', '.join(missing)}: the leaderboard asks who submits")
    return told


def _sources(
    way: str, config: Mapping[str, Any], words: Sequence[str]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The node of what plans, and of the bench."""
    if way == "agent":
        return config["agent"], config["bench"]
    if way == "proposals":
        file = Path(str(config["proposals"]))
        if not file.is_file():
            raise ConfigError(f"proposals={file}: no such file")
        return {"_target_": FILE_AGENT, "file": str(file)}, config["bench"]
    for word in words:
        key = word.partition("=")[0]
        if SHORT.get(key, key).startswith("bench"):
            raise ConfigError(f"{word}: with run= the bench is the run's; leave it out")
    return _of_run(Path(str(config["run"])))


def _of_run(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    from drivelab.cli.report_file import stored_bench
    from drivelab.cli.train_result import is_training
    from drivelab.evaluation.run_folder import open_existing

    if is_training(folder):
        raise RunError(
            f"run={folder} taught a network and holds no plans: submit agent=NAME with "
            f"agent.checkpoint={folder}/best.safetensors, or a run of `drivelab eval`"
        )
    old = open_existing(folder)
    environment = json.loads((folder / "env.json").read_text())
    if "privilege" not in environment:
        raise RunError(
            f"{folder / 'env.json'} has no 'privilege': it was not written by `drivelab eval`"
        )
    agent = {
        "_target_": RUN_AGENT,
        "run": str(folder.resolve()),
        "journal": str(old.journal),
        "privilege": environment["privilege"],
    }
    return agent, stored_bench(folder)


def _whole(config: Mapping[str, Any], key: str, least: int) -> int:
    value = config[key]
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{key}={value!r}: expected a whole number, {least} or more")
    return value
