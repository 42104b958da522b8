"""Generalised advantage estimation (arXiv 1506.02438) per axis (arXiv 2502.13144v2, equation 11).

Each axis has its own rewards and its own values: longitudinal those of dynamic collisions, lateral
those of the other three events. Nothing is normalised, so a clip's advantages depend on nothing
but the clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from drivelab.errors import DataError
from drivelab.training.reinforcement.compat import is_released
from drivelab.training.reinforcement.events import KINDS, STEERED, EventKind
from drivelab.training.reinforcement.released_advantages import released_streams

GAMMA, LAMBDA = 0.9, 0.95


@dataclass(frozen=True, slots=True, eq=False)
class ClipAdvantages:
    """Of the decisions of one clip.

    Attributes:
        lateral: by how much the rewards of steering came out better than the value head said.
        longitudinal: the same of the speed.
        events: shares of the kinds of events in them, which the auxiliary objectives weigh.
        lateral_return: what the lateral value head is taught.
        longitudinal_return: what the longitudinal one is taught.
    """

    lateral: Float[np.ndarray, " t"]
    longitudinal: Float[np.ndarray, " t"]
    events: Float[np.ndarray, "t 4"]
    lateral_return: Float[np.ndarray, " t"]
    longitudinal_return: Float[np.ndarray, " t"]


def gae(
    rewards: Float[np.ndarray, "*b t"],
    values: Float[np.ndarray, "*b t"],
    *,
    next_values: Float[np.ndarray, "*b t"],
    ends: Bool[np.ndarray, "*b t"],
    gamma: float = GAMMA,
    decay: float = LAMBDA,
) -> Float[np.ndarray, "*b t"]:
    """Advantages along the last axis, which may hold several clips one behind the other.

    Args:
        rewards: that followed the decisions.
        values: of the states in which they were made.
        next_values: of the states they led to; 0 where an event ended the clip, the head's value
            where only time did (`values` of the next row belongs to another clip there).
        ends: last decisions of clips; nothing behind them counts for those before.
        gamma: discount of a step.
        decay: the paper's lambda.

    Raises:
        DataError: shapes that differ, or numbers that are not finite.
    """
    given = {"rewards": rewards, "values": values, "next_values": next_values}
    for name, array in given.items():
        _check(name, array, np.shape(rewards))
    if np.shape(ends) != np.shape(rewards):
        raise DataError(f"shape {np.shape(ends)}, expected {np.shape(rewards)}", where="ends")
    surprise = rewards + gamma * np.asarray(next_values) - values
    advantages = np.zeros(surprise.shape)
    later = np.zeros(surprise.shape[:-1])
    for step in range(surprise.shape[-1] - 1, -1, -1):
        later = surprise[..., step] + gamma * decay * np.where(ends[..., step], 0.0, later)
        advantages[..., step] = later
    return advantages


def clip_advantages(
    rewards: Float[np.ndarray, "t 4"],
    *,
    lateral_values: Float[np.ndarray, " t1"],
    longitudinal_values: Float[np.ndarray, " t1"],
    terminated: bool,
    compat: str = "paper",
) -> ClipAdvantages:
    """Advantages of one clip of t decisions.

    The paper splits the lateral advantage by event. As an event ends the clip, there is at most
    one: it is given the whole advantage of its axis, and a clip without events has no shares.

    Args:
        rewards: by `EventKind`, see `event_rewards`.
        lateral_values: of the t + 1 states, that after the last decision included.
        longitudinal_values: likewise.
        terminated: an event ended the clip, and the value of its last state does not count;
            otherwise time did, and it stands for what would have come.
        compat: "paper", or "released": no bootstrapping, no lateral values, and the longitudinal
            advantage holds that of static collisions too.

    Raises:
        ConfigError: no such compat.
        DataError: no decision, shapes that differ, or numbers that are not finite.
    """
    formula = _as_released if is_released(compat) else _as_paper
    steps = len(rewards)
    if steps == 0:
        raise DataError("no decision was made in it; leave it out", where="clip")
    _check("rewards", rewards, (steps, KINDS))
    _check("lateral_values", lateral_values, (steps + 1,))
    _check("longitudinal_values", longitudinal_values, (steps + 1,))
    return formula(rewards, lateral_values, longitudinal_values, terminated)


def _as_paper(
    rewards: Float[np.ndarray, "t 4"],
    lateral_values: Float[np.ndarray, " t1"],
    longitudinal_values: Float[np.ndarray, " t1"],
    terminated: bool,
) -> ClipAdvantages:
    lateral = _of_axis(rewards[:, STEERED].sum(1), lateral_values, terminated)
    longitudinal = _of_axis(rewards[:, EventKind.DYNAMIC], longitudinal_values, terminated)
    by_axis = np.repeat(lateral[:, None], KINDS, axis=1)
    by_axis[:, EventKind.DYNAMIC] = longitudinal
    return ClipAdvantages(
        lateral,
        longitudinal,
        events=np.where((rewards != 0).any(0), by_axis, 0.0),
        lateral_return=lateral + lateral_values[:-1],
        longitudinal_return=longitudinal + longitudinal_values[:-1],
    )


def _as_released(
    rewards: Float[np.ndarray, "t 4"],
    lateral_values: Float[np.ndarray, " t1"],
    longitudinal_values: Float[np.ndarray, " t1"],
    terminated: bool,  # makes no difference there
) -> ClipAdvantages:
    streams = released_streams(rewards, longitudinal_values, gamma=GAMMA, decay=LAMBDA)[:-1]
    lateral = streams[:, STEERED].sum(1)
    return ClipAdvantages(
        lateral,
        longitudinal=streams[:, EventKind.DYNAMIC] + streams[:, EventKind.STATIC],
        events=streams,
        lateral_return=lateral + lateral_values[:-1],
        longitudinal_return=streams[:, EventKind.DYNAMIC] + longitudinal_values[:-1],
    )


def _of_axis(
    rewards: Float[np.ndarray, " t"], values: Float[np.ndarray, " t1"], terminated: bool
) -> Float[np.ndarray, " t"]:
    following = np.array(values[1:], float)
    if terminated:
        following[-1] = 0.0
    ends = np.arange(len(rewards)) == len(rewards) - 1
    return gae(rewards, values[:-1], next_values=following, ends=ends)


def _check(name: str, array: np.ndarray, shape: tuple[int, ...]) -> None:
    if np.shape(array) != shape:
        raise DataError(f"shape {np.shape(array)}, expected {shape}", where=name)
    broken = np.argwhere(~np.isfinite(array))
    if len(broken):
        raise DataError(
            f"{len(broken)} numbers are not finite, the first at {tuple(map(int, broken[0]))}; "
            "drop the clip, and look at its world or at the values of the network",
            where=name,
        )
