"""Advantages as RAD's released script prints them, to compare with; not for learning.

It departs from the paper: the value of the next frame is always 0, so that nothing is bootstrapped
and the sign turns once the value head has learned to be negative; values enter the stream of
dynamic collisions alone; and the last frame has an advantage although nothing follows it.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.training.reinforcement.events import EventKind


def released_streams(
    rewards: Float[np.ndarray, "t 4"],
    values: Float[np.ndarray, " t1"],
    *,
    gamma: float,
    decay: float,
) -> Float[np.ndarray, "t1 4"]:
    """Advantages of all kinds of events, in the t + 1 frames up to the end of the clip."""
    surprise = np.zeros((len(values), rewards.shape[1]))
    surprise[:-1] = rewards
    surprise[:, EventKind.DYNAMIC] -= values
    advantages = np.zeros(surprise.shape)
    later = np.zeros(surprise.shape[1])
    for frame in range(len(values) - 1, -1, -1):
        later = surprise[frame] + gamma * decay * later
        advantages[frame] = later
    return advantages
