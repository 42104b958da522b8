"""Does plain data have the shape of the schema? All faults at once, with units and nearest keys.

msgspec says what the schema is (`msgspec.inspect`) and converts what passed; it would stop at the
first fault and knows no lines.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect as ms

from drivelab.sim.scenario.problems import Fault, Path, did_you_mean, nearest
from drivelab.sim.scenario.schema import Scenario
from drivelab.sim.scenario.units import UNIT

PARAMETERS = "parameters"  # of a map template; its keys are written beside `template`


@dataclass(frozen=True, slots=True)
class _Key:
    """One key of a mapping as messages speak of it."""

    type: ms.Type
    required: bool
    unit: str
    meaning: str


def shape_faults(data: Any, kind: type = Scenario) -> list[Fault]:
    """Everything in `data` that is not as the schema says."""
    faults: list[Fault] = []
    _check(data, _type_info(kind), (), "", faults)
    return faults


def convert(data: Any) -> Scenario:
    """Checked data as a scenario."""
    return msgspec.convert(data, Scenario)


def tagged(data: Any) -> Any:
    """The data with template parameters gathered and mappings that a key tells apart tagged.

    `{template: straight, lanes: 3}` becomes `{type: template, template: straight, parameters:
    {lanes: 3}}`, `{uniform: [1, 2]}` becomes `{type: uniform, uniform: [1, 2]}`.
    """
    if not isinstance(data, dict):
        return data
    out = dict(data)
    if isinstance(out.get("map"), dict):
        out["map"] = _with_tag(_gathered(out["map"]), ("template", "opendrive", "town", "log"))
    if isinstance(out.get("vary"), dict):
        kinds = ("uniform", "normal", "choice", "grid")
        out["vary"] = {key: _with_tag(value, kinds) for key, value in out["vary"].items()}
    return out


def untagged(data: dict[str, Any]) -> dict[str, Any]:
    """The inverse of `tagged`: what a person would write."""
    out = dict(data)
    if isinstance(out.get("map"), dict):
        inner = {key: value for key, value in out["map"].items() if key not in ("type", PARAMETERS)}
        out["map"] = inner | out["map"].get(PARAMETERS, {})
    if "vary" in out:
        out["vary"] = {
            key: {inner: entry for inner, entry in value.items() if inner != "type"}
            for key, value in out["vary"].items()
        }
    return out


def _with_tag(value: Any, names: Sequence[str]) -> Any:
    if not isinstance(value, dict) or "type" in value:
        return value
    found = [name for name in names if name in value]
    return {"type": found[0], **value} if len(found) == 1 else value


def _gathered(value: dict[str, Any]) -> dict[str, Any]:
    if "template" not in value or PARAMETERS in value:
        return value
    inner = {key: entry for key, entry in value.items() if key not in ("template", "type")}
    outer = {key: entry for key, entry in value.items() if key in ("template", "type")}
    return {**outer, PARAMETERS: inner} if inner else outer


def _check(value: Any, kind: ms.Type, path: Path, unit: str, faults: list[Fault]) -> None:
    while isinstance(kind, ms.Metadata):
        unit = (kind.extra or {}).get(UNIT, unit)
        kind = kind.type
    if isinstance(kind, ms.UnionType):
        _check_union(value, kind, path, unit, faults)
    elif isinstance(kind, ms.StructType):
        _check_mapping(value, kind, path, faults)
    elif isinstance(kind, ms.ListType | ms.VarTupleType):
        _check_list(value, kind, path, unit, faults)
    elif isinstance(kind, ms.DictType):
        _check_dict(value, kind, path, unit, faults)
    elif not isinstance(kind, ms.AnyType):
        text = _scalar_fault(value, kind, unit)
        if text:
            faults.append(Fault(path, text))


def _check_union(
    value: Any, kind: ms.UnionType, path: Path, unit: str, faults: list[Fault]
) -> None:
    """Take the member that the value's own type points at; a mapping by its tag."""
    members = [_bare(member, unit) for member in kind.types]
    if isinstance(value, dict):
        structs = [member for member, _ in members if isinstance(member, ms.StructType)]
        if structs:
            _check_tagged(value, structs, path, faults)
            return
    fitting = [(member, own) for member, own in members if _speaks_of(value, member)]
    if not fitting:
        names = dict.fromkeys(_expected(m, own) for m, own in members if not _is_none(m))
        numeric = isinstance(value, str) and any(
            isinstance(member, ms.FloatType | ms.IntType) for member, _ in members
        )
        hint = _number_hint(value, next((own for _, own in members if own), "")) if numeric else ""
        faults.append(Fault(path, f"expected {' or '.join(names)}, got {_told(value)}{hint}"))
        return
    trials: list[list[Fault]] = []
    for member, own in fitting:
        trial: list[Fault] = []
        _check(value, member, path, own, trial)
        if not trial:
            return
        trials.append(trial)
    if len(fitting) > 1 and all(isinstance(m, ms.LiteralType | ms.StrType) for m, _ in fitting):
        words = [str(w) for m, _ in fitting if isinstance(m, ms.LiteralType) for w in m.values]
        faults.append(Fault(path, f"unknown word `{value}`{did_you_mean(value, words)}"))
        return
    faults.extend(trials[-1])


def _check_tagged(
    value: dict[str, Any], structs: list[ms.StructType], path: Path, faults: list[Fault]
) -> None:
    if len(structs) == 1 and structs[0].tag is None:
        _check_mapping(value, structs[0], path, faults)
        return
    field = next(struct.tag_field for struct in structs if struct.tag is not None)
    assert field is not None
    by_tag = {struct.tag: struct for struct in structs if struct.tag is not None}
    tags = [str(tag) for tag in by_tag]
    tag = value.get(field)
    if field not in value:
        untagged_struct = next((struct for struct in structs if struct.tag is None), None)
        if untagged_struct is not None:
            _check_mapping(value, untagged_struct, path, faults)
            return
        keys = [key for key in value if key in tags]
        wanted = f"expected one of the keys {', '.join(tags)}"
        if field == "type" and len(keys) > 1:
            faults.append(Fault(path, f"{wanted}, got {' and '.join(keys)}"))
        elif path and path[0] in ("map", "vary"):
            near = next((f"; did you mean `{n}`?" for k in value if (n := nearest(k, tags))), "")
            faults.append(Fault(path, f"{wanted}{near}"))
        else:
            faults.append(Fault(path, f"the key `{field}` is missing; one of {', '.join(tags)}"))
    elif tag not in by_tag:
        faults.append(Fault((*path, field), f"unknown {field} `{tag}`{did_you_mean(tag, tags)}"))
    else:
        _check_mapping(value, by_tag[tag], path, faults)


def _check_mapping(value: Any, kind: ms.StructType, path: Path, faults: list[Fault]) -> None:
    if not isinstance(value, dict):
        faults.append(Fault(path, f"expected a mapping, got {_told(value)}"))
        return
    keys = keys_of(kind.cls)
    for key, entry in value.items():
        if key in keys:
            known = keys[key]
            _check(entry, known.type, (*path, key), known.unit, faults)
        elif not (key == kind.tag_field and entry == kind.tag):
            faults.append(Fault((*path, key), f"unknown key `{key}`{_nearest_key(key, keys)}"))
    for key, known in keys.items():
        if known.required and key not in value:
            text = f"the key `{key}` is missing ({known.meaning}{_bracket(known.unit)})"
            faults.append(Fault(path, text))


def _check_list(
    value: Any, kind: ms.ListType | ms.VarTupleType, path: Path, unit: str, faults: list[Fault]
) -> None:
    if not isinstance(value, list | tuple):
        faults.append(Fault(path, f"expected a list{_bracket(unit)}, got {_told(value)}"))
        return
    low, high = kind.min_length or 0, kind.max_length
    if len(value) < low or (high is not None and len(value) > high):
        wanted = (
            f"{low} or more" if high is None else f"{low}" if low == high else f"{low} to {high}"
        )
        faults.append(Fault(path, f"expected {wanted} entries{_bracket(unit)}, got {len(value)}"))
    for index, entry in enumerate(value):
        _check(entry, kind.item_type, (*path, index), unit, faults)


def _check_dict(value: Any, kind: ms.DictType, path: Path, unit: str, faults: list[Fault]) -> None:
    if not isinstance(value, dict):
        faults.append(Fault(path, f"expected a mapping, got {_told(value)}"))
        return
    for key, entry in value.items():
        _check(entry, kind.value_type, (*path, key), unit, faults)


def _scalar_fault(value: Any, kind: ms.Type, unit: str) -> str:
    if not _speaks_of(value, kind):
        hint = ""
        if isinstance(kind, ms.FloatType | ms.IntType) and isinstance(value, str):
            hint = _number_hint(value, unit)
        return f"expected {_expected(kind, unit)}, got {_told(value)}{hint}"
    if isinstance(kind, ms.FloatType | ms.IntType):
        if not math.isfinite(value):
            return f"expected a finite number{_bracket(unit)}"
        return _bound_fault(value, kind, unit)
    if isinstance(kind, ms.LiteralType) and value not in kind.values:
        return f"unknown word `{value}`{did_you_mean(value, [str(v) for v in kind.values])}"
    if isinstance(kind, ms.StrType):
        if kind.pattern is not None and not re.search(kind.pattern, value):
            return f"`{value}` does not fit the pattern {kind.pattern}"
        if kind.max_length is not None and len(value) > kind.max_length:
            return f"longer than {kind.max_length} characters"
    return ""


def _bound_fault(value: float, kind: ms.FloatType | ms.IntType, unit: str) -> str:
    tests: tuple[tuple[float | None, Callable[[float], bool], str], ...] = (
        (kind.gt, lambda bound: value > bound, "more than"),
        (kind.ge, lambda bound: value >= bound, "at least"),
        (kind.lt, lambda bound: value < bound, "less than"),
        (kind.le, lambda bound: value <= bound, "at most"),
    )
    for bound, holds, words in tests:
        if bound is not None and not holds(bound):
            return f"is {value:g}; expected {words} {bound:g}{_bracket(unit)}"
    return ""


def _number_hint(text: str, unit: str) -> str:
    """What to write instead of `12 m/s`."""
    match = re.fullmatch(r"\s*([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)\s*(\S+)\s*", text)
    if match is None:
        return ""
    said = f", not in {match[2]}" if unit and match[2] != unit else ""
    return f"; write the number alone{f', in {unit}' if unit else ''}{said}"


def _speaks_of(value: Any, kind: ms.Type) -> bool:
    """Whether a value is of the sort of a type, bounds aside."""
    if isinstance(kind, ms.NoneType):
        return value is None
    if isinstance(kind, ms.BoolType):
        return isinstance(value, bool)
    if isinstance(kind, ms.FloatType):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(kind, ms.IntType):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(kind, ms.StrType | ms.LiteralType):
        return isinstance(value, str)
    if isinstance(kind, ms.ListType | ms.VarTupleType):
        return isinstance(value, list | tuple)
    if isinstance(kind, ms.DictType | ms.StructType):
        return isinstance(value, dict)
    return True


def _expected(kind: ms.Type, unit: str) -> str:
    names: dict[type, str] = {
        ms.FloatType: f"a number{_bracket(unit)}",
        ms.IntType: f"a whole number{_bracket(unit)}",
        ms.BoolType: "true or false",
        ms.StrType: "a text",
        ms.ListType: "a list",
        ms.VarTupleType: "a list",
        ms.DictType: "a mapping",
        ms.StructType: "a mapping",
        ms.NoneType: "nothing",
    }
    if isinstance(kind, ms.LiteralType):
        return "one of " + ", ".join(str(value) for value in kind.values)
    return names[type(kind)]


def _nearest_key(key: str, keys: Mapping[str, _Key]) -> str:
    match = nearest(key, keys)
    if match is None:
        return f"; known are {', '.join(keys)}"
    known = keys[match]
    return f", did you mean `{match}` ({known.meaning}{_bracket(known.unit, ', ')})?"


def _bracket(unit: str, before: str = " ") -> str:
    return f"{before}[{unit}]" if unit else ""


def _told(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = str(value)
    return f"`{text if len(text) <= 40 else text[:40] + '...'}`"


def _is_none(kind: ms.Type) -> bool:
    return isinstance(kind, ms.NoneType)


def _bare(kind: ms.Type, unit: str) -> tuple[ms.Type, str]:
    while isinstance(kind, ms.Metadata):
        unit = (kind.extra or {}).get(UNIT, unit)
        kind = kind.type
    return kind, unit


@functools.cache
def _type_info(kind: type) -> ms.Type:
    return ms.type_info(kind)


@functools.cache
def keys_of(cls: type) -> Mapping[str, _Key]:
    """Keys of a mapping of the schema."""
    info = _type_info(cls)
    assert isinstance(info, ms.StructType)
    out = {}
    for field in info.fields:
        kind, unit, meaning = field.type, "", ""
        while isinstance(kind, ms.Metadata):
            unit = (kind.extra or {}).get(UNIT, unit)
            meaning = (kind.extra_json_schema or {}).get("description", meaning)
            kind = kind.type
        out[field.encode_name] = _Key(kind, field.required, unit or _inner_unit(kind), meaning)
    return out


def _inner_unit(kind: ms.Type) -> str:
    """The unit inside an optional number or a list of numbers."""
    if isinstance(kind, ms.Metadata):
        return str((kind.extra or {}).get(UNIT, "")) or _inner_unit(kind.type)
    if isinstance(kind, ms.UnionType):
        units = [_inner_unit(member) for member in kind.types]
        return next((unit for unit in units if unit), "")
    return ""
