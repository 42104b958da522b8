"""Templates by name: `straight_3lane` is the template `straight` with `lanes: 3`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.scenario.templates.crossings import CROSSING, T_JUNCTION
from drivelab.sim.scenario.templates.ramps import EXIT, HIGHWAY, LANE_DROP, MERGE
from drivelab.sim.scenario.templates.roundabout import ROUNDABOUT
from drivelab.sim.scenario.templates.straights import (
    CURVE,
    NARROW_STREET,
    S_CURVE,
    STRAIGHT,
    TWO_WAY,
)
from drivelab.sim.scenario.templates.streetside import (
    BUS_STOP,
    CROSSWALK,
    PARKING_ROW,
    TURNING_CIRCLE,
)
from drivelab.sim.scenario.templates.template import (
    Parameter,
    RoadTemplate,
    TemplateKind,
    Value,
)
from drivelab.sim.scenario.templates.town import GRID_TOWN

TEMPLATES: Mapping[str, TemplateKind] = {
    kind.name: kind
    for kind in (
        STRAIGHT,
        CURVE,
        S_CURVE,
        TWO_WAY,
        NARROW_STREET,
        MERGE,
        EXIT,
        LANE_DROP,
        HIGHWAY,
        CROSSING,
        T_JUNCTION,
        ROUNDABOUT,
        CROSSWALK,
        BUS_STOP,
        PARKING_ROW,
        TURNING_CIRCLE,
        GRID_TOWN,
    )
}

_LANES = re.compile(r"(\d+)lanes?")
_KEPT = 64  # built templates that are kept, with the tables that hang on their maps


def build_template(name: str, parameters: Mapping[str, Value] | None = None) -> RoadTemplate:
    """Build a template by name; equal requests return the same object.

    `name` may carry parameters behind the template's name: `3lane`, or a choice such as `stop` in
    `crossing_stop`. `parameters` are SI units and go before what the name says.

    Raises:
        ConfigError: no such template or parameter, or a value out of its range.
    """
    kind, said = resolve(name)
    asked = said | dict(parameters or {})
    unknown = next((key for key in asked if key not in kind.parameters), None)
    if unknown is not None:
        raise ConfigError(
            f"map template {kind.name!r} has no parameter {unknown!r}"
            f"{nearest_name(unknown, kind.parameters)}; it takes {describe(kind)}"
        )
    values = {
        key: checked(kind.name, key, parameter, asked.get(key, parameter.default))
        for key, parameter in kind.parameters.items()
    }
    return _built(kind.name, tuple(values.items()))


def resolve(name: str) -> tuple[TemplateKind, dict[str, Value]]:
    """The template that a name means, and the parameters the name carries.

    Raises:
        ConfigError: no such template, or a suffix it does not know.
    """
    fitting = [known for known in TEMPLATES if name == known or name.startswith(f"{known}_")]
    if not fitting:
        raise ConfigError(
            f"there is no map template {name!r}{nearest_name(name, TEMPLATES)}; "
            f"known are {', '.join(TEMPLATES)}"
        )
    kind = TEMPLATES[max(fitting, key=len)]
    suffixes = [part for part in name[len(kind.name) :].split("_") if part]
    said: dict[str, Value] = {}
    for suffix in suffixes:
        said |= _meaning(kind, suffix, name)
    return kind, said


def describe(kind: TemplateKind) -> str:
    """The parameters of a template in words."""
    return ", ".join(f"{key} ({allowed(value)})" for key, value in kind.parameters.items())


def checked(template: str, key: str, parameter: Parameter, value: Value) -> Value:
    """The value as the template takes it.

    Raises:
        ConfigError: a wrong type, out of range, or none of the choices.
    """
    if parameter.choices:
        fits = value in parameter.choices
    else:
        fits = (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and parameter.low <= value <= parameter.high
            and (not parameter.whole or float(value).is_integer())
        )
    if not fits:
        raise ConfigError(
            f"map template {template!r}: {key} is {value!r}; expected {allowed(parameter)}"
        )
    if isinstance(value, str):
        return value
    return int(value) if parameter.whole else float(value)


def _meaning(kind: TemplateKind, suffix: str, name: str) -> dict[str, Value]:
    lanes = _LANES.fullmatch(suffix)
    if lanes and "lanes" in kind.parameters:
        return {"lanes": int(lanes[1])}
    for key, parameter in kind.parameters.items():
        if suffix in parameter.choices:
            return {key: suffix}
    choices = [word for parameter in kind.parameters.values() for word in parameter.choices]
    if "lanes" in kind.parameters:
        choices.append("<n>lane")
    raise ConfigError(
        f"map template {name!r}: {kind.name!r} knows no {suffix!r}{nearest_name(suffix, choices)}; "
        f"behind the name may stand: {', '.join(choices) or 'nothing'}"
    )


def allowed(parameter: Parameter) -> str:
    """What a parameter may be, in words."""
    if parameter.choices:
        return " | ".join(parameter.choices)
    number = "a whole number " if parameter.whole else ""
    unit = f" {parameter.unit}" if parameter.unit else ""
    return f"{number}{parameter.low:g} .. {parameter.high:g}{unit}"


@lru_cache(maxsize=_KEPT)
def _built(name: str, parameters: tuple[tuple[str, Value], ...]) -> RoadTemplate:
    values = dict(parameters)
    return replace(TEMPLATES[name].build(**values), name=name, parameters=values)
