"""When to change lanes (MOBIL: Kesting, Treiber, Helbing 2007) and the path that does it.

Departure from the paper: besides MOBIL's safety criterion both gaps must be long enough in
themselves, because IDM accepts any gap to a faster leader.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, project, sample
from drivelab.geometry.poses import wrap_angle
from drivelab.planning.idm import IDMParameters, idm_acceleration


@dataclass(frozen=True, slots=True)
class LaneChangeParameters:
    """How much a driver wants to gain, and what he imposes on others."""

    politeness: float = 0.3  # weight of the new follower's loss
    threshold: float = 0.2  # gain below which the driver stays [m/s^2]
    safe_deceleration: float = 2.0  # hardest braking imposed on the new follower [m/s^2]
    min_gap: float = 6.0  # shortest gap to either new neighbour [m]
    headway: float = 0.5  # shortest time gap to either new neighbour [s]


@dataclass(frozen=True, slots=True)
class NeighbourGap:
    """The car ahead of or behind a position: bumper gap [m] and its speed [m/s].

    Nobody there is an infinite gap.
    """

    gap: float = np.inf
    speed: float = 0.0


def should_change_lane(
    speed: float,
    target_speed: float,
    *,
    ahead: NeighbourGap,
    new_ahead: NeighbourGap,
    new_behind: NeighbourGap,
    driver: IDMParameters,
    parameters: LaneChangeParameters,
) -> bool:
    """Whether the change is safe and worth it for a car at `speed` [m/s]."""
    p = parameters
    room_ahead = p.min_gap + p.headway * speed
    room_behind = p.min_gap + p.headway * new_behind.speed
    if new_ahead.gap < room_ahead or new_behind.gap < room_behind:
        return False
    # The new follower: first with nobody in its way, then with this car.
    cruise = max(new_behind.speed, 1.0)
    gaps = np.array([ahead.gap, new_ahead.gap, new_behind.gap])
    speeds = np.array([speed, speed, new_behind.speed])
    leads = np.array([ahead.speed, new_ahead.speed, speed])
    targets = np.array([target_speed, target_speed, 1.2 * cruise])
    stay, change, imposed = idm_acceleration(
        gaps, speeds, lead_speed=leads, target_speed=targets, parameters=driver
    )
    if imposed < -p.safe_deceleration:
        return False
    return bool(change - stay > p.threshold - p.politeness * min(imposed, 0.0))


def blend_paths(
    old: Float[np.ndarray, "n 3"],
    new: Float[np.ndarray, "m 3"],
    *,
    start: float,
    length: float,
    spacing: float = 1.0,
) -> Float[np.ndarray, "k 3"]:
    """A path that follows `old` up to arc length `start` [m] and reaches `new` `length` [m] later.

    The lateral shift is a quintic in arc length, so heading and curvature are continuous at both
    ends. Headings of the result are those of its own tangents.
    """
    before = sample(old, np.arange(0.0, start, spacing))
    along = np.arange(0.0, length, spacing)
    source = sample(old, start + along)
    first, last = project(new[:, :2], source[0, :2])[0], project(new[:, :2], source[-1, :2])[0]
    goal = sample(new, first + (last - first) * along / along[-1])
    u = (along / along[-1])[:, None]
    share = u**3 * (10.0 - 15.0 * u + 6.0 * u**2)
    middle = (1.0 - share) * source[:, :2] + share * goal[:, :2]
    rest = sample(new, np.arange(last + spacing, arc_lengths(new)[-1], spacing))
    points = np.concatenate([before[:, :2], middle, rest[:, :2]])
    tangent = np.gradient(points, axis=0)
    return np.column_stack([points, wrap_angle(np.arctan2(tangent[:, 1], tangent[:, 0]))])
