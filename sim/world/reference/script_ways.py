"""Ways that behaviours build; as `drivelab.kernels.world.script_ways`.

Each answers with the way and the lane on which it ends, or None where the map has no room for it.
"""

from __future__ import annotations

import numpy as np

from drivelab.kernels.world import script_ways as rules
from drivelab.kernels.world.arrays import Roads
from drivelab.kernels.world.script_ways import WAY_ROOM
from drivelab.sim.world.reference.free_way import Way, finished, smooth_share
from drivelab.sim.world.reference.lane_way import Ahead, Pose, nearest_lane, place_on_lane

__all__ = [
    "WAY_ROOM", "lane_speed", "lanes_way", "overtaking_way", "pull_away_way", "reversing_way",
    "u_turn_way",
]  # fmt: skip

Built = tuple[Way, int] | None


def _beside(pose: Pose, left: float) -> tuple[float, float]:
    return pose[0] - left * float(np.sin(pose[2])), pose[1] + left * float(np.cos(pose[2]))


def lanes_way(ahead: Ahead, spacing: float) -> Way:
    """The lanes ahead, as far as they and the vertices go."""
    points = []
    for i in range(WAY_ROOM):
        pose, lane = ahead.after(i * spacing)
        if lane < 0:
            break
        points.append(pose[:2])
    return finished(np.array(points)) if len(points) > 1 else np.zeros((0, 4))


def overtaking_way(ahead: Ahead, shift: float, offset: float, swing: float, length: float) -> Built:
    """Out to the left within `swing` metres, on, and back again."""
    total = 2.0 * swing + length
    if ahead.room(total) < total:
        return None
    points = []
    for along in np.linspace(0.0, total, WAY_ROOM):
        share = smooth_share(along / swing) * smooth_share((total - along) / swing)
        points.append(_beside(ahead.after(along)[0], shift + share * offset))
    return finished(np.array(points)), ahead.after(total - rules.MARGIN)[1]


def _merge(
    roads: Roads, lane: int, x: float, y: float, length: float, count: int
) -> tuple[np.ndarray, int] | None:
    """Points from beside a lane onto it within `length`, or less where the map ends."""
    s, shift = place_on_lane(roads, lane, x, y)
    ahead = Ahead(roads, np.full(1, -1), 0, lane, s)
    length = min(length, ahead.room(length) - rules.MARGIN)
    if length < rules.MERGE_SHORTEST / 2:
        return None
    points = [
        _beside(ahead.after(along)[0], shift * (1.0 - smooth_share(along / length)))
        for along in np.linspace(0.0, length, count)
    ]
    return np.array(points), ahead.after(length)[1]


def pull_away_way(roads: Roads, number: int, pose: Pose) -> Built:
    """From a place beside a lane onto it."""
    lane = nearest_lane(roads, number, pose, rules.PULL_REACH, rules.PULL_ANGLE)
    if lane < 0:
        return None
    shift = place_on_lane(roads, lane, pose[0], pose[1])[1]
    length = max(rules.PULL_SHORTEST, rules.PULL_SLOPE * abs(shift))
    merged = _merge(roads, lane, pose[0], pose[1], length, rules.PULL_VERTICES)
    return None if merged is None else (finished(merged[0]), merged[1])


def u_turn_way(ahead: Ahead, number: int, shift: float, braking: float, radius: float) -> Built:
    """Ahead, half a circle to the left, then onto the lane that runs back."""
    roads = ahead.roads
    if ahead.room(braking) < braking:
        return None
    pose = ahead.after(braking)[0]
    centre = np.array(_beside(pose, shift + radius))
    angle = pose[2] - np.pi / 2 + np.linspace(0.0, np.pi, rules.TURN_VERTICES)
    circle = centre + radius * np.column_stack([np.cos(angle), np.sin(angle)])
    x, y = _beside(pose, shift + 2.0 * radius)
    reach = 2.0 * radius + rules.TURN_SLACK
    back = nearest_lane(roads, number, (x, y, pose[2] + np.pi), reach, rules.TURN_ANGLE)
    if back < 0:
        return None
    aside = abs(place_on_lane(roads, back, x, y)[1])
    rest = WAY_ROOM - rules.AHEAD_VERTICES - rules.TURN_VERTICES
    length = max(rules.MERGE_SHORTEST, rules.MERGE_SLOPE * aside)
    merged = _merge(roads, back, x, y, length, rest)
    if merged is None:
        return None
    along = braking * np.arange(rules.AHEAD_VERTICES) / rules.AHEAD_VERTICES
    straight = np.array([_beside(ahead.after(s)[0], shift) for s in along])
    return finished(np.concatenate([straight, circle, merged[0]])), merged[1]


def reversing_way(pose: Pose, distance: float) -> Way:
    """Straight back along the axis of a pose."""
    back = np.array([np.cos(pose[2]), np.sin(pose[2])])
    return finished(np.array([pose[:2], pose[:2] - distance * back]))


def lane_speed(roads: Roads, lane: int, s: float) -> float:
    """The allowed speed at a place of a lane."""
    first, last = roads.lane_first[lane], roads.lane_first[lane + 1] - 1
    return float(roads.speed[min(first + int(s / roads.lane_step[lane]), last)])
