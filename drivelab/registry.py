"""Plugs: find what installed packages add through entry points, and build objects from names.

Groups: `drivelab.agents`, `drivelab.worlds`, `drivelab.metrics`, `drivelab.benches` name a class
(`package.module:Class`); `drivelab.conf` points at a package of Hydra YAML files. Finding a plug
imports nothing of it; a plug whose module is not there is reported by name and left out.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import traceback
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from importlib.metadata import entry_points
from types import UnionType
from typing import Any, get_args, get_type_hints

from drivelab.errors import ConfigError, DrivelabError, nearest_name

AGENTS = "drivelab.agents"
METRICS = "drivelab.metrics"
BENCHES = "drivelab.benches"
CONF = "drivelab.conf"
TARGET = "_target_"
_WORDS: Mapping[Any, str] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Plug:
    """One entry point: what it is called, what it points at, and which package brought it."""

    name: str
    target: str
    origin: str


@dataclass(frozen=True, slots=True)
class Found:
    """The plugs of a group, and for each broken one the reason why it was left out."""

    plugs: Mapping[str, Plug]
    broken: Mapping[str, str]


def find_plugs(group: str) -> Found:
    """Look up the entry points of a group; the first of two packages with one name wins."""
    plugs: dict[str, Plug] = {}
    broken: dict[str, str] = {}
    for point in entry_points(group=group):
        origin = point.dist.name if point.dist else "?"
        reason = _why_missing(point.value.partition(":")[0])
        if reason:
            broken[point.name] = f"{origin}: {point.value}: {reason}"
        elif point.name not in plugs:
            plugs[point.name] = Plug(point.name, point.value, origin)
    return Found(plugs, broken)


def load_object(target: str) -> Any:
    """Import `package.module:Name` (or `package.module.Name`)."""
    module_name, colon, name = target.partition(":")
    if not colon:
        module_name, _, name = target.rpartition(".")
    if not module_name or not name:
        raise ConfigError(f"{target!r} names no class: expected package.module:Class")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"{module_name} cannot be imported: it needs the module {error.name!r}, "
                "which is not installed"
            ) from error
        raise ConfigError(
            f"no module {error.name!r} for {target!r}: write package.module:Class, and run from "
            "the folder that holds it or install its package"
        ) from error
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{module_name} cannot be imported: {_told(error)}") from error
    if not hasattr(module, name):
        raise ConfigError(f"{module_name} has no {name!r}{nearest_name(name, vars(module))}")
    return getattr(module, name)


def build(spec: Mapping[str, Any], **extra: Any) -> Any:
    """Build the object of a config node `{_target_: ..., option: value}`, inner nodes first.

    `extra` holds options that are passed only if the class knows them (device, seed).
    """
    if TARGET not in spec:
        raise ConfigError(f"a config node without {TARGET!r}: {dict(spec)!r}")
    target = str(spec[TARGET])
    factory = load_object(target)
    options = {key: _inner(value) for key, value in spec.items() if key != TARGET}
    known = _parameters(factory)
    if known is not None:
        for key in options:
            if key not in known:
                raise ConfigError(
                    f"{target} has no option {key!r}{nearest_name(key, known)}; "
                    f"it knows: {', '.join(sorted(known)) or 'none'}"
                )
        _check_types(target, factory, options)
        options.update({k: v for k, v in extra.items() if k in known and k not in options})
    try:
        return factory(**options)
    except DrivelabError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigError(f"{target} cannot be made: {_told(error)}") from error


def _check_types(target: str, factory: Any, options: Mapping[str, Any]) -> None:
    """Refuse numbers, texts and switches in each other's place, where a dataclass says which."""
    if not is_dataclass(factory):
        return
    try:
        hints = get_type_hints(factory)
    except (NameError, TypeError):  # hints that are only there for type checkers
        return
    defaults = {field.name: field.default for field in fields(factory)}
    for key, value in options.items():
        hint = hints.get(key)
        allowed = set(get_args(hint)) if isinstance(hint, UnionType) else {hint}
        if not allowed <= _WORDS.keys() or value is defaults.get(key, MISSING):
            continue
        if type(value) not in allowed and not (type(value) is int and float in allowed):
            words = " or ".join(word for kind, word in _WORDS.items() if kind in allowed)
            raise ConfigError(f"{key}={value!r}: {target} expects {words}")


def _told(error: BaseException) -> str:
    """What went wrong in code of others, and in which line of it."""
    text = f"{type(error).__name__}: {error}".rstrip(": ")
    last = traceback.extract_tb(error.__traceback__)[-1]
    own = last.filename == __file__ or last.filename.startswith("<")
    return text if own else f"{text} ({last.filename}, line {last.lineno})"


def _inner(value: Any) -> Any:
    if isinstance(value, Mapping):
        return build(value) if TARGET in value else {k: _inner(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_inner(item) for item in value]
    return value


def _parameters(factory: Any) -> set[str] | None:
    """Names that can be passed by keyword; None when anything can."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return None
    by_keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name for p in parameters if p.kind in by_keyword}


def _why_missing(module: str) -> str:
    try:
        found = importlib.util.find_spec(module)
    except Exception as error:  # a plug's parent package runs code here; its fault is its own
        return f"{type(error).__name__}: {error}"
    return "" if found is not None else f"no module {module!r}"
