"""What varies: a scenario and a seed -> the scenario as that seed has it.

Every varied path draws from a stream of its own, seeded by (seed, scenario id, path): adding a
path changes no other draw, and the order in the file does not matter.
"""

from __future__ import annotations

import copy
import zlib
from itertools import combinations
from typing import Any

import msgspec
import numpy as np

from drivelab.sim.scenario.problems import Fault, Path, did_you_mean
from drivelab.sim.scenario.schema import Scenario
from drivelab.sim.scenario.shape import PARAMETERS, shape_faults
from drivelab.sim.scenario.variations import AnyVariation, Choice, Grid, Normal, Uniform

LARGEST_GRID = 10_000  # combinations
_TRIES = 1000


def stream(scenario: str, seed: int, purpose: str) -> np.random.Generator:
    """Random numbers of one purpose within one scenario and seed."""
    words = [seed, zlib.crc32(scenario.encode()), zlib.crc32(purpose.encode())]
    return np.random.default_rng(np.random.SeedSequence(words))


def sample(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with everything drawn that varies; nothing varies in the answer.

    A negative seed gives the scenario as it is written.
    """
    if not scenario.vary or seed < 0:
        return msgspec.structs.replace(scenario, vary={})
    data = plain(scenario)
    del data["vary"]
    for dotted, value in draws(scenario, seed).items():
        put(data, dotted, value)
    return msgspec.convert(data, Scenario)


def plain(scenario: Scenario) -> dict[str, Any]:
    """The scenario as mappings and lists; defaults are left out."""
    data: dict[str, Any] = _builtins(scenario)
    return data


def draws(scenario: Scenario, seed: int) -> dict[str, Any]:
    """The value of every varied path for a seed."""
    places = _grid_places(scenario, seed)
    return {
        path: variation.grid[places[path]]
        if isinstance(variation, Grid)
        else _draw(variation, stream(scenario.id, seed, path))
        for path, variation in scenario.vary.items()
    }


def grid_size(scenario: Scenario) -> int:
    """Number of combinations of all grids."""
    size = 1
    for variation in scenario.vary.values():
        size *= len(variation.grid) if isinstance(variation, Grid) else 1
    return size


def vary_faults(scenario: Scenario, data: Any) -> list[Fault]:
    """Ranges upside down, paths that lead nowhere or to one value, misfits, grids too large.

    Args:
        scenario: as it was read.
        data: the same as tagged data, whose shape is known to be right.
    """
    faults = []
    for dotted, variation in scenario.vary.items():
        path: Path = ("vary", dotted)
        text = _range_fault(variation) or _path_fault(data, dotted, variation)
        if text:
            faults.append(Fault(path, text))
    faults += _shared_value_faults(scenario, data)
    size = grid_size(scenario)
    if size > LARGEST_GRID:
        text = f"the grids have {size} combinations together, at most {LARGEST_GRID} are taken"
        faults.append(Fault(("vary",), text))
    return faults


def _shared_value_faults(scenario: Scenario, data: Any) -> list[Fault]:
    """Two paths to one value, or to a value and a part of it: the order would decide."""
    known = copy.deepcopy({key: entry for key, entry in data.items() if key != "vary"})
    trails = {dotted: _trail(known, dotted) for dotted in scenario.vary}
    faults = []
    for (one, first), (other, second) in combinations(trails.items(), 2):
        if not first or not second:
            continue  # it leads nowhere, which has been told
        if first[-1] == second[-1]:
            texts = f"is the same value as `{other}`", f"is the same value as `{one}`"
        elif first[-1] in second:
            texts = f"holds `{other}`", f"lies within `{one}`"
        elif second[-1] in first:
            texts = f"lies within `{other}`", f"holds `{one}`"
        else:
            continue
        for dotted, text in zip((one, other), texts, strict=True):
            faults.append(Fault(("vary", dotted), f"{text}, which varies too; keep one of them"))
    return faults


def _trail(data: Any, dotted: str) -> list[tuple[int, Any]]:
    """Every step of a path as (which list or mapping, which entry); empty if it leads nowhere."""
    parts = dotted.split(".")
    try:
        found = [_find(data, ".".join(parts[: n + 1])) for n in range(len(parts))]
    except LookupError:
        return []
    return [(id(parent), key) for parent, key in found]


def _path_fault(data: Any, dotted: str, variation: AnyVariation) -> str:
    """Why a path or one of its values cannot stand in the data; empty when all fits."""
    for value in _examples(variation):
        trial = copy.deepcopy({key: entry for key, entry in data.items() if key != "vary"})
        try:
            parent, key = _find(trial, dotted)
        except LookupError as error:
            return str(error.args[0])
        if isinstance(parent, dict) and isinstance(parent.get(key), dict):
            return f"`{key}` is a mapping; name one of its keys"
        parent[key] = value
        faults = shape_faults(trial)
        if faults:
            return faults[0].text
    return ""


def _examples(variation: AnyVariation) -> list[Any]:
    """Values at the edges of what can be drawn."""
    if isinstance(variation, Uniform):
        return list(variation.uniform)
    if isinstance(variation, Normal):
        return list(_limits(variation))
    return list(variation.choice if isinstance(variation, Choice) else variation.grid)


def put(data: dict[str, Any], dotted: str, value: Any) -> None:
    """Set the value at a dotted path such as `actors.car_a.speed`, in place.

    Raises:
        LookupError: the path leads nowhere; the text says where it ends.
    """
    parent, key = _find(data, dotted)
    parent[key] = value


def _find(data: Any, dotted: str) -> tuple[Any, Any]:
    parts = dotted.split(".")
    if parts[0] in ("id", "vary", "expect"):
        raise LookupError(f"`{parts[0]}` cannot vary")
    here: Any = data
    for depth, part in enumerate(parts[:-1]):
        here = _step(here, part, ".".join(parts[:depth]) or "the scenario")
    last = parts[-1]
    if isinstance(here, list):
        return here, _index(here, last, ".".join(parts[:-1]))
    if not isinstance(here, dict):
        raise LookupError(f"`{'.'.join(parts[:-1])}` has no keys")
    if PARAMETERS in here or here.get("type") == "template":
        inner = here.setdefault(PARAMETERS, {})
        return (here, last) if last in ("template", "type") else (inner, last)
    return here, last


def _step(here: Any, part: str, place: str) -> Any:
    if isinstance(here, list):
        return here[_index(here, part, place)]
    if isinstance(here, dict) and part in here:
        return here[part]
    known = list(here) if isinstance(here, dict) else []
    raise LookupError(f"`{place}` has no `{part}`{did_you_mean(part, known)}")


def _index(here: list[Any], part: str, place: str) -> int:
    """An entry by number, or by its `id` or `type`."""
    if part.isascii() and part.isdigit() and int(part) < len(here):
        return int(part)
    names = [
        str(entry.get("id", entry.get("type", ""))) for entry in here if isinstance(entry, dict)
    ]
    if part in names and names.count(part) == 1 and len(names) == len(here):
        return names.index(part)
    raise LookupError(f"`{place}` has no `{part}`{did_you_mean(part, [n for n in names if n])}")


def _builtins(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        config, out = value.__struct_config__, dict[str, Any]()
        if config.tag_field is not None:
            out[config.tag_field] = config.tag
        for field in msgspec.structs.fields(value):
            entry = getattr(value, field.name)
            if field.required or (entry != field.default and not _is_empty(entry, field)):
                out[field.encode_name] = _builtins(entry)
        return out
    if isinstance(value, dict):
        return {key: _builtins(entry) for key, entry in value.items()}
    return [_builtins(entry) for entry in value] if isinstance(value, list | tuple) else value


def _is_empty(entry: Any, field: msgspec.structs.FieldInfo) -> bool:
    """Whether a collection is as empty as the factory of its default makes it."""
    return field.default_factory is not msgspec.NODEFAULT and not entry


def _range_fault(variation: AnyVariation) -> str:
    if isinstance(variation, Uniform) and variation.uniform[0] > variation.uniform[1]:
        return f"the range {variation.uniform} is upside down; expected [low, high]"
    if isinstance(variation, Normal):
        low, high = _limits(variation)
        if variation.normal[1] <= 0:
            return f"the deviation is {variation.normal[1]:g}; expected more than 0"
        if low >= high:
            return f"low {low:g} is not below high {high:g}"
        mean, deviation = variation.normal
        if low > mean + 4 * deviation or high < mean - 4 * deviation:
            return "hardly any draw lies between low and high; move the mean"
    return ""


def _limits(variation: Normal) -> tuple[float, float]:
    mean, deviation = variation.normal
    low = variation.low if variation.low is not None else mean - 3 * deviation
    high = variation.high if variation.high is not None else mean + 3 * deviation
    return low, high


def _draw(variation: Uniform | Normal | Choice, random: np.random.Generator) -> Any:
    if isinstance(variation, Uniform):
        low, high = variation.uniform
        return round(float(random.uniform(low, high)), 6)
    if isinstance(variation, Choice):
        return variation.choice[int(random.integers(len(variation.choice)))]
    low, high = _limits(variation)
    for _ in range(_TRIES):
        value = float(random.normal(variation.normal[0], variation.normal[1]))
        if low <= value <= high:
            return round(value, 6)
    return round(min(max(variation.normal[0], low), high), 6)


def _grid_places(scenario: Scenario, seed: int) -> dict[str, int]:
    """Which entry of each grid a seed takes: all combinations in turn, the last path fastest."""
    rest = seed % grid_size(scenario)
    places = {}
    for path, variation in reversed(scenario.vary.items()):
        if isinstance(variation, Grid):
            rest, places[path] = divmod(rest, len(variation.grid))
    return places
