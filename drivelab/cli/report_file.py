"""report.html of a run folder, with scenes drawn from the bench that the run used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from drivelab.errors import DrivelabError, RunError
from drivelab.evaluation.benches.bench import Bench
from drivelab.registry import build
from drivelab.types import Scene


def make_report(folder: Path, bench: Any) -> Path:
    """Write the report; without its data it has no pictures, and says nothing false."""
    from drivelab.reports.report import write_report

    try:
        source = build(bench).source()
    except DrivelabError:
        return write_report(folder)

    def load(scene: str) -> Scene | None:
        try:
            return source.load(scene)
        except DrivelabError:
            return None

    return write_report(folder, load)


def stored_config(folder: Path) -> dict[str, Any]:
    """config.yaml of a run folder."""
    import yaml

    file = folder / "config.yaml"
    try:
        config = yaml.safe_load(file.read_text())
    except OSError as error:
        raise RunError(f"{folder} is no run folder: {file.name}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RunError(f"{file} cannot be read: {error}") from error
    if not isinstance(config, dict) or "bench" not in config:
        raise RunError(f"{file} names no bench: it was not written by `drivelab eval`")
    return config


def stored_bench(folder: Path) -> Bench:
    """The bench of a run, made again."""
    bench: Bench = build(stored_config(folder)["bench"])
    return bench
