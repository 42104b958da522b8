"""Random ingredients that several families share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from drivelab.sim.generator.actors import SIZES, Actor, standing
from drivelab.sim.generator.recording import FRAME_DT, NOW, WARM_UP
from drivelab.sim.generator.setting import Light, beside, driver_on, lanes_path
from drivelab.types import LaneMap

NOW_TIME = WARM_UP + NOW * FRAME_DT  # the first scene's current moment, in world time [s]
MODELS = ("car", "car", "car", "van", "truck")


def placement(rng: np.random.Generator) -> Float[np.ndarray, "3"]:
    """Where and how a map lies: within 2 km of the origin, any heading."""
    x, y = rng.uniform(-2000.0, 2000.0, 2)
    return np.array([round(x), round(y), rng.uniform(-np.pi, np.pi)])


def one_of(rng: np.random.Generator, options: Sequence[str]) -> str:
    """Draw one option."""
    return options[int(rng.integers(len(options)))]


def cars_along(
    rng: np.random.Generator,
    lane_map: LaneMap,
    lanes: Sequence[str],
    *,
    between: tuple[float, float],
    apart: tuple[float, float],
    pace: tuple[float, float] = (0.75, 1.0),
    keep_clear: tuple[float, float] | None = None,
    speed: float | None = None,
    priority: int = 0,
    lights: Sequence[Light] = (),
) -> list[Actor]:
    """Cars on a lane at random distances [m] within a stretch, none inside `keep_clear`."""
    path = lanes_path(lane_map, lanes)
    cars, at = [], between[0] + rng.uniform(0.0, apart[0])
    while at < between[1]:
        if keep_clear is None or not keep_clear[0] < at < keep_clear[1]:
            cars.append(
                driver_on(
                    lane_map,
                    lanes,
                    start=at,
                    pace=rng.uniform(*pace),
                    kind=one_of(rng, MODELS),
                    priority=priority,
                    lights=lights,
                    speed=speed,
                    path=path,
                )
            )
        at += rng.uniform(*apart)
    return cars


def parked_along(
    rng: np.random.Generator,
    path: Float[np.ndarray, "n 3"],
    *,
    between: tuple[float, float],
    left: float,
    apart: tuple[float, float] = (6.5, 16.0),
) -> list[Actor]:
    """Parked cars whose centres lie about `left` [m] to the left of the path."""
    cars, at = [], between[0]
    while at < between[1]:
        pose = beside(path, at, left + rng.uniform(-0.1, 0.1), turned=rng.uniform(-0.03, 0.03))
        cars.append(standing("vehicle", SIZES["car"], pose))
        at += rng.uniform(*apart)
    return cars


def waiting_people(
    rng: np.random.Generator,
    path: Float[np.ndarray, "n 3"],
    *,
    between: tuple[float, float],
    left: float,
    count: int,
) -> list[Actor]:
    """People who stand beside the road."""
    people = []
    for at in np.sort(rng.uniform(*between, count)):
        pose = beside(path, at, left + rng.uniform(-0.4, 0.4), turned=rng.uniform(-3.0, 3.0))
        people.append(standing("pedestrian", SIZES["pedestrian"], pose))
    return people
