"""A training run as a folder: its settings, a line of progress per look, its summary."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from drivelab.errors import RunError

CONFIG, PROGRESS, SUMMARY = "config.yaml", "progress.jsonl", "summary.json"
CHECKPOINT, BEST = "checkpoint", "policy"  # the latest to go on from; the best to drive with


def new_folder(root: Path, algo: str, env: str) -> Path:
    """A fresh folder named by date, algorithm and environment."""
    name = f"{datetime.now():%Y%m%d-%H%M%S}-train-{algo}-{env}"
    return root / name


def open_folder(folder: Path, config: Mapping[str, Any], *, option: str = "run.dir") -> bool:
    """Make the folder, or find it as the same command left it; True where it is resumed.

    Args:
        folder: of the run.
        config: what decides what is learnt.
        option: that named the folder, for messages.

    Raises:
        RunError: it holds a run of other settings, or something else.
    """
    if check_folder(folder, config, option=option):
        return True
    file = folder / CONFIG
    part = _part_of(file)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        part.write_text(_text_of(config))
        os.replace(part, file)
    finally:
        part.unlink(missing_ok=True)
    return False


def check_folder(folder: Path, config: Mapping[str, Any], *, option: str = "run.dir") -> bool:
    """What `open_folder` answers or raises, before anything is made there."""
    file = folder / CONFIG
    if file.is_file():
        before = _read_config(file)
        other = _differing(_said(before), _said(yaml.safe_load(_text_of(config))))
        if other:
            raise RunError(
                f"{folder} holds a run with other settings ({', '.join(other)}; see {file}): type "
                f"its command again to resume it, or choose another {option}"
            )
        return True
    if folder.exists() and any(found != _part_of(file) for found in folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no training run: choose another {option}")
    return False


def _text_of(config: Mapping[str, Any]) -> str:
    return yaml.safe_dump(json.loads(json.dumps(config)), sort_keys=False)


def _part_of(file: Path) -> Path:
    """Where it is written first: half a config would be one of other settings."""
    return file.with_name(f".{file.name}.part")


def _said(config: Any) -> Any:
    """Without what is null: an option that came with a newer version and says nothing."""
    if not isinstance(config, dict):
        return config
    return {key: _said(value) for key, value in config.items() if value is not None}


def _differing(before: Any, now: Any, prefix: str = "") -> list[str]:
    """Options that are not the same, with what they were."""
    if not isinstance(before, dict) or not isinstance(now, dict):
        return [] if before == now else [f"{prefix} was {before}"]
    found = []
    for key in {**before, **now}:
        name = f"{prefix}.{key}" if prefix else str(key)
        found += _differing(before.get(key), now.get(key), name)
    return found


def _read_config(file: Path) -> Any:
    try:
        return yaml.safe_load(file.read_text())
    except (ValueError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise RunError(
            f"{file} is damaged ({told}): restore it, or choose another run.dir"
        ) from error


def read_progress(folder: Path) -> list[dict[str, Any]]:
    """The lines written so far."""
    file = folder / PROGRESS
    if not file.is_file():
        return []
    rows = []
    for line in file.read_text(errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # cut short by a crash
        if isinstance(row, dict):
            rows.append(row)
    return rows


def keep_progress(folder: Path, updates: int, *, epoch: int | None = None) -> None:
    """Drop lines of after a checkpoint, which a resumed run writes again, and torn ones.

    The last update of an epoch may have been saved before the look that follows it: then `epoch`,
    the last one whose look is done, tells that its line is to be dropped.
    """
    file = folder / PROGRESS
    if not file.is_file():
        return
    kept = [
        row
        for row in read_progress(folder)
        if "updates" in row
        and row["updates"] <= updates
        and (epoch is None or row["epoch"] <= epoch)
    ]
    part = file.with_name(f".{file.name}.part")
    part.write_text("".join(json.dumps(row) + "\n" for row in kept))
    os.replace(part, file)


def add_progress(folder: Path, row: Mapping[str, Any]) -> None:
    """Append one line."""
    with (folder / PROGRESS).open("a") as stream:
        stream.write(json.dumps(row) + "\n")


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file whole or not at all."""
    part = file.with_name(f".{file.name}.part")
    part.write_text(json.dumps(content, indent=2))
    os.replace(part, file)
