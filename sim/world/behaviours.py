"""Behaviours before they run: their values checked, the drivers of those who leave the lanes."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf, isnan

import numpy as np

from drivelab.errors import ConfigError, nearest_name
from drivelab.planning import IDMParameters
from drivelab.sim.world.episode import BEHAVIOURS, TRAFFIC_DRIVER, ActorSpec, Behaviour, Trigger

PATH_KINDS = ("follow_path", "jaywalk")  # behaviours that need a path; all others take none

# How somebody on a free way speeds up, brakes and keeps a gap, by kind
WALKING_DRIVERS: Mapping[str, IDMParameters] = {
    "vehicle": TRAFFIC_DRIVER,
    "bicycle": IDMParameters(
        min_gap=1.0,
        headway=1.2,
        acceleration=1.0,
        deceleration=2.0,
        exponent=4.0,
        braking_limit=5.0,
    ),
    "pedestrian": IDMParameters(
        min_gap=0.5,
        headway=0.8,
        acceleration=1.5,
        deceleration=2.0,
        exponent=4.0,
        braking_limit=4.0,
    ),
}

# value -> what it may be: lowest, highest, unit
_RANGES: Mapping[str, tuple[float, float, str]] = {
    "lanes": (-4.0, 4.0, "lanes"),
    "over": (0.1, 60.0, "s"),
    "speed": (0.0, 60.0, "m/s"),
    "meet": (0.0, 1.0, ""),
    "deceleration": (0.1, 12.0, "m/s^2"),
    "until": (0.0, 60.0, "m/s"),
    "hold": (0.0, 600.0, "s"),
    "acceleration": (0.1, 12.0, "m/s^2"),
    "offset": (-15.0, 15.0, "m"),
    "length": (0.0, 1000.0, "m"),
    "radius": (2.0, 50.0, "m"),
    "distance": (0.5, 100.0, "m"),
    "width": (0.1, 3.0, "m"),
}
_NEEDS_SPEED = ("set_speed", "u_turn", "reverse_out")  # the others may keep the present one
_MOVES = ("u_turn", "reverse_out", "jaywalk")  # these need a speed above 0


def way_driver(kind: str) -> IDMParameters:
    """The driver of an actor of a kind that follows a free way."""
    return WALKING_DRIVERS.get(kind, TRAFFIC_DRIVER)


def check_behaviours(actor: ActorSpec) -> None:
    """Refuse behaviours that make no sense whatever happens.

    What only this episode's roads make impossible (no lane to cut into) is not looked at: it ends
    as an event of the rollout.

    Raises:
        ConfigError: names actor, behaviour and value, and what was expected.
    """
    for k, behaviour in enumerate(actor.behaviours):
        where = f"actor {actor.id!r}, behaviour {k} ({behaviour.kind})"
        if behaviour.kind not in BEHAVIOURS:
            raise ConfigError(
                f"actor {actor.id!r}, behaviour {k}: there is no kind {behaviour.kind!r}"
                f"{nearest_name(behaviour.kind, BEHAVIOURS)}; known are {', '.join(BEHAVIOURS)}"
            )
        _check_values(behaviour, where)
        _check_path(behaviour, where)
        _check_trigger(behaviour.when, k, len(actor.behaviours), where)


def _check_values(behaviour: Behaviour, where: str) -> None:
    defaults = BEHAVIOURS[behaviour.kind]
    for name, value in behaviour.values.items():
        if name not in defaults:
            raise ConfigError(
                f"{where}: it has no value {name!r}{nearest_name(name, defaults)}; it takes "
                f"{', '.join(defaults)}"
            )
        if isnan(value) and name == "speed" and behaviour.kind not in _NEEDS_SPEED:
            continue
        low, high, unit = _RANGES[name]
        if name == "speed" and behaviour.kind in _MOVES:
            low = 0.1
        if not low <= value <= high:
            raise ConfigError(
                f"{where}: {name} is {value}; expected {low:g} to {high:g} {unit}".rstrip()
            )
    if behaviour.kind == "cut_in":
        lanes = behaviour.values.get("lanes", defaults["lanes"])
        if lanes == 0 or lanes != int(lanes):
            raise ConfigError(
                f"{where}: lanes is {lanes}; expected a whole number other than 0, such as 1 for "
                "one lane to the left"
            )


def _check_path(behaviour: Behaviour, where: str) -> None:
    path = behaviour.path
    if (path is not None) != (behaviour.kind in PATH_KINDS):
        said = "needs a path" if path is None else "takes no path"
        raise ConfigError(f"{where}: it {said}")
    if path is None:
        return
    points = np.asarray(path, float)
    if points.ndim != 2 or points.shape[1] not in (2, 3) or not np.isfinite(points).all():
        raise ConfigError(
            f"{where}: the path has shape {points.shape} or numbers that are not finite; expected "
            "(n, 3): x [m], y [m], heading"
        )
    if len(points) < 2 or not np.any(np.hypot(*np.diff(points[:, :2], axis=0).T) > 1e-3):
        raise ConfigError(f"{where}: the path needs two points that differ")


def _check_trigger(when: Trigger, k: int, count: int, where: str) -> None:
    for name in ("time", "gap_below", "ttc_below"):
        value = getattr(when, name)
        least = 0.0 if name == "time" else 1e-9
        if value is not None and not least <= value < inf:
            raise ConfigError(
                f"{where}: {name} is {value}; expected a finite number "
                f"{'of at least' if name == 'time' else 'above'} 0"
            )
    if when.ego_within is not None and not when.ego_within[2] > 0.0:
        raise ConfigError(
            f"{where}: the radius of ego_within is {when.ego_within[2]}; expected > 0"
        )
    if when.after is not None and (when.after == k or not 0 <= when.after < count):
        raise ConfigError(
            f"{where}: after is {when.after}; expected the index of another behaviour of this "
            f"actor, which has {count}"
        )
