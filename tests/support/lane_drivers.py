"""Drivers on small roads: the law they follow written out, and steps of their world."""

from __future__ import annotations

import numpy as np

from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.checks import check_actors
from drivelab.kernels.world.drive import choose_accelerations, move_drivers
from drivelab.kernels.world.locate import locate_actors
from drivelab.sim.world.roads import RoadTables

GAIN, BRAKE, LEAST, HEADWAY = 1.5, 2.0, 2.0, 1.4  # TRAFFIC_DRIVER's
LIMIT = 13.9


def idm(speed: float, gap: float, lead: float, headway: float = HEADWAY) -> float:
    wanted = LEAST + headway * speed + speed * (speed - lead) / (2 * np.sqrt(GAIN * BRAKE))
    return GAIN * (1 - (speed / LIMIT) ** 4 - (wanted / gap) ** 2)


def step(known: RoadTables, state: a.State, steps: int = 1) -> None:
    for _ in range(steps):
        choose_accelerations(known.roads, state)
        move_drivers(known.roads, state)
        locate_actors(known.roads, state)
        check_actors(known.roads, state)
        state.step[:] += 1


def decided(known: RoadTables, state: a.State, slot: int = 0) -> float:
    """What a driver would do without limits of jerk: it has been doing so already."""
    for _ in range(30):
        choose_accelerations(known.roads, state)
    return float(state.acceleration[0, slot])


def front(known: RoadTables, state: a.State, line: float, slot: int = 0) -> float:
    """How far the front is before a line at x (map frame)."""
    return float(line - known.origin[0] - state.x[0, slot] - state.half_length[0, slot])
