"""What happens to the ego, as events: each with its step, its actor and what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from drivelab.geometry.poses import wrap_angle
from drivelab.kernels.world import arrays as a
from drivelab.kernels.world.arrays import State
from drivelab.sim.world.episode import BEHAVIOURS
from drivelab.sim.world.start import DT, Start
from drivelab.types import KINDS, STATIC_KINDS, StateColumn

if TYPE_CHECKING:
    from drivelab.sim.sensors.stage import Stage
    from drivelab.sim.world.recorder import Recorder

STANDING = 0.1  # slower than this counts as standing [m/s]
APART = 0.5  # a collision is over when the boxes have been apart for so long [s]
EMERGENCY_NEAR, EMERGENCY_PATIENCE = 30.0, 15.0  # behind the ego [m], for so long [s]
YIELDED = 2.0  # an ego so far [m] beside its route line has made room
ASTRAY = 15.0  # way made farther than this from the route line is made astray [m]
NO_WAY = "there was no lane or way for it"
CHECKPOINTS = 4  # of the minimum-speed test along a route
_FLAGS = ((a.OFF_ROAD, "off_road"), (a.KERB, "kerb"), (a.WRONG_WAY, "wrong_way"))
_MOMENTS = ((a.RED_LIGHT, "red_light"), (a.STOP_SIGN, "stop_sign"))


class EventWatch:
    """Turns flags into events, one environment at a time, and says when its episode ends."""

    def __init__(self, start: Start, stage: Stage | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.route_done = False
        self.reason = ""  # why the episode ended before its time
        self._start = start
        self._statics = None if stage is None else stage.static_watch(start.episode.vehicle)
        self._rules = start.episode.termination
        self._seen = 0  # flag bits of the moment before
        self._touching: dict[int, int] = {}  # slot -> step of the last contact
        self._scripts = start.state.script_state[0].copy()
        self._standing = 0
        self._behind = 0
        self._deviated = False
        self._at, self._astray = float(start.state.way_at[0, 0]), 0.0  # along the route [m]

    @property
    def ended(self) -> bool:
        """Whether an event has ended the episode."""
        return bool(self.reason)

    def look(self, recorder: Recorder, state: State, e: int) -> None:
        """Look at the moment that was just recorded."""
        step = recorder.frames - 1
        flags = int(state.flags[e, 0])
        self._collisions(state, e, step, flags)
        self._surroundings(recorder, step)
        self._areas(state, e, step, flags)
        self._behaviours(state, e, step)
        self._route(state, e, step, flags)
        self._deviation(recorder, state, e, step)
        self._blocked(state, e, step)
        self._emergency(state, e, step)
        self._seen = flags

    def status(self, recorder: Recorder) -> str:
        """`completed`, or `failed: ` and why."""
        if self.route_done:
            return "completed"
        if self.reason:
            return f"failed: {self.reason}"
        if not recorder.over:
            return "running"
        # Where no route has to be done, whoever drives until the time is over has done it all.
        return "failed: timeout" if self._rules.route_done else "completed"

    def finished(self, recorder: Recorder) -> tuple[dict[str, Any], ...]:
        """All events, with the end of the episode and the speeds of its checkpoints."""
        last = recorder.frames - 1
        events = list(self.events)
        events += _slow_checkpoints(recorder)
        missed = self._rules.route_done and not self.route_done
        if missed and not self.reason and recorder.over:
            events.append(_event("timeout", last))
        events.append(_event("terminated", last, reason=self.status(recorder)))
        return tuple(events)

    def _add(self, kind: str, step: int, actor: str = "", **more: Any) -> None:
        self.events.append(_event(kind, step, actor, **more))

    def _end(self, wanted: bool, reason: str) -> None:
        if wanted and not self.reason:
            self.reason = reason

    def _collisions(self, state: State, e: int, step: int, flags: int) -> None:
        other = int(state.hit[e, 0])
        if not flags & a.COLLISION or other < 0:
            return
        last = self._touching.get(other)
        self._touching[other] = step
        if last is not None and (step - last) * DT <= APART:
            return
        side = _side(state, e, other)
        kind = KINDS[state.kind[e, other]]
        self._add(
            "collision",
            step,
            self._start.ids[other],
            actor_kind="static" if kind in STATIC_KINDS else kind,
            impact_speed=closing_speed(state, e, other),
            ego_speed=float(state.speed[e, 0]),
            side=side,
            at_fault=_at_fault(state, e, other, side),
        )
        self._end(self._rules.collision, "collision")

    def _surroundings(self, recorder: Recorder, step: int) -> None:
        """Collisions with what stands on a stage and is no actor: houses, trees, poles."""
        if self._statics is None:
            return
        row = recorder.ego[step]
        found = self._statics.look(step, row[:3], float(row[StateColumn.VX]))
        if found is not None:
            self.events.append(found)
            self._end(self._rules.collision, "collision")

    def _areas(self, state: State, e: int, step: int, flags: int) -> None:
        for bit, kind in _FLAGS:
            if flags & bit and not self._seen & bit:
                more: dict[str, Any] = {}
                if bit != a.WRONG_WAY:
                    more["margin"] = float(state.border_gap[e, 0])
                self._add(kind, step, **more)
            self._end(bool(flags & bit) and getattr(self._rules, kind), kind)
        for bit, kind in _MOMENTS:
            if flags & bit:
                self._add(kind, step)

    def _behaviours(self, state: State, e: int, step: int) -> None:
        count, width = self._scripts.shape
        now = state.script_state[e, :count, :width]
        for slot, k in np.argwhere(now != self._scripts):
            kind = list(BEHAVIOURS)[state.script[e, slot, k]]
            actor = self._start.ids[slot]
            if now[slot, k] == a.RUNNING or (
                now[slot, k] == a.DONE and self._scripts[slot, k] == a.WAITING
            ):
                name = "door_opened" if kind == "open_door" else "behaviour_started"
                self._add(name, step, actor, behaviour=kind)
            elif now[slot, k] == a.IMPOSSIBLE:
                self._add("behaviour_impossible", step, actor, behaviour=kind, why=NO_WAY)
        self._scripts = now.copy()

    def _route(self, state: State, e: int, step: int, flags: int) -> None:
        if flags & a.ROUTE_DONE and not self.route_done:
            self.route_done = True
            self._add("route_done", step)
            if self._rules.route_done and not self.reason:
                self.reason = "route done"

    def _deviation(self, recorder: Recorder, state: State, e: int, step: int) -> None:
        rules, offset = self._rules, abs(float(state.way_off[e, 0]))
        far = rules.route_deviation is not None and offset > rules.route_deviation
        far = far or self._lost(recorder, float(state.way_at[e, 0]), offset)
        turned = abs(float(state.way_heading[e, 0]))
        aside = rules.heading_deviation is not None and turned > rules.heading_deviation
        if far and not self._deviated:
            self._add("route_deviation", step, distance=offset)
        if aside and not self._deviated:
            self._add("heading_deviation", step, angle=turned)
        self._deviated = self._deviated or far or aside
        self._end(far, "route deviation")
        self._end(aside, "heading deviation")

    def _lost(self, recorder: Recorder, at: float, offset: float) -> bool:
        """Whether too much of the route was made astray."""
        if offset > ASTRAY:
            self._astray += max(at - self._at, 0.0)
        self._at = at
        share = self._rules.route_astray
        return share is not None and self._astray > share * recorder.route_length

    def _blocked(self, state: State, e: int, step: int) -> None:
        limit = self._rules.blocked_for
        slow = abs(float(state.speed[e, 0])) < STANDING
        self._standing = self._standing + 1 if slow else 0
        if limit is not None and self._standing * DT > limit and not self.reason:
            self._add("blocked", step, seconds=self._standing * DT)
            self._end(True, "blocked")

    def _emergency(self, state: State, e: int, step: int) -> None:
        """An ego that keeps an emergency vehicle behind it in its lane for too long."""
        near = False
        for slot, actor in enumerate(self._start.episode.actors, start=1):
            if actor.role != "emergency" or state.mode[e, slot] == a.ABSENT:
                continue
            dx, dy = state.x[e, 0] - state.x[e, slot], state.y[e, 0] - state.y[e, slot]
            ahead = dx * state.cos[e, slot] + dy * state.sin[e, slot]
            aside = abs(dy * state.cos[e, slot] - dx * state.sin[e, slot])
            near = near or (0.0 < ahead < EMERGENCY_NEAR and aside < YIELDED)
        self._behind = self._behind + 1 if near else 0
        if self._behind == round(EMERGENCY_PATIENCE / DT):
            self._add("emergency_yield", step)


def _event(kind: str, step: int, actor: str = "", **more: Any) -> dict[str, Any]:
    return {"kind": kind, "step": step, "time": round(step * DT, 6), "actor": actor, **more}


def closing_speed(state: State, e: int, other: int) -> float:
    """Size of the relative velocity of the two boxes [m/s]."""
    vx = state.speed[e, 0] * state.cos[e, 0] - state.speed[e, other] * state.cos[e, other]
    vy = state.speed[e, 0] * state.sin[e, 0] - state.speed[e, other] * state.sin[e, other]
    return float(np.hypot(vx, vy))


def _side(state: State, e: int, other: int) -> str:
    """The side of the ego's box that faces the other's centre."""
    dx, dy = state.x[e, other] - state.x[e, 0], state.y[e, other] - state.y[e, 0]
    ahead = dx * state.cos[e, 0] + dy * state.sin[e, 0]
    left = dy * state.cos[e, 0] - dx * state.sin[e, 0]
    room = state.half_length[e, 0] - state.half_width[e, 0]
    if abs(ahead) - room >= abs(left):
        return "front" if ahead > 0 else "rear"
    return "left" if left > 0 else "right"


def _at_fault(state: State, e: int, other: int, side: str) -> bool | None:
    """NuPlan's classes: into what stands, with the front, or from the side when not in a lane."""
    if abs(state.speed[e, 0]) < STANDING:
        return False
    if abs(state.speed[e, other]) < STANDING or side == "front":
        return True
    if side == "rear":
        return False
    turned = abs(wrap_angle(float(state.yaw[e, 0] - state.yaw[e, other])))
    between = bool(state.flags[e, 0] & (a.OFF_LANES | a.KERB | a.WRONG_WAY))
    return True if between else (None if turned < 0.5 else False)


def _slow_checkpoints(recorder: Recorder) -> list[dict[str, Any]]:
    """Mean speed of the ego as a share of the traffic's, for each quarter of the route driven.

    CARLA's minimum-speed test; a quarter without moving traffic about says nothing.
    """
    n, ego = recorder.frames, recorder.start.episode
    drivers = np.array([actor.kind == "vehicle" for actor in ego.actors], bool)
    if not drivers.any() or n < 2:
        return []
    speed = np.hypot(*np.moveaxis(recorder.velocities[:n], -1, 0))[:, drivers]
    begin = recorder.facts[0, 0]
    length = max(recorder.route_length - begin, 1e-9)
    share = np.clip((recorder.facts[:n, 0] - begin) / length, 0.0, 1.0)
    if recorder.watch.route_done:
        share[-1] = 1.0  # the goal is reached a little before the line's end
    events = []
    for quarter in range(CHECKPOINTS):
        inside = (share >= quarter / CHECKPOINTS) & (share <= (quarter + 1) / CHECKPOINTS)
        if share.max() < (quarter + 1) / CHECKPOINTS or not inside.any():
            continue
        others = speed[inside]
        moving = others[np.isfinite(others) & (others > STANDING)]
        if len(moving):
            percent = 100.0 * float(recorder.ego[:n, 3][inside].mean() / moving.mean())
            step = int(np.flatnonzero(inside)[-1])
            events.append(_event("min_speed", step, percent=percent))
    return events
