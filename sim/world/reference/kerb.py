"""Pedestrians before a road; as `drivelab.kernels.world.kerb`."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.kernels.world.arrays import ABSENT, PARKED, PEDESTRIAN, WALK, Roads, State
from drivelab.kernels.world.kerb import (
    DEPTH,
    FARTHEST,
    HALVINGS,
    MARGIN,
    REACH,
    SIDE,
    SPACING,
    STANDING,
    WALKING,
)
from drivelab.sim.world.reference.free_way import Way, way_pose
from drivelab.sim.world.reference.lane_way import followers
from drivelab.sim.world.reference.locate import cell_rows


def lane_under(roads: Roads, number: int, x: float, y: float) -> tuple[int, float]:
    """The lane whose strip holds a point, and how far along it; -1 = none."""
    row = int(cell_rows(roads, np.array([number]), np.array([x]), np.array([y]))[0])
    if row < 0:
        return -1, 0.0
    part = slice(roads.near_first[row], roads.near_first[row + 1])
    k, lane = roads.near_item[part], roads.near_lane[part]
    if not len(k):
        return -1, 0.0
    a = np.column_stack([roads.x[k], roads.y[k]])
    step = np.column_stack([roads.x[k + 1], roads.y[k + 1]]) - a
    length = np.hypot(*step.T)
    d = np.array([x, y]) - a
    s = np.sum(d * step, axis=1) / length
    off = np.abs(step[:, 0] * d[:, 1] - step[:, 1] * d[:, 0]) / length
    inside = (s >= -SPACING) & (s <= length + SPACING) & (off <= roads.lane_width[lane] / 2)
    if not inside.any():
        return -1, 0.0
    i = int(np.argmin(np.where(inside, off, np.inf)))
    along = (k[i] - roads.lane_first[lane[i]] + s[i] / length[i]) * roads.lane_step[lane[i]]
    return int(lane[i]), float(along)


def kerb_ahead(
    roads: Roads, number: int, way: Way, at: float, place: tuple[float, float], reach: float
) -> float:
    """Distance to where the next road begins; infinite for none, and for who is on one."""

    def on_road(ahead: float) -> bool:
        return lane_under(roads, number, *way_pose(way, at + ahead)[:2])[0] >= 0

    if lane_under(roads, number, *place)[0] >= 0:
        return np.inf
    for ahead in _steps(SPACING, min(reach, way[-1, 3] - at)):
        if not on_road(ahead):
            continue
        low, high = ahead - SPACING, ahead
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            low, high = (low, middle) if on_road(middle) else (middle, high)
        return high
    return np.inf


def nobody_comes(
    roads: Roads, state: State, e: int, n: int, way: Way, kerb: float, walking: float
) -> bool:
    """Whether actor n can cross before any vehicle arrives."""
    at = float(state.way_at[e, n])
    end = min(way[-1, 3] - at, kerb + FARTHEST)
    places: list[tuple[int, float]] = []
    far_kerb, aheads = end, list(_steps(kerb, end))
    far_kerb = aheads[-1] + SPACING if aheads else kerb
    for ahead in aheads:
        lane, s = lane_under(roads, int(state.map[e]), *way_pose(way, at + ahead)[:2])
        if lane < 0:
            far_kerb = ahead
            break
        if not places or places[-1][0] != lane:
            places.append((lane, s))
    time = far_kerb / max(walking, WALKING) + MARGIN
    points = np.array(
        [way_pose(way, at + ahead)[:2] for ahead in _steps(kerb, far_kerb, last=True)]
    )
    for j in range(state.count[e]):
        speed = float(state.speed[e, j])
        if j == n or state.mode[e, j] in (ABSENT, PARKED) or state.kind[e, j] == PEDESTRIAN:
            continue
        if abs(speed) < STANDING:
            continue
        far = min(abs(speed) * time, REACH) + float(state.half_length[e, j])
        if state.lane[e, j] >= 0 and state.mode[e, j] != WALK:
            comes = _arrives(roads, int(state.lane[e, j]), float(state.lane_s[e, j]), far, places)
        else:
            comes = _heads_for(state, e, j, far, points)
        if comes:
            return False
    return True


def _steps(begin: float, end: float, *, last: bool = False) -> list[float]:
    """Distances from `begin` on at equal spacing, before `end` (or up to it)."""
    steps, ahead = [], begin
    while ahead < end or (last and ahead == end):
        steps.append(ahead)
        ahead += SPACING
    return steps


def _arrives(
    roads: Roads, lane: int, s: float, far: float, places: list[tuple[int, float]]
) -> bool:
    """Whether a place is at most `far` down the lanes from place s of a lane."""
    waiting = [(lane, -s)]
    for here, begin in waiting:
        if any(lane == here and 0.0 <= begin + place <= far for lane, place in places):
            return True
        end = begin + float(roads.lane_length[here])
        if end <= far:
            room = DEPTH - len(waiting)
            waiting += [(int(k), end) for k in followers(roads, here)[:room]]
    return False


def _heads_for(state: State, e: int, j: int, far: float, points: Float[np.ndarray, "k 2"]) -> bool:
    """Whether a vehicle comes to the crossing when it goes straight on."""
    d = points - np.array([state.x[e, j], state.y[e, j]])
    along = np.sign(state.speed[e, j]) * (d @ [state.cos[e, j], state.sin[e, j]])
    across = np.abs(d @ [-state.sin[e, j], state.cos[e, j]])
    near = across <= state.half_width[e, j] + SIDE
    return bool(np.any((along >= 0.0) & (along <= far) & near))
