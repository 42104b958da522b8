"""`drivelab rescore`: score the stored plans of a run again, by this code or another metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError, RunError

USAGE = """usage: drivelab rescore RUN [metric=NAME] [workers=N] [run.dir=DIR] [quiet=true]

Scores the plans, or the driven rollouts, in RUN/rollouts again and writes a new run folder. RUN
itself stays as it is. A run on a bench of your own needs bench=package.module:Class again."""

AGENT = "drivelab.evaluation.proposals:StoredPlans"
DRIVEN = "drivelab.evaluation.proposals:StoredRollouts"  # the same for a closed loop


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    from drivelab.cli.run import one_thread

    one_thread()
    keys = ("metric", "bench", "workers", "run.dir", "run.root", "quiet")
    found = read_words(words, keys, places=("RUN",))
    if "RUN" not in found:
        raise ConfigError("rescore needs a run folder: drivelab rescore runs/RUN [metric=NAME]")
    return _rescore(Path(found["RUN"]), found)


def _rescore(folder: Path, found: dict[str, str]) -> int:
    from drivelab.cli.console import ConsoleMonitor
    from drivelab.cli.report_file import stored_bench, stored_config
    from drivelab.cli.result import ReportWish, show_result
    from drivelab.evaluation.evaluate import evaluate
    from drivelab.evaluation.run_folder import open_existing
    from drivelab.evaluation.settings import EvalSettings
    from drivelab.registry import build

    old = open_existing(folder)
    config = stored_config(folder)
    environment = _environment(folder)
    bench = dict(stored_bench(folder, found.get("bench")))
    agent = {
        "_target_": DRIVEN if getattr(build(bench), "controller", "") else AGENT,
        "run": str(folder.resolve()),
        "journal": str(old.journal),
        "privilege": environment["privilege"],
    }
    if "metric" in found:
        bench["metric"] = found["metric"]
    settings = EvalSettings(
        agent=agent,
        agent_name=environment["agent"],
        bench=bench,
        bench_name=environment["bench"],
        verb="rescore",
        seed=old.identity["seed"],
        scenes=tuple(environment["scenes"]),
        workers=_workers(found.get("workers", "1")),
        run_dir=Path(found["run.dir"]) if "run.dir" in found else None,
        runs_root=Path(found.get("run.root", "runs")),
        config={**config, "agent": agent, "bench": bench},
        command=f"drivelab rescore {folder}",
    )
    monitor = ConsoleMonitor(quiet=found.get("quiet") == "true")
    result = evaluate(settings, monitor)
    return show_result(result, ReportWish(), monitor=monitor)


def _environment(folder: Path) -> dict[str, Any]:
    environment: dict[str, Any] = json.loads((folder / "env.json").read_text())
    lost = [key for key in ("agent", "bench", "privilege", "scenes") if key not in environment]
    if lost:
        raise RunError(
            f"{folder / 'env.json'} has no {lost[0]!r}: it was not written by `drivelab eval`"
        )
    return environment


def _workers(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise ConfigError(f"workers={text}: expected a whole number, 1 or more")
    return int(text)
