"""Which scenarios of the nuPlan logs are wanted: the ScenarioFilter files of the devkit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from drivelab.data.nuplan.records import ScenarioRow
from drivelab.errors import ConfigError, DataError

_TOKEN = re.compile(r"[0-9a-f]{16}")
_NULL = ("", "null", "Null", "NULL", "~")
_LISTS = ("scenario_types", "scenario_tokens", "log_names", "map_names")
_NUMBERS = ("num_scenarios_per_type", "limit_total_scenarios", "timestamp_threshold_s")
_IGNORED = ("_target_", "_convert_", "expand_scenarios", "shuffle")
_Loader: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)  # text only: tokens stay tokens


@dataclass(frozen=True, slots=True)
class ScenarioFilter:
    """None means all. The order of application is the devkit's: top to bottom."""

    scenario_types: tuple[str, ...] | None = None
    scenario_tokens: tuple[str, ...] | None = None
    log_names: tuple[str, ...] | None = None
    map_names: tuple[str, ...] | None = None
    remove_invalid_goals: bool = False
    num_scenarios_per_type: int | None = None
    limit_total_scenarios: int | float | None = None  # a count, or a fraction
    timestamp_threshold_s: float | None = None  # least time between two scenarios [s]


def read_scenario_filter(file: str | Path) -> ScenarioFilter:
    """Read a ScenarioFilter YAML file; keys that ask for more than this reader does are refused."""
    path = Path(file)
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_Loader)
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read as YAML: {error}", file=path) from error
    if not isinstance(content, dict):
        raise DataError("expected keys and values", file=path)
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key in _IGNORED or (isinstance(value, str) and value in _NULL):
            continue
        values[key] = _value(key, value, path)
    return ScenarioFilter(**{key: value for key, value in values.items() if value is not None})


def _value(key: str, value: Any, path: Path) -> Any:
    if key in _LISTS:
        if not isinstance(value, list):
            raise DataError("expected a list or null", file=path, where=key)
        for index, item in enumerate(value if key == "scenario_tokens" else ()):
            if not (isinstance(item, str) and _TOKEN.fullmatch(item)):
                raise DataError(
                    f"{item!r} is not a token, expected 16 lower-case hex characters",
                    file=path,
                    where=f"{key}[{index}]",
                )
        return tuple(str(item) for item in value)
    if key in _NUMBERS:
        try:
            return float(value) if "." in value else int(value)
        except (TypeError, ValueError):
            raise DataError(f"{value!r} is not a number", file=path, where=key) from None
    text = str(value).lower()
    if key == "remove_invalid_goals" and text in ("true", "false"):
        return text == "true"
    if text == "false":
        return None
    raise DataError(f"{value!r} is not supported; set it to null", file=path, where=key)


def thin_out(rows: Sequence[ScenarioRow], wanted: ScenarioFilter) -> list[ScenarioRow]:
    """Apply the numeric parts of a filter to the rows that the database gave, in their order."""
    kept = list(rows)
    if wanted.num_scenarios_per_type is not None:
        kept = _per_type(kept, wanted.num_scenarios_per_type)
    limit = wanted.limit_total_scenarios
    if limit is not None:
        count = int(limit * len(kept)) if isinstance(limit, float) else limit
        if count < 1:
            raise ConfigError(f"limit_total_scenarios {limit} leaves no scenario of {len(kept)}")
        kept = _every(kept, count)
    if wanted.timestamp_threshold_s is not None:
        kept = _apart(kept, int(wanted.timestamp_threshold_s * 1e6))
    return kept


def _per_type(rows: Sequence[ScenarioRow], count: int) -> list[ScenarioRow]:
    by_type: dict[str | None, list[ScenarioRow]] = {}
    for row in rows:
        by_type.setdefault(row.type, []).append(row)
    return [row for members in by_type.values() for row in _every(members, count)]


def _every(rows: Sequence[ScenarioRow], count: int) -> list[ScenarioRow]:
    step = max(len(rows) // count, 1)
    return list(rows[::step][:count])


def _apart(rows: Sequence[ScenarioRow], threshold: int) -> list[ScenarioRow]:
    kept: list[ScenarioRow] = []
    for row in sorted(rows, key=lambda row: row.time):
        if not kept or row.time - kept[-1].time >= threshold:
            kept.append(row)
    return kept
