"""Scenario triggers of leaderboard 1.0, which stand in a JSON file beside the routes.

A trigger belongs to a town, not to a route: it counts for each route that drives over it.
Coordinates are turned into the map frame as in `drivelab.data.carla_routes`.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from drivelab.data.carla_routes import RouteScenario
from drivelab.errors import DataError
from drivelab.geometry.poses import wrap_angle

LARGEST = 64 * 2**20  # [bytes]


def read_triggers(file: str | Path) -> dict[str, tuple[RouteScenario, ...]]:
    """Scenarios by town, from .json or .json.gz; other actors are places such as "left.0".

    Raises:
        DataError: unreadable, broken or larger than `LARGEST`, or not the leaderboard's structure.
    """
    path = Path(file)
    try:
        content = path.read_bytes()
        if path.name.endswith(".gz"):
            stream = zlib.decompressobj(wbits=31)
            content = stream.decompress(content, LARGEST)
            if stream.unconsumed_tail or not stream.eof:
                raise DataError(f"is cut short or unpacks to more than {LARGEST} bytes", file=path)
        towns = json.loads(content)["available_scenarios"]
        return {town: tuple(_scenarios(kinds)) for entry in towns for town, kinds in entry.items()}
    except (OSError, zlib.error, ValueError, OverflowError, RecursionError) as error:
        raise DataError(f"cannot be read as JSON of triggers ({error})", file=path) from error
    except (KeyError, TypeError, AttributeError) as error:
        problem = f"is not a file of the leaderboard's triggers: missing or misplaced {error}"
        raise DataError(problem, file=path) from error


def _scenarios(kinds: list[Mapping[str, Any]]) -> list[RouteScenario]:
    found = []
    for kind in kinds:
        name = str(kind["scenario_type"])
        for number, event in enumerate(kind["available_event_configurations"]):
            places = {
                f"{side}.{k}": _place(actor)
                for side, actors in event.get("other_actors", {}).items()
                for k, actor in enumerate(actors)
            }
            trigger = _place(event["transform"])
            found.append(RouteScenario(f"{name}_{number}", name, trigger, {}, {}, places))
    return found


def _place(transform: Mapping[str, Any]) -> Float[np.ndarray, "4"]:
    x, y, z, yaw = (float(transform[key]) for key in ("x", "y", "z", "yaw"))
    place = np.array([x, -y, z, wrap_angle(-np.deg2rad(yaw))])
    if not np.isfinite(place).all():
        raise ValueError(f"a transform holds a number that is not finite: {dict(transform)}")
    return place
