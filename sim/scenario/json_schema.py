"""The schema as JSON Schema, for editors that complete and check YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import msgspec.inspect

from drivelab.sim.scenario.map_choice import LogMap, OpenDriveMap, TownMap
from drivelab.sim.scenario.schema import Scenario
from drivelab.sim.scenario.templates import TEMPLATES
from drivelab.sim.scenario.units import UNIT
from drivelab.sim.scenario.variations import Choice, Grid, Normal, Uniform

DIALECT = "https://json-schema.org/draft/2020-12/schema"
TITLE = "drivelab scenario"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of scenario files; what tells mappings apart by a key needs no `type`."""
    (reference,), parts = msgspec.json.schema_components([Scenario], ref_template="#/$defs/{name}")
    for name in _told_by_key():
        part = parts[name]
        part["properties"].pop("type")
        part["required"] = [key for key in part["required"] if key != "type"]
    for part in parts.values():
        _plain_unions(part)
    parts["TemplateMap"] = _template_map()
    _add_units(msgspec.inspect.type_info(Scenario), parts, set())
    return {"$schema": DIALECT, "title": TITLE, **reference, "$defs": parts}


def _told_by_key() -> tuple[str, ...]:
    kinds = (OpenDriveMap, TownMap, LogMap, Uniform, Normal, Choice, Grid)
    return tuple(kind.__name__ for kind in kinds)


def _template_map() -> dict[str, Any]:
    """A template by name with the parameters of any template beside it."""
    properties: dict[str, Any] = {
        "template": {"type": "string", "description": "name of the template"}
    }
    for kind in TEMPLATES.values():
        for key, parameter in kind.parameters.items():
            unit = f" [{parameter.unit}]" if parameter.unit else ""
            known = {"description": f"{parameter.meaning}{unit}"}
            properties.setdefault(key, {**known, "type": ["number", "string"]})
    return {
        "title": "TemplateMap",
        "description": "A map template with its parameters.",
        "type": "object",
        "properties": properties,
        "required": ["template"],
        "additionalProperties": False,
    }


def _plain_unions(value: Any) -> None:
    """Drop discriminators: they point at tags, which are optional here."""
    if isinstance(value, dict):
        value.pop("discriminator", None)
        for entry in value.values():
            _plain_unions(entry)
    elif isinstance(value, list):
        for entry in value:
            _plain_unions(entry)


def _add_units(kind: Any, parts: Mapping[str, Any], seen: set[str]) -> None:
    """Write the unit of every number behind its description."""
    if isinstance(kind, msgspec.inspect.StructType):
        name = kind.cls.__name__
        if name in seen or name not in parts:
            return
        seen.add(name)
        for field in kind.fields:
            entry = parts[name]["properties"].get(field.encode_name)
            unit = _unit(field.type)
            if entry is not None and unit:
                told = entry.get("description", "")
                entry["description"] = f"{told} [{unit}]".strip()
            _add_units(field.type, parts, seen)
    for inner in _inner(kind):
        _add_units(inner, parts, seen)


def _inner(kind: Any) -> tuple[Any, ...]:
    if isinstance(kind, msgspec.inspect.Metadata):
        return (kind.type,)
    if isinstance(kind, msgspec.inspect.UnionType):
        return kind.types
    if isinstance(kind, msgspec.inspect.ListType | msgspec.inspect.VarTupleType):
        return (kind.item_type,)
    return (kind.value_type,) if isinstance(kind, msgspec.inspect.DictType) else ()


def _unit(kind: Any) -> str:
    if isinstance(kind, msgspec.inspect.Metadata):
        return str((kind.extra or {}).get(UNIT, "")) or _unit(kind.type)
    if isinstance(kind, msgspec.inspect.UnionType):
        return next((unit for unit in map(_unit, kind.types) if unit), "")
    return ""
