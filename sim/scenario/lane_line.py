"""Lanes one after another as one line with its own `s`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.polyline import arc_lengths, project
from drivelab.geometry.poses import wrap_angle
from drivelab.types import LaneMap

DEFAULT_LIMIT = 13.9  # where the map names no speed limit [m/s]
SAME_POINT = 1e-6  # [m]


@dataclass(frozen=True, slots=True, eq=False)
class LaneLine:
    """The joined centreline of consecutive lanes."""

    lanes: tuple[str, ...]
    poses: Float[np.ndarray, "n 3"]  # heading unwrapped
    s: Float[np.ndarray, " n"]  # distance of the vertices along the line [m]
    ends: Float[np.ndarray, " k"]  # distance at which each lane ends [m]

    @property
    def length(self) -> float:
        """Of the whole line [m]."""
        return float(self.s[-1])

    def pose(self, s: float, left: float = 0.0) -> Float[np.ndarray, "3"]:
        """A pose at a distance along the line, moved to its left [m]."""
        x, y, yaw = (float(np.interp(s, self.s, column)) for column in self.poses.T)
        return np.array(
            [x - left * np.sin(yaw), y + left * np.cos(yaw), float(wrap_angle(np.float64(yaw)))]
        )

    def index(self, s: float) -> int:
        """Which lane a distance lies on."""
        found = int(np.searchsorted(self.ends, s, side="right"))
        return min(found, len(self.lanes) - 1)

    def within(self, s: float) -> tuple[str, float]:
        """The lane at a distance, and the distance along that lane [m]."""
        index = self.index(s)
        return self.lanes[index], s - (self.ends[index - 1] if index else 0.0)

    def cut(self, start: float, stop: float) -> Float[np.ndarray, "m 3"]:
        """The line between two distances, both ends included."""
        inner = self.poses[(self.s > start + 1e-3) & (self.s < stop - 1e-3)]
        return np.vstack([self.pose(start), inner, self.pose(stop)])

    def nearest(self, point: Float[np.ndarray, " more"]) -> tuple[float, float]:
        """Distance along the line of the nearest place, and how far away it is [m]."""
        return project(self.poses, point)


def lane_line(lane_map: LaneMap, lanes: tuple[str, ...]) -> LaneLine:
    """Join lanes; kept with the map, so that asking again costs nothing."""
    key = f"lane line/{'|'.join(lanes)}"
    found = lane_map.cache.get(key)
    if isinstance(found, LaneLine):
        return found
    parts, ends, total = [], [], 0.0
    for lane in lanes:
        line = lane_map.lanes[lane].centreline
        total += float(arc_lengths(line)[-1])
        ends.append(total)
        parts.append(line)
    joined = np.concatenate(parts)
    step = np.hypot(*np.diff(joined[:, :2], axis=0).T)
    joined = joined[np.concatenate([[True], step > SAME_POINT])]
    poses = np.column_stack([joined[:, :2], np.unwrap(joined[:, 2])])
    made = LaneLine(lanes, poses, arc_lengths(poses), np.array(ends))
    lane_map.cache[key] = made
    return made


def speed_limit(lane_map: LaneMap, lane: str) -> float:
    """Of a lane [m/s]; a usual one where the map says none."""
    return lane_map.lanes[lane].speed_limit or DEFAULT_LIMIT
