"""`drivelab scenario run`: drive a scenario, film it, score it, say what was expected."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drivelab.cli.scenario_texts import needed, whole
from drivelab.cli.words import read_words
from drivelab.errors import ConfigError
from drivelab.types import Agent

if TYPE_CHECKING:
    from drivelab.evaluation.scenario_drive import ScenarioDrive
    from drivelab.sim.scenario.files import ScenarioFile

UNMET = 1  # exit code
OPTIONS = ("agent", "seed", "seeds", "controller", "video", "metric", "run.dir", "quiet")
RESULT = "result.json"


def drive_words(words: Sequence[str]) -> int:
    """Run the verb's words; exit code 1 when an expectation is not met."""
    from drivelab.cli.run import one_thread
    from drivelab.evaluation.agent_check import check_record
    from drivelab.evaluation.controllers import AUTO, controller_for
    from drivelab.evaluation.scenario_drive import drive_scenario
    from drivelab.sim.scenario.files import load_scenario

    one_thread()
    found = read_words(words, OPTIONS, places=("FILE",))
    source = load_scenario(needed(found, "FILE", "run FILE|NAME agent=pdm_closed seed=0"))
    name = found.get("agent", "pdm_closed")
    seeds = _seeds(found)
    metrics = _metrics(source, found.get("metric"))
    folder = Path(found.get("run.dir", f"runs/scenario-{source.scenario.id}-{_plain(name)}"))
    video, quiet = found.get("video", ""), _yes(found, "quiet")
    if video not in ("", "true", "false") and not video.endswith(".mp4"):
        raise ConfigError(f"video={video}: expected true, false or a file that ends in .mp4")
    check_record(build_agent(name, seeds[0]), source.episode(seeds[0]))
    folder.mkdir(parents=True, exist_ok=True)
    drives = []
    for seed in seeds:
        agent = build_agent(name, seed)
        controller = controller_for(found.get("controller", AUTO), agent)
        done = drive_scenario(source, agent, seed, metrics=metrics, controller=controller)
        drives.append(done)
        if not quiet:
            _print_drive(done, metrics if "metric" in found else ())
        _keep(done, folder, video, film=len(seeds) == 1)
    _write_result(folder, source, name, drives)
    passed = sum(done.passed for done in drives)
    told = "all expectations met" if passed == len(drives) else "expectations NOT met"
    print(f"{source.scenario.id}: {told} ({passed} of {len(drives)} seeds)")
    print(f"run:    {folder}")
    return 0 if passed == len(drives) else UNMET


def build_agent(name: str, seed: int) -> Agent:
    """An agent by its name in the config group, or `package.module:Class`."""
    import yaml

    from drivelab.cli.choices import CUSTOM, group_choices
    from drivelab.errors import nearest_name
    from drivelab.registry import build

    if ":" in name:
        return build({"_target_": name}, seed=seed)
    choices = {key: choice for key, choice in group_choices("agent").items() if key != CUSTOM}
    if name not in choices:
        raise ConfigError(
            f"agent={name}: no such agent{nearest_name(name, choices)} "
            f"(there are: {', '.join(choices)}, or package.module:Class)"
        )
    choice = choices[name]
    spec = {"_target_": choice.target}
    if choice.file is not None:
        spec = yaml.safe_load(choice.file.read_text(encoding="utf-8"))
    return build(spec, seed=seed)


def _metrics(source: ScenarioFile, said: str | None) -> tuple[str, ...]:
    from drivelab.metrics.metric_names import rollout_metrics
    from drivelab.metrics.registry import METRICS

    if said is None:
        return rollout_metrics()
    names = tuple(name for name in said.split(",") if name)
    for name in names:
        if name in METRICS:
            known = ", ".join(rollout_metrics())
            raise ConfigError(f"metric={name} scores plans, not drives; there are: {known}")
    return names


def _seeds(found: dict[str, str]) -> range:
    if "seeds" in found and "seed" in found:
        raise ConfigError("seed= and seeds= exclude each other")
    if "seeds" in found:
        count = whole(found, "seeds", 1)
        if not count:
            raise ConfigError("seeds=0: expected 1 or more")
        return range(count)
    seed = whole(found, "seed", 0)
    return range(seed, seed + 1)


def _yes(found: dict[str, str], key: str) -> bool:
    text = found.get(key, "false")
    if text not in ("true", "false"):
        raise ConfigError(f"{key}={text}: expected true or false")
    return text == "true"


def _keep(done: ScenarioDrive, folder: Path, video: str, *, film: bool) -> None:
    """The rollout, and its video unless it is not wanted."""
    from drivelab.data.rollout_log import rollout_scene, save_rollout
    from drivelab.reports.drive_video import render_drive
    from drivelab.sim.world.view import base_scene

    save_rollout(done.rollout, folder / "rollouts")
    if video == "false" or (not film and video != "true"):
        return
    file = folder / "video" / f"{_plain(done.episode.id)}.mp4"
    if video not in ("", "true"):
        file = Path(video)
    scene = rollout_scene(done.rollout, base_scene(done.episode))
    print(f"video:  {render_drive(scene, done.rollout, file, title=done.episode.id)}")


def _print_drive(done: ScenarioDrive, asked: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    from drivelab.reports.event_words import QUIET, event_line

    console = Console(highlight=False)
    progress = float(max(done.rollout.info.get("progress", [0.0])))
    seconds = float(done.rollout.times[-1])
    table = Table(title=f"{done.episode.id}: {seconds:.1f} s, {progress:.0f} m", show_header=False)
    for event in done.rollout.events:
        if event["kind"] not in QUIET:
            table.add_row("event", event_line(event))
    for verdict in done.verdicts:
        mark = "[green]met[/]" if verdict.passed else "[bold red]NOT met[/]"
        table.add_row(mark, f"{verdict.name}: {verdict.found}")
    for name, score in done.scores.items():
        table.add_row("score", f"{name}: {score:.4f}")
    for name in asked:
        if name not in done.scores:
            table.add_row("score", f"{name}: none, this drive lacks what it asks for")
    console.print(table)


def _write_result(
    folder: Path, source: ScenarioFile, agent: str, drives: Sequence[ScenarioDrive]
) -> None:
    from drivelab.evaluation.atomic import write_text

    rows: list[dict[str, Any]] = [
        {
            "seed": done.seed,
            "passed": done.passed,
            "status": done.rollout.info.get("status", ""),
            "seconds": float(done.rollout.times[-1]),
            "expectations": {v.name: {"passed": v.passed, "found": v.found} for v in done.verdicts},
            "scores": {name: _number(score) for name, score in done.scores.items()},
        }
        for done in drives
    ]
    result = {
        "schema": 1,
        "scenario": source.scenario.id,
        "agent": agent,
        "passed": all(done.passed for done in drives),
        "seeds": rows,
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / RESULT, json.dumps(result, indent=1) + "\n")


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _plain(name: str) -> str:
    """A name as part of a file name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in name)
