"""report.html of a run folder, with scenes drawn from the bench that the run used."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from drivelab.cli.choices import Choice, group_choices
from drivelab.errors import ConfigError, DrivelabError, RunError
from drivelab.registry import TARGET, build
from drivelab.types import Scene


def make_report(folder: Path, bench: Any, *, videos: int = 0) -> Path:
    """Write the report; without its data it has no pictures, and says nothing false.

    The worst `videos` scenes are filmed first, and the report links to them.
    """
    from drivelab.evaluation.benches.scenes import load_scene
    from drivelab.reports.report import write_report

    try:
        source = build(bench).source()
    except DrivelabError:
        return write_report(folder)

    _film_worst(folder, source, videos)

    def load(scene: str) -> Scene | None:
        try:
            return load_scene(source, scene)
        except DrivelabError:
            return None

    return write_report(folder, load)


def _film_worst(folder: Path, source: Any, count: int) -> None:
    if not count:
        return
    from drivelab.cli.film import film_scene
    from drivelab.data.run_rows import read_rows

    scored = [row for row in read_rows(folder / "rows.parquet") if row["score"] is not None]
    for row in sorted(scored, key=lambda row: float(row["score"]))[:count]:
        film_scene(folder, source, row)


def stored_config(folder: Path) -> dict[str, Any]:
    """config.yaml of a run folder."""
    file = folder / "config.yaml"
    try:
        config = yaml.safe_load(file.read_text())
    except OSError as error:
        raise RunError(f"{folder} is no run folder: {file.name}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise RunError(f"{file} cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("bench"), dict):
        raise RunError(f"{file} names no bench: it was not written by `drivelab eval`")
    return config


def stored_bench(folder: Path, own: str | None = None) -> dict[str, Any]:
    """The bench node of a run, refused if it names code that neither drivelab nor a plug-in offers.

    A run folder may come from anybody: what its text names is called only if the user names it too,
    as `own`. Another bench than the run's is refused: plans and drives belong to their scenes.
    """
    bench: dict[str, Any] = stored_config(folder)["bench"]
    if own is not None and own not in _called(bench):
        raise ConfigError(
            f"bench={own}: {folder} is a run on {bench.get(TARGET)}, and what it holds belongs to "
            "the scenes of that bench; leave bench= out, or type `drivelab eval` with the other one"
        )
    known = {target for choice in group_choices("bench").values() for target in _offered(choice)}
    for target in _called(bench):
        if target not in known and target != own:
            raise ConfigError(
                f"{folder / 'config.yaml'} names the code {target!r}, which is neither drivelab's "
                f"nor a plug-in's and was not run; if it is yours, add bench={target}"
            )
    if own is not None and "" not in sys.path:
        sys.path.insert(0, "")  # the user's own module may lie in the current folder
    return bench


def _offered(choice: Choice) -> Iterator[str]:
    if choice.file is None:
        yield choice.target
    else:
        yield from _called(yaml.safe_load(choice.file.read_text()))


def _called(node: Any) -> Iterator[str]:
    """Everything in a config node that names code."""
    if isinstance(node, list):
        for inner in node:
            yield from _called(inner)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == TARGET or (key == "metric" and ":" in str(value)):
                yield str(value)
            else:
                yield from _called(value)
