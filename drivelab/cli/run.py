"""One evaluation from the command line: settings -> run -> table and report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from drivelab.cli.compose import compose, sweep
from drivelab.cli.overrides import read_request


def run_verb(verb: str, words: Sequence[str]) -> int:
    """Compose the config of `eval` or `score` and run it; Hydra's own flags go to Hydra."""
    one_thread()
    request = read_request(verb, words)
    job = partial(run_config, verb)
    if request.flags:
        return sweep(verb, request, job)
    return job(compose(verb, request))


def run_config(verb: str, config: Mapping[str, Any]) -> int:
    """Run one composed config."""
    from drivelab.cli.console import ConsoleMonitor, is_quiet
    from drivelab.cli.result import ReportWish, show_result
    from drivelab.cli.settings import settings_from
    from drivelab.evaluation.evaluate import evaluate

    settings = settings_from(verb, config)
    monitor = ConsoleMonitor(quiet=is_quiet(config))
    result = evaluate(settings, monitor)
    wish = ReportWish(bool(config["report"]["html"]), config["report"].get("videos", 0))
    return show_result(result, wish, monitor=monitor)


def one_thread() -> None:
    """One thread per process, unless the user says otherwise: equal rows on any machine."""
    from drivelab.evaluation.environment import THREAD_VARIABLES

    for name in THREAD_VARIABLES:
        os.environ.setdefault(name, "1")
