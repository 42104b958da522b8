"""`drivelab scenario from-log | import`: scenarios out of logs and other simulators' files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from drivelab.cli.scenario_texts import decimal, needed
from drivelab.cli.words import read_words
from drivelab.errors import ConfigError, nearest_name

if TYPE_CHECKING:
    from drivelab.sim.scenario.schema import Scenario

_LOG_WORDS = ("out", "at", "duration", "traffic", "data.root")


def from_log(words: Sequence[str]) -> int:
    """Cut a scenario out of a scene of a log."""
    from drivelab.sim.scenario.from_log import scenario_from_log
    from drivelab.sim.scenario.logs import log_source

    found = read_words(words, _LOG_WORDS, places=("SOURCE", "ID"))
    name = needed(found, "SOURCE", "from-log reallogs|labmini [ID] [out=FILE]")
    if name not in ("reallogs", "labmini"):
        raise ConfigError(f"from-log {name}: expected reallogs or labmini")
    source = log_source(name, found.get("data.root"))
    ids = source.scene_ids()
    scene = found.get("ID", ids[0])
    if scene not in ids:
        raise ConfigError(f"no scene {scene!r} in {name}{nearest_name(scene, ids)}")
    traffic = found.get("traffic", "replay")
    if traffic not in ("replay", "scripted"):
        raise ConfigError(f"traffic={traffic}: expected replay or scripted")
    made = scenario_from_log(
        source.load(scene),
        name,  # type: ignore[arg-type]
        at=decimal(found, "at", 0.0),
        duration=decimal(found, "duration", 8.0),
        traffic=traffic,  # type: ignore[arg-type]
    )
    return _write(made, found.get("out"), f"cut out of {scene} of {name}")


def import_file(words: Sequence[str]) -> int:
    """Read another simulator's scenario."""
    found = read_words(words, ("out", "map", "scene", "data.root"), places=("KIND", "FILE"))
    kind = needed(found, "KIND", "import hugsim|neuroncap FILE")
    file = Path(needed(found, "FILE", f"import {kind} FILE"))
    if kind == "hugsim":
        from drivelab.sim.scenario.imports.hugsim import DEFAULT_MAP, import_hugsim

        made = import_hugsim(file, map_name=found.get("map", DEFAULT_MAP))
    elif kind == "neuroncap":
        from drivelab.sim.scenario.imports.neuroncap import import_neuroncap

        made = import_neuroncap(file, root=found.get("data.root"), scene=found.get("scene", ""))
    else:
        raise ConfigError(f"import {kind}: expected hugsim or neuroncap")
    for note in made.notes:
        print(f"note: {note}")
    return _write(made, found.get("out"), f"imported from {kind}'s {file.name}")


def _write(made: Scenario, out: str | None, header: str) -> int:
    from drivelab.sim.scenario.files import parse_scenario
    from drivelab.sim.scenario.writing import scenario_yaml

    file = Path(out or f"{made.id}.yaml")
    file.parent.mkdir(parents=True, exist_ok=True)
    text = scenario_yaml(made, header=header)
    file.write_text(text, encoding="utf-8")
    print(file)
    parse_scenario(text, str(file))  # foreign numbers may be beyond our bounds: tell their lines
    return 0
