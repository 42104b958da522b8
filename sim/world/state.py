"""Room for the state of a number of environments, and how one is copied into another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

import numpy as np

from drivelab.kernels.world.arrays import ABSENT, VALUES, State

# field -> (shape, dtype, value when empty); letters as in `drivelab.kernels.world.arrays`
_LAYOUT: dict[str, tuple[str, type, float]] = {
    "map": ("", np.int32, 0),
    "step": ("", np.int32, 0),
    "count": ("", np.int32, 0),
    "seed": ("", np.int64, 0),
    "mode": ("N", np.int8, ABSENT),
    "kind": ("N", np.int8, 0),
    "cos": ("N", np.float64, 1.0),
    "lane": ("N", np.int32, -1),
    "route": ("NR", np.int32, -1),
    "route_at": ("N", np.int32, 0),
    "obeys": ("N", np.uint8, 0),
    "pace": ("N", np.float64, 1.0),
    "wish": ("N", np.float64, np.nan),
    "push": ("N", np.float64, np.nan),
    "driver": ("N6", np.float64, 0.0),
    "other_lane": ("N", np.int32, -1),
    "stopped_at": ("N", np.int32, -1),
    "front_x": ("N", np.float64, np.nan),
    "front_y": ("N", np.float64, np.nan),
    "way": ("W4", np.float64, 0.0),
    "way_first": ("N", np.int32, 0),
    "way_count": ("N", np.int32, 0),
    "way_used": ("", np.int32, 0),
    "way_waits": ("N", np.bool_, False),
    "way_gap": ("N", np.bool_, False),
    "way_lands": ("N", np.int32, -1),
    "backwards": ("N", np.bool_, False),
    "log": ("TN4", np.float64, np.nan),
    "log_frames": ("", np.int32, 0),
    "light": ("G", np.int8, 0),
    "light_plan": ("G4", np.float64, 0.0),
    "light_log": ("TG", np.int8, 0),
    "light_logged": ("", np.bool_, False),
    "script": ("NK", np.int8, -1),
    "script_state": ("NK", np.int8, 0),
    "script_step": ("NK", np.int32, 0),
    "script_when": ("NK8", np.float64, np.nan),
    "script_value": (f"NK{VALUES}", np.float64, np.nan),
    "script_way": ("NK2", np.int32, 0),
    "script_memory": ("NK6", np.float64, 0.0),
    "flags": ("N", np.uint16, 0),
    "hit": ("N", np.int32, -1),
}
_PLAIN = ("N", np.float64, 0.0)  # every other field: one number per actor


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much fits into one environment."""

    actors: int = 1
    lanes: int = 1  # of a route
    way: int = 2
    frames: int = 1  # of a log
    groups: int = 1
    behaviours: int = 1  # of one actor

    def covering(self, others: Iterable[Capacity]) -> Capacity:
        """The smallest capacity that holds this one and the others."""
        table = [astuple(self), *(astuple(other) for other in others)]
        return Capacity(*(max(column) for column in zip(*table, strict=True)))

    def holds(self, other: Capacity) -> bool:
        """Whether everything of the other fits."""
        return all(getattr(self, f.name) >= getattr(other, f.name) for f in fields(self))


def allocate(environments: int, capacity: Capacity) -> State:
    """An empty state: no actors anywhere."""
    room = {
        "N": capacity.actors,
        "R": capacity.lanes,
        "W": capacity.way,
        "T": capacity.frames,
        "G": capacity.groups,
        "K": capacity.behaviours,
    }
    arrays: dict[str, np.ndarray] = {}
    for name in State._fields:
        letters, kind, empty = _LAYOUT.get(name, _PLAIN)
        shape = [room[letter] if letter in room else int(letter) for letter in letters]
        arrays[name] = np.full((environments, *shape), empty, kind)
    return State(**arrays)


def clear(state: State, environment: int) -> None:
    """Make one environment as empty as `allocate` makes it."""
    for name in State._fields:
        getattr(state, name)[environment] = _LAYOUT.get(name, _PLAIN)[2]


def copy_into(state: State, environment: int, start: State) -> None:
    """Put the one environment of `start`, which may be smaller, into a cleared place of `state`."""
    for name, target, source in zip(State._fields, state, start, strict=True):
        if source.ndim == 1:
            target[environment] = source[0]
            continue
        if target.shape[1:] != source.shape[1:]:
            target[environment] = _LAYOUT.get(name, _PLAIN)[2]
        target[environment][tuple(slice(size) for size in source.shape[1:])] = source[0]


def grown(state: State, capacity: Capacity) -> State:
    """The same environments with more room."""
    environments = len(state.step)
    larger = allocate(environments, capacity)
    for target, source in zip(larger, state, strict=True):
        target[tuple(slice(size) for size in source.shape)] = source
    return larger


def copied(state: State) -> State:
    """A copy that shares nothing."""
    return State(*(array.copy() for array in state))
