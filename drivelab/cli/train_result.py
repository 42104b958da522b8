"""What a training run came to, on the terminal: right after it, and for `drivelab report`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
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
    if not isinstance(config, dict) or "bench" in config:
        return False
    if "algo" in config or "recipe" in config:
        return True
    return "agent" in config and "epochs" in config


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
        summary = json.loads(file.read_text())
        _printer(summary)(summary, folder)
    except (ValueError, KeyError, TypeError, StopIteration) as error:
        raise RunError(
            f"{file} is no summary of a training run ({type(error).__name__}: {error}); remove it "
            "and type the `drivelab train` command again to write it anew"
        ) from error
    for name in sorted(
        [
            "curve.png",
            "policy",
            "best.safetensors",
            "report.html",
            *(film.name for film in folder.glob("*.mp4")),
        ]
    ):
        if (folder / name).exists():
            print(f"        {folder / name}")


def _printer(summary: Mapping[str, Any]) -> Callable[[Mapping[str, Any], Path], None]:
    if "algo" in summary:
        return print_training
    return print_reinforcement if "recipe" in summary else print_imitation


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


def print_imitation(summary: Mapping[str, Any], folder: Path) -> None:
    """What a finished run came to."""
    best = summary["best"]
    print(f"{summary['agent']} ({summary['preset']}, {summary['parameters']:,} parameters) learnt "
          f"{summary['train_scenes']:,} scenes of {summary['train']} in "
          f"{summary['minutes']:.1f} min")  # fmt: skip
    print(f"best:   epoch {best['epoch']} of {summary['epochs']}, PDMS {best['pdms']:.4f} on "
          f"{summary['validation_scenes']} scenes of {summary['validation']}")  # fmt: skip
    print(f"drive:  drivelab eval agent={summary['agent']} "
          f"agent.checkpoint={folder / summary['weights']}")  # fmt: skip
    print(f"run:    {folder}")


def print_reinforcement(summary: Mapping[str, Any], folder: Path) -> None:
    """The policy before and after reinforcement, by RAD's metrics on unseen clips."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    columns = {
        "CR": "collision_ratio", "DCR": "dynamic_collision_ratio", "SCR": "static_collision_ratio",
        "DR": "deviation_ratio", "ADD [m]": "average_deviation_distance", "no event": "score",
    }  # fmt: skip
    table = Table(title=f"{summary['test_clips']} clips of {summary['test']}")
    for name in ("policy", *columns):
        table.add_column(escape(name), justify="left" if name == "policy" else "right")
    for policy, facts in summary["results"].items():
        table.add_row(policy, *(f"{facts[key]:.3f}" for key in columns.values()))
        ends = [facts.get("ci95", {}).get(key) for key in columns.values()]
        if all(ends):
            for place, told in enumerate(("  95 % from", "  to")):
                table.add_row(told, *(f"{end[place]:.3f}" for end in ends))
        if "difference" in facts:  # on the same clips
            above = facts["difference"]
            lines = (f"{policy} - {above['from']}", "  95 % from", "  to")
            for place, told in enumerate(lines):
                table.add_row(told, *(f"{above[key][place]:+.3f}" for key in columns.values()))
    Console(highlight=False).print(table)
    dropped = f", {summary['dropped']} dropped" if summary["dropped"] else ""
    print(f"learnt: {summary['minutes']:.1f} min, {summary['rounds']} rounds, "
          f"{summary['clips']:,} clips driven{dropped}")  # fmt: skip
    print(f"best:   round {summary['best']['round']}, weights best.safetensors")
    print(f"run:    {folder}")
