"""`drivelab report`: write report.html of a run again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from drivelab.cli.words import read_words
from drivelab.errors import ConfigError

USAGE = """usage: drivelab report RUN

Writes RUN/report.html again from its rows and rollouts."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    found = read_words(words, (), places=("RUN",))
    if "RUN" not in found:
        raise ConfigError("report needs a run folder: drivelab report runs/RUN")
    from drivelab.cli.report_file import make_report, stored_config

    folder = Path(found["RUN"])
    print(f"report: {make_report(folder, stored_config(folder)['bench'])}")
    return 0
