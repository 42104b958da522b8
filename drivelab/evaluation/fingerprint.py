"""What a row depends on, as hashes: rows are reused only where agent, data and code are equal."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import drivelab
from drivelab.registry import TARGET, load_object

# Rooms that cannot change a score: they only show it.
NO_INFLUENCE = ("cli", "reports", "conf")
INNER = ("agents", "sim", "kernels", "scenarios")  # folders outside drivelab/ in a checkout
LIBRARIES = ("numpy", "scipy", "numba", "shapely")


def versions() -> dict[str, str]:
    """Versions of what computes a score."""
    found = {"python": ".".join(map(str, sys.version_info[:3])), "drivelab": drivelab.__version__}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def scene_set_hash(scenes: Sequence[str]) -> str:
    """SHA-256 of the scene ids, in order, one a line."""
    return hashlib.sha256("".join(f"{scene}\n" for scene in scenes).encode()).hexdigest()


def code_hash() -> str:
    """SHA-256 of drivelab's own source files, without the rooms that only show scores."""
    root = Path(drivelab.__file__).parent
    folders = [Path(folder) for name in INNER for folder in _paths(name)]
    files = {path for folder in (root, *folders) for path in folder.rglob("*.py")}
    digest = hashlib.sha256()
    seen = sorted((_module_path(path, root), path) for path in files)
    for name, path in seen:
        if name.split("/")[0] not in NO_INFLUENCE:
            digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def identity(
    *,
    agent: Mapping[str, Any],
    bench: Mapping[str, Any],
    metric: str,
    scenes: Sequence[str],
    seed: int,
    batch: int,
    provenance: Mapping[str, str],
) -> dict[str, Any]:
    """Everything that decides the rows of a run, by name, so that a difference can be told."""
    return {
        "agent": dict(agent),
        "agent_files": _agent_files(agent),
        "bench": _without_places(bench),
        "data": dict(provenance),
        "metric": metric,
        "scene_set_sha256": scene_set_hash(scenes),
        "seed": seed,
        "batch": batch,
        "code_sha256": code_hash(),
        "versions": versions(),
    }


def digest(value: Any) -> str:
    """SHA-256 of a JSON value with sorted keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def row_hash(run: str, scene: str) -> str:
    """Key of one row: the run's identity and the scene."""
    return hashlib.sha256(f"{run}\0{scene}".encode()).hexdigest()[:16]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name what differs between two identities, one line each."""
    lines = []
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if before == after:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            lines += [f"{key}.{line}" for line in differences(before, after)]
        else:
            lines.append(f"{key}: {_short(before)} there, {_short(after)} now")
    return lines


def _agent_files(agent: Mapping[str, Any]) -> dict[str, str]:
    """Hashes of the class's own source, where it is not drivelab's, and of files it names."""
    found: dict[str, str] = {}
    for value in _leaves(agent):
        path = Path(value)
        try:
            there = path.is_file()
        except (OSError, ValueError):  # too long or not a path at all
            there = False
        if there:
            found[value] = _file_hash(path)
    target = str(agent[TARGET])
    if not target.startswith("drivelab."):
        source = inspect.getsourcefile(load_object(target))
        if source:
            found |= {str(path): _file_hash(path) for path in _sources_beside(Path(source))}
    return found


def _sources_beside(source: Path) -> list[Path]:
    """The file, or all Python files of the regular package it belongs to."""
    root = source.parent
    if not (root / "__init__.py").is_file():
        return [source]
    while (root.parent / "__init__.py").is_file():
        root = root.parent
    return sorted(root.rglob("*.py"))


def _leaves(value: Any) -> Iterable[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, str) and value:
        yield value


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _without_places(bench: Mapping[str, Any]) -> dict[str, Any]:
    # Where the data lies does not matter, only what it is (see `data`).
    return {key: value for key, value in bench.items() if "root" not in key}


def _paths(name: str) -> list[str]:
    return list(importlib.import_module(f"drivelab.{name}").__path__)


def _module_path(path: Path, root: Path) -> str:
    """Path inside the package, the same for a checkout and an installed wheel."""
    if path.is_relative_to(root):
        return path.relative_to(root).as_posix()
    for name in INNER:
        for folder in _paths(name):
            if path.is_relative_to(folder):
                return f"{name}/{path.relative_to(folder).as_posix()}"
    return path.name


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
