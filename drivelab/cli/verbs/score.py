"""`drivelab score`: score proposals from a file."""

from __future__ import annotations

from collections.abc import Sequence

from drivelab.cli.run import run_verb
from drivelab.errors import ConfigError

USAGE = """usage: drivelab score proposals=FILE [bench=NAME] [key=value ...]

FILE is a parquet with columns token and poses (8 x 3, ego frame, 0.5 s apart), an npz
{token: (8, 3)}, or a leaderboard pickle. Scenes without a proposal are failed rows.
Other options as in `drivelab eval --help`, without agent."""


def run(words: Sequence[str]) -> int:
    """Run the verb."""
    if not any(word.startswith("proposals=") for word in words):
        raise ConfigError("score needs a file: drivelab score proposals=FILE bench=navsim")
    return run_verb("score", words)
