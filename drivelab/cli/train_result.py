"""What a training run came to, on the terminal: right after it, and for `drivelab report`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivelab.errors import RunError

CONFIG, SUMMARY = "config.yaml", "summary.json"  # of drivelab.training.run_folder


def is_training(folder: Path) -> bool:
    """Whether a folder was written by `drivelab train`."""
    import yaml

    try:
        config = yaml.safe_load((folder / CONFIG).read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return False
    return isinstance(config, dict) and "algo" in config and "bench" not in config


def show_training(folder: Path) -> None:
    """Print the result of a finished training run, and what else lies in its folder.

    Raises:
        RunError: it is not finished, or its summary is damaged.
    """
    file = folder / SUMMARY
    if not file.is_file():
        raise RunError(
            f"{folder} is a training run that is not finished: type its `drivelab train` command "
            f"again with run.dir={folder} to go on, then report it"
        )
    try:
        print_training(json.loads(file.read_text()), folder)
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise RunError(
            f"{file} is no summary of a training run ({type(error).__name__}: {error}); remove it "
            "and type the `drivelab train` command again to write it anew"
        ) from error
    for name in sorted(["curve.png", "policy", *(film.name for film in folder.glob("*.mp4"))]):
        if (folder / name).exists():
            print(f"        {folder / name}")


def print_training(summary: Mapping[str, Any], folder: Path) -> None:
    """The trained policy beside the random one and the rule, over all and by family."""
    from rich.console import Console
    from rich.table import Table

    results = summary["results"]
    families = sorted(next(iter(results.values()))["families"])
    table = Table(title=f"route driven without a fault, {summary['algo']} on {summary['env']}")
    for name in ("driver", "success", *families):
        table.add_column(name, justify="left" if name == "driver" else "right")
    for driver, facts in results.items():
        shares = [facts["success"], *(facts["families"][name] for name in families)]
        table.add_row(driver, *(f"{100 * share:.0f} %" for share in shares))
    Console(highlight=False).print(table)
    print(f"learnt: {summary['minutes']:.1f} min, {summary['steps']:,} steps")
    print(f"run:    {folder}")
