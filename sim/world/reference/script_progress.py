"""Further steps of running behaviours: each answers RUNNING or DONE."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivelab.kernels.world import script_rules as rules
from drivelab.kernels.world import scripts as kinds
from drivelab.kernels.world.arrays import BLIND, DONE, DRIVE, DT, PARKED, RUNNING, WALK
from drivelab.kernels.world.script_rules import BASE, BEFORE, MINE, OTHER, TRAVELLED, UNTIL
from drivelab.sim.world.reference.act import Act, enter_lane
from drivelab.sim.world.reference.free_way import place_on_way
from drivelab.sim.world.reference.walk import way_of

PATHS = (kinds.FOLLOW_PATH, kinds.JAYWALK)


def _brake_on(act: Act) -> int:
    deceleration, until, hold = act.value[:3]
    if act.memory[UNTIL] < 0.0 and act.speed <= until + 1e-6:
        act.memory[UNTIL] = act.elapsed
    change = (until - act.speed) / DT
    if act.memory[UNTIL] < 0.0:
        act.set(push=max(change, -deceleration))
    elif act.elapsed - act.memory[UNTIL] < hold - 1e-9:
        act.set(push=min(change, 0.0))
    else:
        act.set(push=np.nan)
        return DONE
    return RUNNING


def _approach_speed(act: Act) -> int:
    speed, acceleration = act.value[:2]
    change = speed - act.speed
    if abs(change) < 1e-3:
        act.set(push=0.0 if speed == 0.0 else np.nan)
        return DONE
    act.set(push=np.clip(change / DT, -acceleration, acceleration))
    return RUNNING


def _open_on(act: Act) -> int:
    width, over = act.value[:2]
    x, y, side, begun = act.memory[[MINE, OTHER, BASE, UNTIL]]
    share = min((act.elapsed + DT) / over, 1.0)
    half = begun + share * (width / 2 - begun)
    out = side * (half - begun)
    act.set(half_width=half, x=x - out * act.get("sin"), y=y + out * act.get("cos"))
    return DONE if share >= 1.0 else RUNNING


def _cut_in_on(act: Act) -> int:
    over, speed, meets = act.value[1:4]
    drives = act.get("mode") == DRIVE
    if act.elapsed >= over - 1e-9 or not drives:
        if meets > 0.0:
            _see_again(act, speed)
        return DONE
    left = float(over) - act.elapsed
    if meets > 0.0 and act.state.way_count[act.e, 0] > 1 and left > rules.MEET_UNTIL:
        at, look = float(act.state.way_at[act.e, 0]), kinds.CUT_LOOK
        mine = place_on_way(act.ego_way, *act.pose[:2], at - look, at + look)[0]
        front = at + act.get("half_length", 0) + act.get("speed", 0) * left
        aim = front + kinds.CUT_GAP + act.get("half_length")
        base = max(float(act.memory[BASE]), rules.LEAST_BASE)
        act.set(wish=_share((aim - mine) / left / base) * base)
    if meets > 0.0 and act.state.way_count[act.e, 0] > 1:
        _hurry(act)
    return RUNNING


def _hurry(act: Act) -> None:
    """Speed up or brake hard enough to meet the ego."""
    most = rules.MEET_HARDEST
    act.set(push=np.clip((act.get("wish") - act.speed) / rules.MEET_EASE, -most, most))


def _see_again(act: Act, speed: float) -> None:
    """The ego has been met, or missed."""
    act.set(obeys=int(act.get("obeys")) & ~BLIND, push=np.nan)
    if act.get("mode") == DRIVE:
        act.set(wish=speed)


def _run_light_on(act: Act) -> int:
    speed, meets = act.value[:2]
    if meets > 0.0:
        _adapt(act, float(act.memory[TRAVELLED]))
        _hurry(act)
    act.memory[TRAVELLED] += act.speed * DT
    drives = act.get("mode") == DRIVE
    if drives and act.memory[TRAVELLED] < act.memory[UNTIL]:
        return RUNNING
    if meets > 0.0:
        _see_again(act, speed)
    return DONE


def _adapt(act: Act, here: float) -> None:
    """Wish the speed that brings the actor to the meeting place with the ego's front."""
    mine, other, base = act.memory[[MINE, OTHER, BASE]]
    ego_at, ego_speed = act.state.way_at[act.e, 0], act.state.speed[act.e, 0]
    time = (other - ego_at - act.get("half_length", 0)) / max(ego_speed, rules.SLOWEST_EGO)
    if time > rules.MEET_UNTIL and mine > here:
        act.set(wish=_share((mine - here) / time / base) * base)


def _share(share: float) -> float:
    return float(np.clip(share, rules.MEET_LEAST, rules.MEET_MOST))


def walk_on(act: Act) -> int:
    """Behaviours that follow a way: done at its end, on a lane or standing."""
    if act.get("mode") != WALK:
        return DONE
    if act.kind in PATHS and act.value[2] > 0.0:
        _adapt(act, float(act.get("way_at")))
    left = way_of(act.state, act.e, act.n)[-1, 3] - act.get("way_at")
    lane = int(act.get("way_lands"))
    if left > rules.ARRIVED or (lane < 0 and act.speed > rules.ARRIVED):
        return RUNNING
    act.get("driver")[2] = act.memory[BEFORE]
    if lane >= 0:
        wish = act.value[0] if act.kind == kinds.PULL_AWAY else np.nan
        act.set(mode=DRIVE, way_lands=-1, way_count=0, wish=wish)
        enter_lane(act, lane, 0, kinds.LAND_OVER)
    elif act.kind == kinds.REVERSE_OUT:
        act.set(mode=PARKED, backwards=False, way_count=0)
        act.set(speed=0.0, acceleration=0.0, yaw_rate=0.0)
    return DONE


CARRY_ON: dict[int, Callable[[Act], int]] = {
    kinds.CUT_IN: _cut_in_on,
    kinds.HARD_BRAKE: _brake_on,
    kinds.SET_SPEED: _approach_speed,
    kinds.RUN_RED_LIGHT: _run_light_on,
    kinds.OPEN_DOOR: _open_on,
}
