"""Numbers of an episode that no world can start from."""

from __future__ import annotations

from math import inf, isfinite

import numpy as np

from drivelab.errors import ConfigError
from drivelab.sim.world.episode import Episode, Replay

EGO = "ego"  # id of slot 0


def check_episode(episode: Episode) -> None:
    """Compiled code would carry a NaN into everything it meets, so none may come in.

    Raises:
        ConfigError: the duration, the ego's start, its route's line or an actor's place is not
            finite, or there is too little of it; or two road users have one id.
    """
    name = f"episode {episode.id}"
    if not 0.0 < episode.duration < inf:
        raise ConfigError(f"{name}: lasts {episode.duration} s, expected a finite time above 0")
    motion = (episode.ego_speed, episode.ego_acceleration, episode.ego_yaw_rate)
    if not all(map(isfinite, (*episode.ego_pose, *motion))):
        raise ConfigError(
            f"{name}: the ego starts at {list(map(float, episode.ego_pose))} with speed, "
            f"acceleration and yaw rate {motion}, expected finite numbers"
        )
    line = episode.route_line
    if len(line) < 2 or not np.isfinite(line[:, :2]).all():
        raise ConfigError(
            f"{name}: its route_line has {len(line)} vertices, expected 2 or more, finite"
        )
    _check_ids(episode)
    for actor in episode.actors:
        numbers = (*actor.pose, *actor.size, actor.speed)
        # The sum is enough and costs a fifth of asking for each; a record begins where it wants.
        if not isfinite(sum(numbers)) and not isinstance(actor.motion, Replay):
            raise ConfigError(
                f"{name}: actor {actor.id!r} has pose, size and speed "
                f"{list(map(float, numbers))}, expected finite numbers"
            )


def _check_ids(episode: Episode) -> None:
    """Ids tell the tracks and events of a rollout apart; the ego's own is taken."""
    names = [EGO, *(actor.id for actor in episode.actors)]
    if len(set(names)) == len(names):
        return
    twice = next(name for n, name in enumerate(names) if name in names[:n])
    others = [
        f"actors[{n - 1}]" if n else "the ego" for n, name in enumerate(names) if name == twice
    ]
    raise ConfigError(
        f"episode {episode.id}: {' and '.join(others)} have the id {twice!r}, expected one each; "
        "rename all but one"
    )
