"""What can be chosen in a config group: YAML files of ours and of plug-ins, and entry points."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from drivelab.registry import AGENTS, BENCHES, CONF, Found, find_plugs

OWN_CONF = "drivelab.conf"
CUSTOM = "custom"  # the choice behind package.module:Class; not one to list
POINT_GROUPS = {"agent": AGENTS, "bench": BENCHES}


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing a group offers: a YAML file, or a class from an entry point."""

    name: str
    line: str  # when to pick it
    file: Path | None = None
    target: str = ""
    origin: str = "drivelab"


def conf_packages() -> tuple[list[str], Mapping[str, str]]:
    """Packages that bring config folders beside our own, and the broken ones with their reason."""
    found = find_plugs(CONF)
    return [p.target for p in found.plugs.values() if p.target != OWN_CONF], found.broken


def group_choices(group: str) -> dict[str, Choice]:
    """All choices of a group by name; YAML files stand before entry points of the same name."""
    choices: dict[str, Choice] = {}
    for package in [OWN_CONF, *conf_packages()[0]]:
        for file in sorted(_folder(package, group).glob("*.yaml")):
            origin = package.partition(".")[0]
            choices.setdefault(file.stem, Choice(file.stem, _first_line(file), file, "", origin))
    for plug in point_plugs(group).plugs.values():
        line = f"from the package {plug.origin}"
        choices.setdefault(plug.name, Choice(plug.name, line, None, plug.target, plug.origin))
    return choices


def point_plugs(group: str) -> Found:
    """Entry points of a group that takes classes."""
    return find_plugs(POINT_GROUPS[group]) if group in POINT_GROUPS else Found({}, {})


def _folder(package: str, group: str) -> Path:
    module = importlib.import_module(package)
    return Path(next(iter(module.__path__))) / group


def _first_line(file: Path) -> str:
    with file.open(encoding="utf-8") as stream:
        line = stream.readline().strip()
        if line.startswith("# @"):  # a word to Hydra
            line = stream.readline().strip()
    return line.lstrip("# ") if line.startswith("#") else ""
