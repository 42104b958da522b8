"""Who is ahead of each driver; boxes are cut by the strip of road that the driver needs."""

from __future__ import annotations

import numpy as np
import shapely

from drivelab.kernels.world.arrays import BLIND, EMERGENCY, WALK
from drivelab.kernels.world.leaders import (
    ALERT,
    FORK_REACH,
    NEAREST_STEP,
    SHIFT_LENGTH,
    SIDE_ROOM,
    SWEEP,
    WALK_SWEEP,
)
from drivelab.kernels.world.traffic import LOOK_BASE, LOOK_LIMIT, LOOK_TIME
from drivelab.sim.world.reference.traffic import Knowledge, after, before

Leader = tuple[float, float, int]  # gap [m], speed along my lane [m/s], slot
NOBODY: Leader = (np.inf, 0.0, -1)


def find_leaders(known: Knowledge) -> tuple[dict[int, Leader], set[int]]:
    """Leader of every driver, and who has an emergency vehicle behind."""
    leaders: dict[int, Leader] = {}
    for n in known.drivers:
        best = min([NOBODY, *_on_my_lanes(known, n), *_in_the_zip(known, n)], key=lambda x: x[0])
        for o, sweeps in _boxes(known, n):
            found = _as_box(known, n, o, best[0], sweeps=sweeps)
            best = min(best, found, key=lambda x: x[0])
        leaders[n] = best
    hunted = {
        slot
        for n, (gap, _, slot) in leaders.items()
        if known.obeys(n, EMERGENCY) and slot >= 0 and gap < ALERT
    }
    return leaders, hunted


def _reach(known: Knowledge, n: int) -> float:
    look = LOOK_BASE + LOOK_TIME * known.of("speed", n)
    return min(look, LOOK_LIMIT) + known.of("half_length", n)


def _on_my_lanes(known: Knowledge, n: int) -> list[Leader]:
    path = known.paths[n]
    for lane, start in zip(path.lanes, path.starts, strict=True):
        found = []
        for o, place in known.on_lane[lane]:
            away = start + place
            if o != n and known.is_driver(o) and (away > 0 or (away == 0 and o > n)):
                bumpers = known.of("half_length", n) + known.of("half_length", o)
                found.append((away - bumpers, known.of("speed", o), o))
        if found:
            return found
    return []


def _in_the_zip(known: Knowledge, n: int) -> list[Leader]:
    """Drivers that come to the same plain lane from another one and are nearer to it."""
    path, found = known.paths[n], []
    if not path.line or known.roads.lane_connector[path.lanes[path.line]]:
        return []
    for o, place in known.coming[path.lanes[path.line]]:
        away = path.starts[path.line] + place
        if known.state.lane[known.e, o] == path.lanes[0]:
            continue
        if away > 0 or (away == 0 and o < n):
            bumpers = known.of("half_length", n) + known.of("half_length", o)
            found.append((away - bumpers, known.of("speed", o), o))
    return found


def _boxes(known: Knowledge, n: int) -> list[tuple[int, bool]]:
    """Actors that count by their box, and whether they are taken to go on straight."""
    path, roads = known.paths[n], known.roads
    blind = known.obeys(n, BLIND)
    boxes = [(o, True) for o in known.obstacles if o != n and not (blind and o == 0)]
    other = int(known.state.other_lane[known.e, n])
    if other >= 0:
        boxes += [(o, False) for o, _ in known.on_lane[other] if known.is_driver(o) and o != n]
    for k in dict.fromkeys((0, path.line)):
        lane = path.lanes[k]
        for fork in before(roads, lane):
            if k > 0 and fork != path.lanes[k - 1]:
                continue
            for branch in after(roads, fork):
                if branch == lane:
                    continue
                for o, place in known.on_lane[branch]:
                    rear = place - known.of("half_length", o)
                    ahead = rear < FORK_REACH and place + path.starts[k] > 0
                    if ahead and known.is_driver(o):
                        boxes.append((o, False))
    return boxes


def _as_box(known: Knowledge, n: int, o: int, best: float, *, sweeps: bool) -> Leader:
    x, y, c, s = (known.of(name, o) for name in ("x", "y", "cos", "sin"))
    length, width = known.of("half_length", o), known.of("half_width", o)
    dx, dy = x - known.of("x", n), y - known.of("y", n)
    forward, front = dx * known.of("cos", n) + dy * known.of("sin", n), known.of("half_length", n)
    limit, sweep = min(_reach(known, n), best + front), 0.0
    if sweeps and forward > 0:
        walks = known.state.mode[known.e, o] == WALK
        sweep = known.of("speed", o) * (WALK_SWEEP if walks else SWEEP)
    size = length + width + abs(sweep)
    if sweeps and (np.hypot(dx, dy) > limit + size or forward < front - size):
        return NOBODY
    box = (x + sweep / 2 * c, y + sweep / 2 * s, c, s, length + abs(sweep) / 2, width)
    gap, direction = gap_to_box(known, n, limit, box)
    return gap, known.of("speed", o) * float(direction @ [c, s]), o


def gap_to_box(
    known: Knowledge, n: int, limit: float, box: tuple[float, ...]
) -> tuple[float, np.ndarray]:
    """As `drivelab.kernels.world.leaders.gap_to_box`; the box is (x, y, cos, sin, half sizes)."""
    roads, path = known.roads, known.paths[n]
    at = front = known.of("half_length", n)
    half = known.of("half_width", n) + SIDE_ROOM
    shift = known.of("shift", n)
    goal = known.of("shift_to", n) if known.of("shift_over", n) > 0 else shift
    x, y, c, s, length, width = box
    axes = np.array([[c, s], [-s, c]])
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [length, width]
    tangent = np.array([1.0, 0.0])
    while at < limit:
        k = max(i for i, start in enumerate(path.starts) if i == 0 or start <= at)
        lane = path.lanes[k]
        first, step = roads.lane_first[lane], roads.lane_step[lane]
        place = (at - path.starts[k]) / step
        v = min(max(int(place), 0), roads.lane_first[lane + 1] - first - 2)
        if place - v > 1 + 5.0 / step:
            break
        vertices = np.column_stack([roads.x[first + v :][:2], roads.y[first + v :][:2]])
        chord = vertices[1] - vertices[0]
        tangent = chord / np.hypot(*chord)
        aside = shift + (goal - shift) * min(at / SHIFT_LENGTH, 1.0)
        mine = vertices[0] + (place - v) * chord + aside * np.array([-tangent[1], tangent[0]])
        outside = np.maximum(np.abs(axes @ (mine - [x, y])) - [length, width], 0)
        away = float(np.hypot(*outside))
        if away <= half:
            ring = corners @ axes + [x, y] - mine
            along, left = ring @ tangent, ring @ [-tangent[1], tangent[0]]
            polygon = shapely.Polygon(np.column_stack([along, left]))
            low, high = min(along.min(), 0) - 1, max(along.max(), 0) + 1
            cut = shapely.intersection(polygon, shapely.box(low, -half, high, half))
            if not cut.is_empty:
                return at - front + max(cut.bounds[0], 0.0), tangent
        at += max(away - half, NEAREST_STEP)
    return np.inf, tangent
