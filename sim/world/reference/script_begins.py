"""First steps of behaviours: each answers RUNNING or IMPOSSIBLE."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world import script_rules as rules
from drivelab.kernels.world import scripts as kinds
from drivelab.kernels.world.arrays import (
    ABSENT,
    BLIND,
    DONE,
    DRIVE,
    IMPOSSIBLE,
    LIGHTS,
    PARKED,
    PEDESTRIAN,
    REPLAY,
    RUNNING,
    SIGNS,
    VEHICLE,
    WALK,
    YIELDS,
)
from drivelab.kernels.world.script_rules import BASE, BEFORE, MINE, OTHER, UNTIL
from drivelab.sim.world.reference import script_ways as ways
from drivelab.sim.world.reference.act import Act, enter_lane
from drivelab.sim.world.reference.free_way import Way, place_on_way, way_crossing, way_pose
from drivelab.sim.world.reference.lane_way import nearest_lane, neighbour, place_on_lane

BRAKING = (kinds.HARD_BRAKE, kinds.SET_SPEED)
FASTER = (kinds.FOLLOW_PATH, kinds.JAYWALK, kinds.PULL_AWAY)  # they change the acceleration


def _begin_braking(act: Act) -> int:
    if act.get("mode") not in (DRIVE, WALK):
        return IMPOSSIBLE
    act.memory[UNTIL] = -1.0
    if act.kind == kinds.SET_SPEED:
        act.set(wish=act.value[0])
    _take_over(act, BRAKING)
    return RUNNING


def _take_over(act: Act, ended: tuple[int, ...]) -> None:
    """End other running behaviours of these kinds; the driver's own acceleration comes back."""
    act.set(push=np.nan)
    status = act.get("script_state")
    for j in np.flatnonzero(status == RUNNING):
        kind = int(act.get("script")[j])
        if j != act.k and kind in ended:
            status[j] = DONE
            if kind in FASTER:
                act.memory[BEFORE] = act.get("script_memory")[j, BEFORE]
                act.get("driver")[2] = act.memory[BEFORE]


def _begin_door(act: Act) -> int:
    if act.get("mode") != PARKED:
        return IMPOSSIBLE
    x, y, _ = act.pose
    count = int(act.state.count[act.e])
    others = [
        (np.hypot(act.get("x", j) - x, act.get("y", j) - y), j)
        for j in range(count)
        if j != act.n and act.get("kind", j) == VEHICLE and act.get("mode", j) != ABSENT
    ]
    away, nearest = min(others, default=(np.inf, 0))
    side = 1.0
    if away < rules.DOOR_REACH:
        d = np.array([x - act.get("x", nearest), y - act.get("y", nearest)])
        side = 1.0 if d @ [-act.get("sin"), act.get("cos")] >= 0.0 else -1.0
    act.memory[[MINE, OTHER, BASE, UNTIL]] = x, y, side, act.get("half_width")
    return RUNNING


def _begin_path(act: Act) -> int:
    speed, acceleration, meets = act.value[:3]
    wanted = act.speed if np.isnan(speed) else float(speed)
    first, count = act.get("script_way")[act.k]
    path = act.state.way[act.e, first : first + count]
    mode = act.get("mode")
    fits = mode in (PARKED, DRIVE, WALK, REPLAY) and wanted > 0.0 and count > 1
    if not fits or not _can_join(act, path):
        return IMPOSSIBLE
    lands = -1
    if mode == DRIVE:
        end = way_pose(path, path[-1, 3])
        lands = nearest_lane(
            act.roads, int(act.state.map[act.e]), end, kinds.LAND_REACH, kinds.LAND_TURN
        )
    _start_way(act, path, int(first), wanted, lands, float(acceleration))
    if meets > 0.0:
        act.memory[BASE] = wanted
        act.memory[[MINE, OTHER]] = _meeting(act, path, float(act.get("way_at")))
    return RUNNING


def _can_join(act: Act, path: Way) -> bool:
    x, y, yaw = act.pose
    at, off = place_on_way(path, x, y)
    if not -rules.PATH_BEFORE <= at < path[-1, 3] - rules.ARRIVED or abs(off) > rules.PATH_BESIDE:
        return False
    turn = abs(float(wrap_angle(way_pose(path, at)[2] - yaw)))
    return act.get("kind") == PEDESTRIAN or act.speed < 1.0 or turn < rules.PATH_TURN


def _meeting(act: Act, way: Way, begin: float) -> tuple[float, float]:
    if act.state.way_count[act.e, 0] < 2:
        return np.nan, np.nan
    here = float(act.state.way_at[act.e, 0])
    return way_crossing(way, begin, act.ego_way, here, kinds.MEET_NEAR)


def _start_way(
    act: Act, way: Way, first: int, wanted: float, lands: int, acceleration: float = np.nan
) -> None:
    mode = act.get("mode")
    if mode == REPLAY:
        act.state.log[act.e, :, act.n] = np.nan
    at, off = place_on_way(way, *act.pose[:2])
    act.set(
        mode=WALK, way_gap=bool(act.get("way_gap")) and mode == WALK, way_first=first,
        way_count=len(way), way_at=at, way_off=off, way_waits=False,
        backwards=act.kind == kinds.REVERSE_OUT, way_lands=lands, wish=wanted, other_lane=-1,
        shift=0.0, shift_from=0.0, shift_to=0.0, shift_over=0.0, waited=0.0,
    )  # fmt: skip
    _take_over(act, tuple(BEGIN))
    act.set(obeys=int(act.get("obeys")) & ~BLIND)
    if not np.isnan(acceleration):
        act.get("driver")[2] = acceleration


def _start_own_way(
    act: Act, built: tuple[Way, int] | None, wanted: float, acceleration: float = np.nan
) -> int:
    """Keep a way that was built now behind the vertices in use, and start on it."""
    if built is None:
        return IMPOSSIBLE
    way, lands = built
    first = int(act.state.way_used[act.e])
    act.state.way[act.e, first : first + len(way)] = way
    act.state.way_used[act.e] += len(way)
    act.get("script_way")[act.k] = first, len(way)
    _start_way(act, way, first, wanted, lands, acceleration)
    return RUNNING


def _has_room(act: Act) -> bool:
    return bool(act.state.way_used[act.e] + ways.WAY_ROOM <= act.state.way.shape[1])


def _begin_reversing(act: Act) -> int:
    if act.get("mode") != PARKED or not _has_room(act):
        return IMPOSSIBLE
    way = ways.reversing_way(act.pose, float(act.value[0]))
    return _start_own_way(act, (way, -1), float(act.value[1]))


def _begin_pulling_away(act: Act) -> int:
    if act.get("mode") != PARKED or not _has_room(act):
        return IMPOSSIBLE
    built = ways.pull_away_way(act.roads, int(act.state.map[act.e]), act.pose)
    wanted = float(act.value[0])
    if built is not None and np.isnan(wanted):
        s = place_on_lane(act.roads, built[1], *act.pose[:2])[0]
        wanted = ways.lane_speed(act.roads, built[1], s) * float(act.get("pace"))
    return _start_own_way(act, built, wanted, float(act.value[1]))


def _begin_overtaking(act: Act) -> int:
    offset, over, length, speed = act.value[:4]
    wanted = act.speed if np.isnan(speed) else float(speed)
    if not act.on_lane or not _has_room(act) or wanted * over < 1.0:
        return IMPOSSIBLE
    shift = float(act.get("shift"))
    way = ways.overtaking_way(act.ahead, shift, float(offset), wanted * float(over), float(length))
    return _start_own_way(act, way, wanted)


def _begin_u_turn(act: Act) -> int:
    radius, wanted = float(act.value[0]), float(act.value[1])
    if not act.on_lane or not _has_room(act):
        return IMPOSSIBLE
    braking = max(act.speed**2 - wanted**2, 0.0) / (2.0 * act.get("driver")[3]) + 1.0
    number = int(act.state.map[act.e])
    way = ways.u_turn_way(act.ahead, number, float(act.get("shift")), float(braking), radius)
    return _start_own_way(act, way, wanted)


def _begin_cut_in(act: Act) -> int:
    steps, over, speed = int(act.value[0]), float(act.value[1]), act.value[2]
    lane = int(act.get("lane"))
    target = neighbour(act.roads, lane, steps) if act.on_lane else -1
    if target < 0:
        return IMPOSSIBLE
    act.memory[BASE] = act.speed if np.isnan(speed) else speed
    if not np.isnan(speed):
        act.set(wish=speed)
    if act.value[3] > 0.0:
        act.set(obeys=int(act.get("obeys")) | BLIND)
    act.set(other_lane=lane)
    enter_lane(act, target, steps, over)
    return RUNNING


def _begin_red_light(act: Act) -> int:
    speed, meets = act.value[:2]
    if not act.on_lane:
        return IMPOSSIBLE
    act.memory[UNTIL] = act.ahead.light_end(kinds.LIGHT_REACH)
    if np.isnan(act.memory[UNTIL]):
        return IMPOSSIBLE
    act.set(obeys=int(act.get("obeys")) & ~(LIGHTS | SIGNS | YIELDS))
    if not np.isnan(speed):
        act.set(wish=speed)
    if meets > 0.0:
        act.set(obeys=int(act.get("obeys")) | BLIND)
    if meets > 0.0 and _has_room(act):
        act.memory[BASE] = max(act.speed, 1.0) if np.isnan(speed) else speed
        way = ways.lanes_way(act.ahead, kinds.LANES_SPACING)
        act.memory[[MINE, OTHER]] = _meeting(act, way, 0.0) if len(way) > 1 else np.nan
    return RUNNING


BEGIN: dict[int, Callable[[Act], int]] = {
    kinds.CUT_IN: _begin_cut_in,
    kinds.HARD_BRAKE: _begin_braking,
    kinds.SET_SPEED: _begin_braking,
    kinds.FOLLOW_PATH: _begin_path,
    kinds.RUN_RED_LIGHT: _begin_red_light,
    kinds.OVERTAKE_ONCOMING: _begin_overtaking,
    kinds.JAYWALK: _begin_path,
    kinds.U_TURN: _begin_u_turn,
    kinds.REVERSE_OUT: _begin_reversing,
    kinds.OPEN_DOOR: _begin_door,
    kinds.PULL_AWAY: _begin_pulling_away,
}
