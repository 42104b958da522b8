"""Options of a composed config that are fields of a dataclass, each of the type that it says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from drivelab.errors import ConfigError

_TOLD = {
    "int": "a whole number", "float": "a number", "str": "a text", "bool": "true or false",
}  # fmt: skip


def typed_options(kind: Any, config: Mapping[str, Any]) -> dict[str, Any]:
    """Values by name of all fields of a run's settings but its `folder`.

    Raises:
        ConfigError: a value is of another type than its field.
    """
    found: dict[str, Any] = {}
    for option in fields(kind):
        if option.name == "folder":
            continue
        found[option.name] = value = config[option.name]
        wanted = str(option.type).partition(" ")[0]
        empty = value is None and "None" in str(option.type)
        if not (empty or _is_a(wanted, value)):
            raise ConfigError(f"{option.name}={value!r}: expected {_TOLD[wanted]}")
    return found


def _is_a(wanted: str, value: Any) -> bool:
    if wanted in ("bool", "str"):
        return isinstance(value, bool if wanted == "bool" else str)
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (wanted == "float" and isinstance(value, float))
