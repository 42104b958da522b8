"""The boxes and lights of one environment at this moment, in the frame of its map."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world import arrays as a
from drivelab.sim.world.native import NativeWorld


class Present(NamedTuple):
    """Everybody but the ego, in the order of the slots.

    Attributes:
        there: (n,) who is there; the rows of others are NaN.
        poses: (n, 3) box centres.
        velocities: (n, 2) along the map's axes [m/s].
        sizes: (n, 2) length, width [m].
    """

    there: Bool[np.ndarray, " n"]
    poses: Float[np.ndarray, "n 3"]
    velocities: Float[np.ndarray, "n 2"]
    sizes: Float[np.ndarray, "n 2"]


def present(world: NativeWorld, environment: int) -> Present:
    """Boxes of one environment."""
    state, e = world.state, environment
    part = slice(1, len(world.starts[e].ids))
    there = state.mode[e, part] != a.ABSENT
    origin = world.bank.origins[state.map[e]]
    x, y = state.x[e, part] + origin[0], state.y[e, part] + origin[1]
    poses = np.stack([x, y, wrap_angle(state.yaw[e, part])], -1)
    speed = state.speed[e, part]
    velocities = np.stack([speed * state.cos[e, part], speed * state.sin[e, part]], -1)
    poses[~there], velocities[~there] = np.nan, np.nan
    sizes = 2.0 * np.stack([state.half_length[e, part], state.half_width[e, part]], -1)
    return Present(np.asarray(there, bool), poses, velocities, sizes)


def lanes_lit(world: NativeWorld, environment: int, colour: int) -> tuple[str, ...]:
    """Connectors whose light shows `arrays.RED` or another colour."""
    groups = world.bank.groups(int(world.state.map[environment]))
    shown = np.flatnonzero(world.state.light[environment, : len(groups)] == colour)
    return tuple(name for group in shown for name in groups[group])
