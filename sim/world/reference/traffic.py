"""What the drivers of one environment know: paths as lists, the register as dictionaries."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from drivelab.kernels.world.arrays import ABSENT, BICYCLE, DRIVE, PARKED, PEDESTRIAN, Roads, State
from drivelab.kernels.world.traffic import (
    AHEAD,
    BESIDE,
    GO_LEFT,
    GO_RIGHT,
    GUEST_REACH,
    LOOK_BASE,
    LOOK_LIMIT,
    LOOK_TIME,
    OPEN,
    OUTSIDE_LANE,
    VANISH,
    WAY_NEAR,
)

_MASK = 2**64 - 1
Register = dict[int, list[tuple[int, float]]]


@dataclass(slots=True)
class Path:
    """Lanes ahead of a driver and the distances from its centre to their starts [m]."""

    lanes: list[int]
    starts: list[float]
    end: int = OPEN
    line: int = 0  # place of the next connector, or lane that several lead into; 0 = none


@dataclass(slots=True)
class Knowledge:
    """One environment in one step; `on_lane` and `coming` list (slot, place along the lane)."""

    roads: Roads
    state: State
    e: int
    paths: dict[int, Path] = field(default_factory=dict)
    on_lane: Register = field(default_factory=lambda: defaultdict(list))
    coming: Register = field(default_factory=lambda: defaultdict(list))
    obstacles: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        for n in self.present:
            self._enter(n)

    @property
    def present(self) -> list[int]:
        """Slots of all actors that are there."""
        mode = self.state.mode[self.e, : self.state.count[self.e]]
        return [int(n) for n in np.flatnonzero(mode != ABSENT)]

    @property
    def drivers(self) -> list[int]:
        """Slots of all drivers that are on a lane."""
        return list(self.paths)

    def of(self, name: str, n: int) -> float:
        """One number of an actor."""
        return float(getattr(self.state, name)[self.e, n])

    def is_driver(self, n: int) -> bool:
        """Whether an actor drives by itself."""
        return bool(self.state.mode[self.e, n] == DRIVE)

    def obeys(self, n: int, bit: int) -> bool:
        """Whether a bit of `obeys` is set."""
        return bool(int(self.state.obeys[self.e, n]) & bit)

    def _enter(self, n: int) -> None:
        roads, state, e = self.roads, self.state, self.e
        lane, place = int(state.lane[e, n]), self.of("lane_s", n)
        drives = self.is_driver(n) and lane >= 0
        other = int(state.other_lane[e, n])
        out = abs(self.of("shift", n)) + self.of("half_width", n)
        if not drives or (other < 0 and out > roads.lane_width[lane] / 2 + OUTSIDE_LANE):
            self.obstacles.append(n)
        if lane < 0:
            return
        self.on_lane[lane].append((n, place))
        if not drives:
            self._expect(n, lane, place)
            return
        if other >= 0:
            share = roads.lane_length[other] / roads.lane_length[lane]
            self.on_lane[other].append((n, place * share))
        path = self.paths[n] = self._path(n, lane, place)
        if path.line:
            self.coming[path.lanes[path.line]].append((n, -path.starts[path.line]))

    def _path(self, n: int, lane: int, place: float) -> Path:
        roads, reach = self.roads, min(LOOK_BASE + LOOK_TIME * self.of("speed", n), LOOK_LIMIT)
        path, at = Path([lane], [-place]), int(self.state.route_at[self.e, n])
        while True:
            lane = path.lanes[-1]
            end = path.starts[-1] + roads.lane_length[lane]
            if end > reach or len(path.lanes) == AHEAD:
                return path
            following, at = next_lane(roads, self.state, self.e, n, at, lane)
            if following < 0:
                path.end = following
                return path
            path.lanes.append(following)
            path.starts.append(end)
            if not path.line and (
                roads.lane_connector[following] or len(before(roads, following)) > 1
            ):
                path.line = len(path.lanes) - 1

    def _expect(self, n: int, lane: int, place: float) -> None:
        """Enter somebody who is no driver where it may go at the next junction."""
        roads, state, e = self.roads, self.state, self.e
        kind, away = int(state.kind[e, n]), roads.lane_length[lane] - place
        vertex = roads.lane_first[lane] + int(place / roads.lane_step[lane])
        yaw = roads.yaw[min(vertex, roads.lane_first[lane + 1] - 1)]
        ahead = np.cos(yaw) * self.of("cos", n) + np.sin(yaw) * self.of("sin", n) >= 0
        moves = state.mode[e, n] != PARKED and kind <= BICYCLE and kind != PEDESTRIAN
        if not (moves and ahead) or roads.lane_connector[lane]:
            return
        candidates = []
        for following in after(roads, lane):
            if roads.lane_connector[following]:
                candidates.append((following, away))
            else:
                farther = away + roads.lane_length[following]
                candidates += [(lane, farther) for lane in after(roads, following)]
        for lane, distance in candidates:
            near = distance <= GUEST_REACH and roads.lane_connector[lane]
            if near and goes_into(roads, state, e, n, lane):
                self.coming[lane].append((n, -distance))


def after(roads: Roads, lane: int) -> list[int]:
    """Lanes that a lane leads to."""
    return roads.successor[roads.successor_first[lane] : roads.successor_first[lane + 1]].tolist()


def before(roads: Roads, lane: int) -> list[int]:
    """Lanes that lead to a lane."""
    first = roads.predecessor_first
    return roads.predecessor[first[lane] : first[lane + 1]].tolist()


def side_of(roads: Roads, lane: int, goal: int) -> int:
    """1 where `goal` lies to the left of `lane`, -1 to the right, 0 not beside it."""
    for neighbour, side in ((roads.lane_left, 1), (roads.lane_right, -1)):
        here = lane
        for _ in range(BESIDE):
            here = neighbour[here]
            if here < 0:
                break
            if here == goal:
                return side
    return 0


def next_lane(roads: Roads, state: State, e: int, n: int, at: int, lane: int) -> tuple[int, int]:
    """As `drivelab.kernels.world.traffic.next_lane`."""
    route, choices = [*state.route[e, n].tolist(), -1], after(roads, lane)
    while at + 1 < len(route) and route[at + 1] >= 0:
        if route[at + 1] != lane and side_of(roads, lane, route[at + 1]) == 0:
            break
        at += 1
    here = route[at] if at < len(route) else -1
    goal = route[at + 1] if at + 1 < len(route) else -1
    if goal >= 0:
        parallel = [choice for choice in choices if side_of(roads, choice, goal) != 0]
        for choice in ([goal] if goal in choices else []) + parallel:
            return choice, at + 1
    if here >= 0 and here != lane and (goal >= 0 or not choices):
        side = side_of(roads, lane, here)
        if side != 0:
            return (GO_LEFT if side > 0 else GO_RIGHT), at
    if choices:
        pick = draw(int(state.seed[e]), n, at) % len(choices) if len(choices) > 1 else 0
        return choices[pick], at + 1
    for beside, answer in ((roads.lane_left[lane], GO_LEFT), (roads.lane_right[lane], GO_RIGHT)):
        if beside >= 0 and after(roads, beside):
            return answer, at
    return VANISH, at


def draw(seed: int, slot: int, count: int) -> int:
    """As `drivelab.kernels.world.traffic.draw`, in Python's long integers."""
    z = seed * 0x9E3779B97F4A7C15 + (slot + 1) * 0xBF58476D1CE4E5B9
    z = (z + (count + 1) * 0x94D049BB133111EB) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (z ^ (z >> 31)) >> 33


def goes_into(roads: Roads, state: State, e: int, n: int, lane: int) -> bool:
    """As `drivelab.kernels.world.traffic.goes_into`: the middle and the end lie on the way."""
    first, count = state.way_first[e, n], state.way_count[e, n]
    way, at = state.way[e, first : first + count], state.way_at[e, n]
    if count < 2 or way[-1, 3] < at + 5.0:
        return True
    low, high = roads.lane_first[lane], roads.lane_first[lane + 1] - 1
    ahead = way[1:, 3] >= at
    a, d = way[:-1, :2][ahead], np.diff(way[:, :2], axis=0)[ahead]
    for vertex in ((low + high) // 2, high):
        point = np.array([roads.x[vertex], roads.y[vertex]])
        t = np.clip(((point - a) * d).sum(axis=1) / (d * d).sum(axis=1), 0, 1)
        if not (np.hypot(*(point - a - t[:, None] * d).T) < WAY_NEAR).any():
            return False
    return True
