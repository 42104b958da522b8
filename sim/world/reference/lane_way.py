"""Ways along lanes; as `drivelab.kernels.world.lane_way`, asked from `Roads` itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world.arrays import Roads

Pose = tuple[float, float, float]


def followers(roads: Roads, lane: int) -> Int[np.ndarray, " k"]:
    """Successors of a lane."""
    return roads.successor[roads.successor_first[lane] : roads.successor_first[lane + 1]]


def vertices(roads: Roads, lane: int) -> Float[np.ndarray, "n 3"]:
    """Centreline of a lane: x, y, heading."""
    part = slice(roads.lane_first[lane], roads.lane_first[lane + 1])
    return np.column_stack([roads.x[part], roads.y[part], roads.yaw[part]])


def lane_pose(roads: Roads, lane: int, s: float) -> Pose:
    """Point and heading at a place of a lane, straight on beyond its ends."""
    line, step = vertices(roads, lane), roads.lane_step[lane]
    k = int(np.clip(int(s / step), 0, len(line) - 2))
    t = s / step - k
    x, y = line[k, :2] + t * (line[k + 1, :2] - line[k, :2])
    yaw = line[k, 2] + np.clip(t, 0.0, 1.0) * (line[k + 1, 2] - line[k, 2])
    return float(x), float(y), float(yaw)


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """Where an actor is on the lanes, and the route it follows from there."""

    roads: Roads
    route: Int[np.ndarray, " R"]
    at: int  # place of the lane in the route
    lane: int
    s: float

    def next(self) -> Ahead | None:
        """The start of the lane that follows: the route's, else the straightest."""
        options = followers(self.roads, self.lane)
        later = self.route[self.at + 1 :]
        ended = np.flatnonzero(later < 0)
        later = later[: ended[0]] if len(ended) else later
        wanted = [lane for lane in later if lane in options]
        if wanted:
            lane = int(wanted[0])
        elif len(options):
            bends = [float(np.ptp(vertices(self.roads, k)[[0, -1], 2])) for k in options]
            lane = int(options[int(np.argmin(bends))])
        else:
            return None
        if lane == self.lane:
            return None
        places = np.flatnonzero(self.route[self.at + 1 :] == lane)
        at = self.at + 1 + int(places[0]) if len(places) else self.at
        return Ahead(self.roads, self.route, at, lane, 0.0)

    def after(self, distance: float) -> tuple[Pose, int]:
        """Pose so much further on, and its lane; -1 where the map ends before."""
        here, s = self, self.s + distance
        while s > self.roads.lane_length[here.lane]:
            follower = here.next()
            if follower is None:
                return lane_pose(self.roads, here.lane, s), -1
            s -= float(self.roads.lane_length[here.lane])
            here = follower
        return lane_pose(self.roads, here.lane, s), here.lane

    def room(self, wanted: float) -> float:
        """How far the lanes go on, at most `wanted`."""
        here, room = self, float(self.roads.lane_length[self.lane]) - self.s
        while room < wanted:
            follower = here.next()
            if follower is None:
                return room
            here = follower
            room += float(self.roads.lane_length[here.lane])
        return wanted

    def light_end(self, reach: float) -> float:
        """How far ahead the first lane with lights or crossing traffic ends; NaN for none."""
        here: Ahead | None = self
        begin = -self.s
        while here is not None and begin < reach:
            length = float(self.roads.lane_length[here.lane])
            if self.roads.lane_connector[here.lane] or self.roads.lane_group[here.lane] >= 0:
                return begin + length
            begin += length
            here = here.next()
        return np.nan


def place_on_lane(roads: Roads, lane: int, x: float, y: float) -> tuple[float, float]:
    """Distance along a lane of its point nearest to (x, y), and how far left of it that lies."""
    line = vertices(roads, lane)
    step = np.diff(line[:, :2], axis=0)
    d = np.array([x, y]) - line[:-1, :2]
    t = np.clip(np.sum(d * step, axis=1) / np.sum(step * step, axis=1), 0.0, 1.0)
    gap = np.hypot(*(d - t[:, None] * step).T)
    k = int(np.argmin(gap))
    left = step[k, 0] * d[k, 1] - step[k, 1] * d[k, 0]
    along = (k + t[k]) * roads.lane_step[lane]
    return float(along), float(gap[k] if left >= 0.0 else -gap[k])


def nearest_lane(roads: Roads, number: int, pose: Pose, reach: float, turn: float) -> int:
    """The lane nearest to a pose that runs about its way, -1 for none within reach."""
    best, found = reach, -1
    for lane in np.flatnonzero(roads.lane_map == number).tolist():
        line = vertices(roads, lane)
        step = np.diff(line[:, :2], axis=0)
        d = np.array(pose[:2]) - line[:-1, :2]
        t = np.clip(np.sum(d * step, axis=1) / np.sum(step * step, axis=1), 0.0, 1.0)
        gap = np.hypot(*(d - t[:, None] * step).T)
        along = np.abs(wrap_angle(line[:-1, 2] - pose[2])) <= turn
        nearest = float(np.min(np.where(along, gap, np.inf)))
        if nearest < best:
            best, found = nearest, lane
    return found


def neighbour(roads: Roads, lane: int, steps: int) -> int:
    """The lane so many steps to the left, or -1."""
    side = roads.lane_left if steps > 0 else roads.lane_right
    for _ in range(abs(steps)):
        lane = int(side[lane]) if lane >= 0 else -1
    return lane


def turn_route(roads: Roads, route: Int[np.ndarray, " R"], at: int, lane: int, steps: int) -> int:
    """Make `lane` the present lane of a route in place; returns where it stands in it."""
    ended = np.flatnonzero(route[at:] < 0)
    known = route[at:] if not len(ended) else route[at : at + ended[0]]
    if lane in known:
        return at + int(np.flatnonzero(known == lane)[0])
    rest = [lane]
    for old in route[at + 1 :]:
        moved = neighbour(roads, int(old), steps) if old >= 0 else -1
        if moved < 0 or moved not in followers(roads, rest[-1]):
            break
        rest.append(moved)
    route[at:] = -1
    route[at : at + len(rest)] = rest
    return at
