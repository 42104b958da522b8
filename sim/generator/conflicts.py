"""Where two paths cross or merge, and whether a driver has to wait there for another one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from drivelab.geometry.polyline import arc_lengths
from drivelab.geometry.poses import wrap_angle

SIDE_ROOM = 0.5  # between two boxes that pass each other [m]
MERGE_LENGTH = 3.0  # after so much of a common path the one behind simply follows [m]
BEFORE, AFTER = 1.2, 0.6  # time kept free before and after the other's passage [s]
FIRM_BRAKING = 3.5  # a driver who would have to brake harder goes on [m/s^2]
RESTART = 1.3  # assumed acceleration when judging how long a crossing takes [m/s^2]


@dataclass(frozen=True, slots=True)
class Conflict:
    """Stretches of two paths [m] on which boxes of given widths would touch."""

    mine: tuple[float, float]
    theirs: tuple[float, float]


def find_conflict(
    mine: Float[np.ndarray, "n 3"],
    theirs: Float[np.ndarray, "m 3"],
    *,
    widths: tuple[float, float],
    after: tuple[float, float],
) -> Conflict | None:
    """The first common stretch beyond the arc lengths `after` of the two; None without one."""
    near = sum(widths) / 2 + SIDE_ROOM
    s, t = arc_lengths(mine), arc_lengths(theirs)
    keep_s, keep_t = s >= after[0], t >= after[1]
    if not keep_s.any() or not keep_t.any():
        return None
    s, t, mine, theirs = s[keep_s], t[keep_t], mine[keep_s], theirs[keep_t]
    rows, columns = _within(mine, theirs, near), _within(theirs, mine, near)
    ahead = mine[rows, None, 0] - theirs[None, columns, 0]
    aside = mine[rows, None, 1] - theirs[None, columns, 1]
    close = np.hypot(ahead, aside) < near
    touched = np.zeros(len(mine), bool)
    touched[rows] = close.any(axis=1)
    if not touched.any():
        return None
    first = int(np.argmax(touched))
    last = first + int(np.argmin(np.append(touched[first:], False))) - 1
    partners = columns[close[(rows >= first) & (rows <= last)].any(axis=0)]
    low, high = float(t[partners[0]]), float(t[partners[-1]])
    end = float(s[last])
    parallel = np.abs(wrap_angle(mine[last, 2] - theirs[partners[-1], 2])) < 0.3
    if parallel:
        end, high = min(end, s[first] + MERGE_LENGTH), min(high, low + MERGE_LENGTH)
    return Conflict((float(s[first]), float(end)), (low, high))


def _within(
    path: Float[np.ndarray, "n 3"], other: Float[np.ndarray, "m 3"], reach: float
) -> Int[np.ndarray, " k"]:
    """Points of a path that are not beyond `reach` of the box around another one."""
    room = reach + 1e-6  # rounding must not leave one out
    low, high = other[:, :2].min(axis=0) - room, other[:, :2].max(axis=0) + room
    return np.flatnonzero(((path[:, :2] >= low) & (path[:, :2] <= high)).all(axis=1))


@dataclass(frozen=True, slots=True)
class Passage:
    """How an actor stands on its path: arc length, speed, distances to its two bumpers."""

    at: float
    speed: float
    front: float
    rear: float


def must_wait(me: Passage, other: Passage, conflict: Conflict) -> bool:
    """Whether the other one will be in the conflict while I would pass, and I can still stop."""
    room = conflict.mine[0] - me.at - me.front
    if room < 0.0 or me.speed**2 > 2.0 * FIRM_BRAKING * max(room, 0.01):
        return False
    if other.at - other.rear > conflict.theirs[1]:
        return False
    enter = _travel_time(room, me.speed)
    leave = _travel_time(conflict.mine[1] - me.at + me.rear, me.speed)
    speed = max(other.speed, 0.01)
    comes = max(conflict.theirs[0] - other.at - other.front, 0.0) / speed
    gone = (conflict.theirs[1] - other.at + other.rear) / speed
    return comes < leave + BEFORE and gone > enter - AFTER


def _travel_time(distance: float, speed: float) -> float:
    """Time for a distance when speeding up gently."""
    gain = np.sqrt(speed**2 + 2.0 * RESTART * max(distance, 0.0))
    return float((gain - speed) / RESTART)
