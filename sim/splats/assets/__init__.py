"""Things that move or stand in a street: cars, lorries, people, cones, as flat Gaussians.

`asset` makes one by its kind and size. Shapes and colours follow from a seed; light depends on
how far up a surface faces, never on its heading, so that an actor can turn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from drivelab.errors import ConfigError, nearest_name
from drivelab.sim.splats.assets import cars, lorries, people, things
from drivelab.sim.splats.assets.surfaces import Facets, facets, splats
from drivelab.sim.splats.compose import join
from drivelab.sim.splats.scene import Actor, Splats
from drivelab.sim.splats.weather import Weather, shade
from drivelab.types import KINDS

__all__ = ["HEIGHTS", "ROLES", "asset"]
ROLES = {  # role -> the kind of which it is one
    "car": "vehicle", "van": "vehicle", "truck": "vehicle", "bus": "vehicle",
    "emergency": "vehicle", "motorcycle": "vehicle", "pedestrian": "pedestrian",
    "cyclist": "bicycle", "cone": "traffic_cone", "barrier": "barrier",
    "czone_sign": "czone_sign", "generic_object": "generic_object",
}  # fmt: skip
HEIGHTS = {  # of boxes whose height nobody says [m]
    "car": 1.52, "van": 2.2, "truck": 3.2, "bus": 3.1, "emergency": 2.3, "motorcycle": 1.55,
    "pedestrian": 1.75, "cyclist": 1.72, "cone": 0.75, "barrier": 1.0, "czone_sign": 1.8,
    "generic_object": 1.0,
}  # fmt: skip
TALL = 1.68  # a car whose height is at least this is an SUV [m]
SHADOW = 0.5  # how dark the ground below an actor is


def asset(
    kind: str,
    size: tuple[float, ...],
    *,
    role: str = "",
    id: str = "",
    seed: int = 0,
    weather: Weather | None = None,
) -> Actor:
    """An actor for a kind of track, laid out in its box.

    Args:
        kind: one of `types.KINDS`.
        size: length, width and maybe height [m]; a height that is missing follows from the role.
        role: one of `ROLES` of this kind; found from the size where it is not given.
        id: of the track.
        seed: of shape and colours.
        weather: whose light falls on it; a clear day by default.

    Raises:
        ConfigError: no such kind or role, or a role of another kind.
        ValueError: the size is not two or three lengths above 0 [m].
    """
    lengths = _checked(kind, size, role, id)
    found = role or _guess(kind, lengths, seed)
    if len(lengths) == 2:
        height = HEIGHTS[found] + (0.2 if found == "car" and seed % 4 == 3 else 0.0)
        lengths = (*lengths, height)
    box = (lengths[0], lengths[1], lengths[2])
    pieces = _builder(found, box)(box, seed)
    return Actor(id or found, kind, box, _lit(pieces, box, weather or Weather()))


def _checked(kind: str, size: tuple[float, ...], role: str, id: str) -> tuple[float, ...]:
    if kind not in KINDS:
        raise ConfigError(
            f"asset: kind={kind!r}{nearest_name(kind, KINDS)}; expected one of {', '.join(KINDS)}"
        )
    if role and ROLES.get(role) != kind:
        fitting = [name for name, of in ROLES.items() if of == kind]
        raise ConfigError(
            f"asset: role={role!r}{nearest_name(role, fitting)}; a {kind} is one of "
            f"{', '.join(fitting)}"
        )
    lengths = tuple(float(part) for part in size)
    if len(lengths) not in (2, 3) or not all(np.isfinite(p) and p > 0.0 for p in lengths):
        raise ValueError(
            f"asset {id!r}: size={lengths}; expected length, width and maybe height above 0 [m]"
        )
    return lengths


def _guess(kind: str, size: tuple[float, ...], seed: int) -> str:
    if kind != "vehicle":
        return next(name for name, of in ROLES.items() if of == kind)
    length, width = size[:2]
    if width < 1.2 and length < 3.0:
        return "motorcycle"
    if length < 5.3:
        return "van" if len(size) == 3 and size[2] > 1.95 else "car"
    if length < 6.6:
        return "van"
    return "bus" if length > 10.0 and seed % 2 else "truck"


def _builder(
    role: str, size: tuple[float, float, float]
) -> Callable[[tuple[float, float, float], int], Facets]:
    plain: dict[str, Callable[[tuple[float, float, float], int], Facets]] = {
        "truck": lorries.lorry, "bus": lorries.bus, "motorcycle": people.motorcycle,
        "pedestrian": people.walker, "cyclist": people.cyclist, "cone": things.cone,
        "barrier": things.barrier, "czone_sign": things.works_sign,
        "generic_object": things.crate,
    }  # fmt: skip
    if role in plain:
        return plain[role]
    if role == "emergency":
        big = size[0] > 6.6
        return partial(lorries.lorry, emergency=True) if big else _ambulance
    return _van if role == "van" else _car


def _car(size: tuple[float, float, float], seed: int) -> Facets:
    low = ("saloon", "hatchback", "estate")
    shape = "suv" if size[2] >= TALL else low[int(np.random.default_rng([seed, 1]).integers(3))]
    return cars.car(size, shape, seed)


def _van(size: tuple[float, float, float], seed: int) -> Facets:
    return cars.car(size, "van", seed)


def _ambulance(size: tuple[float, float, float], seed: int) -> Facets:
    return cars.car(size, "van" if size[2] > 1.8 else "estate", seed, emergency=True)


def _lit(pieces: Facets, size: tuple[float, float, float], weather: Weather) -> Splats:
    """Light from above, less of it near the ground, and a shadow under the box."""
    kept = np.linalg.norm(np.cross(pieces.along, pieces.across), axis=1) > 1e-9
    chosen = Facets(*(getattr(pieces, name)[kept] for name in Facets.__slots__))
    lit = shade(chosen.colours, chosen.normals, weather, glow=chosen.glow, turning=True)
    own = (chosen.glow * weather.light.darkness)[:, None]
    hidden = 0.72 + 0.28 * np.clip(chosen.centres[:, 2:] / (0.45 * size[2]), 0.0, 1.0)
    lit = lit * np.maximum(hidden, own)
    # By night whatever is near enough to matter stands in somebody's headlights.
    lit = lit + 0.16 * weather.light.darkness * chosen.colours * (1.0 - own)
    return join([splats(chosen, np.clip(lit, 0.0, 1.0)), _shadow(size, weather)])


def _shadow(size: tuple[float, float, float], weather: Weather) -> Splats:
    strength = SHADOW * (1.0 - 0.5 * weather.dull) * (1.0 - 0.4 * weather.light.darkness)
    x = (np.arange(4) - 1.5) * 0.25 * size[0]
    y = (np.arange(2) - 0.5) * 0.5 * size[1]
    places = np.stack(np.meshgrid(x, y, [0.015]), -1).reshape(-1, 3)
    cells = facets(
        places, [0.16 * size[0], 0.0, 0.0], [0.0, 0.30 * size[1], 0.0], colour=(0.03, 0.03, 0.04),
        label="road",
    )  # fmt: skip
    return splats(cells, cells.colours, opacity=strength * 0.6)
