"""Where on its first lane a driver starts."""

from __future__ import annotations

import numpy as np

from drivelab.errors import ConfigError
from drivelab.kernels.world.lane_place import place_on_line
from drivelab.sim.world.episode import ActorSpec, Drive, Episode

# A driver may start a lane and a half beside the middle of its first lane: on the lane next to it,
# or where a recording has it. It moves over in its first two seconds.
BESIDE = 5.25  # [m]


def place_on_first_lane(
    episode: Episode, actor: ActorSpec, motion: Drive
) -> tuple[float, float, float]:
    """Distance along the lane, to the left of it, and the lane's length [m].

    Raises:
        ConfigError: the route names no lane, or one that the map does not have, or the actor starts
            too far from it; says which lane lies there.
    """
    name = f"episode {episode.id}: actor {actor.id!r}"
    if not motion.route:
        raise ConfigError(f"{name} drives along no lane: expected a route of one or more")
    lane = episode.map.lanes.get(motion.route[0])
    if lane is None:
        raise ConfigError(
            f"{name} starts on lane {motion.route[0]!r}, which the map does not have; "
            f"there lies {_lane_there(episode, actor)}"
        )
    x, y = float(actor.pose[0]), float(actor.pose[1])
    along, left, length = place_on_line(lane.centreline, x, y)
    if not abs(left) <= BESIDE:
        raise ConfigError(
            f"{name} starts at ({x:.1f}, {y:.1f}), {abs(left):.1f} m from lane {lane.id!r}, the "
            f"first of its route; there lies {_lane_there(episode, actor)}, and expected is that "
            f"lane or one next to it, up to {BESIDE:g} m away"
        )
    return along, left, length


def _lane_there(episode: Episode, actor: ActorSpec) -> str:
    """The nearest lane in words."""
    gaps = {
        key: abs(place_on_line(lane.centreline, actor.pose[0], actor.pose[1])[1])
        for key, lane in episode.map.lanes.items()
    }
    nearest = min(gaps, key=lambda key: (np.round(gaps[key], 3), key))
    return f"lane {nearest!r} ({gaps[nearest]:.1f} m from its middle)"
