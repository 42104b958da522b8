"""Every key of the schema as Markdown tables, for the docs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import msgspec.inspect as ms

from drivelab.sim.scenario.acts import Act
from drivelab.sim.scenario.road_users import Moves
from drivelab.sim.scenario.schema import Scenario
from drivelab.sim.scenario.shape import keys_of
from drivelab.sim.scenario.surroundings import SensorFault
from drivelab.sim.scenario.variations import Choice, Grid, Normal, Uniform

# What heads the table of a mapping; a tagged one is headed by its tag.
_TITLES = {
    "Scenario": "The scenario",
    "Ego": "`ego`",
    "Actor": "`actors`: one entry an actor",
    "Route": "`route`, also of `drive` and `policy` motions",
    "Place": "A place, as in `route.goal` and in paths",
    "When": "`when`: triggers",
    "Within": "`when.ego_within`",
    "Nudge": "`nudge`",
    "Driver": "`driver` of a `drive` motion",
    "Traffic": "`traffic`",
    "Lights": "`lights`",
    "Signs": "`signs`",
    "Weather": "`weather` as a mapping",
    "Sensors": "`sensors`",
    "Expect": "`expect`",
    "Terminate": "`terminate`",
}
_BOTH_SIDES = ("gt", "ge", "lt", "le")


def key_tables() -> str:
    """All tables, the scenario first, then every mapping in the order in which it is named."""
    return "\n\n".join(_table(kind) for kind in _mappings())


def _mappings() -> list[type]:
    found: dict[type, None] = {}

    def visit(kind: ms.Type) -> None:
        if isinstance(kind, ms.StructType):
            if kind.cls in found:
                return
            found[kind.cls] = None
            for field in kind.fields:
                visit(field.type)
        for inner in _inside(kind):
            visit(inner)

    visit(ms.type_info(Scenario))
    return list(found)


def _table(kind: type) -> str:
    info = ms.type_info(kind)
    assert isinstance(info, ms.StructType)
    rows = [_row(field, kind) for field in info.fields]
    meaning = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
    if not rows:
        return f"### {_title(kind, info)}\n\n{meaning} It has no further keys."
    head = "| key | value | default | meaning |\n|---|---|---|---|"
    return "\n".join([f"### {_title(kind, info)}\n\n{meaning}\n", head, *rows])


def _title(kind: type, info: ms.StructType) -> str:
    if kind.__name__ in _TITLES:
        return _TITLES[kind.__name__]
    if kind in (Uniform, Normal, Choice, Grid):
        return f"`vary`: `{info.tag}`"
    if kind.__name__.endswith("Map"):
        return f"`map`: `{info.tag}`"
    heads = ((Act, "behavior"), (Moves, "motion"), (SensorFault, "faults"))
    head = next(word for base, word in heads if issubclass(kind, base))
    return f"`{head}`: `{info.tag_field}: {info.tag}`"


def _row(field: ms.Field, kind: type) -> str:
    known = keys_of(kind)[field.encode_name]
    value = " or ".join(dict.fromkeys(_values(field.type))).replace("|", "\\|")
    unit = f" [{known.unit}]" if known.unit else ""
    meaning = known.meaning.replace("|", "\\|")
    return f"| `{field.encode_name}` | {value}{unit} | {_default(field)} | {meaning} |"


def _values(kind: ms.Type) -> Iterator[str]:
    """What may be written, in words."""
    if isinstance(kind, ms.Metadata):
        yield from _values(kind.type)
    elif isinstance(kind, ms.UnionType):
        structs = [member for member in kind.types if isinstance(member, ms.StructType)]
        for member in kind.types:
            if not isinstance(member, ms.NoneType | ms.StructType):
                yield from _values(member)
        if structs:
            yield "a mapping"
    elif isinstance(kind, ms.LiteralType):
        yield ", ".join(str(value) for value in kind.values)
    elif isinstance(kind, ms.FloatType | ms.IntType):
        yield f"{'number' if isinstance(kind, ms.FloatType) else 'whole number'}{_bounds(kind)}"
    elif isinstance(kind, ms.ListType | ms.VarTupleType):
        yield "a list"
    else:
        words: dict[type, str] = {
            ms.StrType: "text",
            ms.BoolType: "true, false",
            ms.StructType: "a mapping",
            ms.DictType: "a mapping",
        }
        yield words.get(type(kind), "any value")


def _bounds(kind: ms.FloatType | ms.IntType) -> str:
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    told = [f"{signs[n]} {getattr(kind, n):g}" for n in _BOTH_SIDES if getattr(kind, n) is not None]
    return f" {', '.join(told)}" if told else ""


def _default(field: ms.Field) -> str:
    if field.required:
        return "must be there"
    if field.default_factory is not msgspec.NODEFAULT or field.default == ():
        return "none"
    value: Any = field.default
    if value is None or isinstance(value, msgspec.Struct):
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, int | float) else f"`{value}`"


def _inside(kind: ms.Type) -> tuple[ms.Type, ...]:
    if isinstance(kind, ms.Metadata):
        return (kind.type,)
    if isinstance(kind, ms.UnionType):
        return kind.types
    if isinstance(kind, ms.ListType | ms.VarTupleType):
        return (kind.item_type,)
    return (kind.value_type,) if isinstance(kind, ms.DictType) else ()
