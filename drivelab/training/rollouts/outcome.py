"""What ended a clip, in RAD's terms: one of four events, and on which side of the ego it came."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float, Int

from drivelab.errors import DataError
from drivelab.geometry.boxes import box_polygon
from drivelab.kernels.world.arrays import ABSENT, COLLISION, KERB
from drivelab.kernels.world.judge import HEADING_DEVIATION, ROUTE_DEVIATION
from drivelab.sim.envs.core import EnvCore
from drivelab.sim.envs.event_names import event_names
from drivelab.sim.world.native import NativeWorld
from drivelab.training.reinforcement.events import EventKind
from drivelab.types import AGENT_KINDS

_EGO = 0  # actor slot
_BY_EVENT, _BY_TIME = 1, 2  # values of `Verdict.ended`


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a clip ended.

    Attributes:
        event: None where time was up.
        dynamic_side: +1 where the road user hit was ahead of the rear axle or beside it, -1 behind.
        static_side: +1 where what was hit stood on the left, -1 on the right. Both 0 for nothing.
    """

    event: EventKind | None
    dynamic_side: float = 0.0
    static_side: float = 0.0


def outcome_of(core: EnvCore, e: int) -> Outcome | None:
    """How environment e ended in the last step; None while it goes on.

    Of events in one step the first of `EventKind` counts, so that of several bodies hit at once a
    road user does. A collision with the stage of a splat world is static and has no side.

    Raises:
        DataError: another event ended it, which RAD does not know.
    """
    ended, events = int(core.verdict.ended[e, 0]), int(core.verdict.events[e, 0])
    if ended not in (_BY_EVENT, _BY_TIME):
        return None
    if ended == _BY_TIME:
        return Outcome(None)
    if events & COLLISION:
        return _collision(core.world, e)
    if events & KERB:
        return Outcome(EventKind.STATIC, static_side=_side(_kerb_contact(core.world, e)))
    if events & ROUTE_DEVIATION:
        return Outcome(EventKind.POSITION)
    if events & HEADING_DEVIATION:
        return Outcome(EventKind.HEADING)
    raise DataError(
        f"ended by {', '.join(event_names(events)) or 'nothing'}; expected one of RAD's events: "
        "collision, kerb, route_deviation, heading_deviation (see drivelab.sim.radlab.RULES)",
        where="episode",
    )


def _collision(world: NativeWorld, e: int) -> Outcome:
    slots = _touched(world, e)
    if not len(slots):
        return Outcome(EventKind.STATIC)
    kinds = world.state.kind[e, slots]
    users = slots[kinds < len(AGENT_KINDS)]
    slot = int(users[0] if len(users) else slots[0])
    place = _in_ego_frame(world, e, _contact(world, e, slot))
    if len(users):
        return Outcome(EventKind.DYNAMIC, dynamic_side=1.0 if place[0] >= 0.0 else -1.0)
    return Outcome(EventKind.STATIC, static_side=_side(place))


def _touched(world: NativeWorld, e: int) -> Int[np.ndarray, " k"]:
    """Slots of the actors whose boxes the ego meets; the nearest, which the world noted, first."""
    state = world.state
    nearest = int(state.hit[e, _EGO])
    if nearest < 0:
        return np.zeros(0, np.int64)
    others = [
        slot
        for slot in range(1, int(state.count[e]))
        if slot != nearest and state.mode[e, slot] != ABSENT
    ]
    ego = box_polygon(_box(world, e, _EGO))
    met = [slot for slot in others if ego.intersects(box_polygon(_box(world, e, slot)))]
    return np.array([nearest, *met], np.int64)


def _contact(world: NativeWorld, e: int, slot: int) -> Float[np.ndarray, "2"]:
    """Middle of what two boxes share; of the other box where they share nothing."""
    shared = box_polygon(_box(world, e, _EGO)).intersection(box_polygon(_box(world, e, slot)))
    if shared.is_empty:
        return _box(world, e, slot)[:2]
    return np.array([shared.centroid.x, shared.centroid.y])


def _kerb_contact(world: NativeWorld, e: int) -> Float[np.ndarray, "2"]:
    """Middle of the pieces of the border under the ego, or the ego's own where there is none."""
    state, roads = world.state, world.roads
    here = int(state.map[e])
    ends = roads.border[roads.map_border[here] : roads.map_border[here + 1]].reshape(-1, 2, 2)
    box = box_polygon(_box(world, e, _EGO))
    middle = shapely.intersection(shapely.multilinestrings(ends), box).centroid
    if middle.is_empty:
        return np.zeros(2)
    return _in_ego_frame(world, e, np.array([middle.x, middle.y]))


def _side(place: Float[np.ndarray, "2"]) -> float:
    return float(np.sign(place[1]))


def _box(world: NativeWorld, e: int, slot: int) -> Float[np.ndarray, "5"]:
    state, at = world.state, (e, slot)
    length, width = 2.0 * state.half_length[at], 2.0 * state.half_width[at]
    return np.array([state.x[at], state.y[at], state.yaw[at], length, width])


def _in_ego_frame(
    world: NativeWorld, e: int, point: Float[np.ndarray, "2"]
) -> Float[np.ndarray, "2"]:
    """Forward of the rear axle and to its left."""
    state, at = world.state, (e, _EGO)
    dx, dy = point[0] - state.x[at], point[1] - state.y[at]
    cos, sin = state.cos[at], state.sin[at]
    return np.array([dx * cos + dy * sin + state.rear[at], dy * cos - dx * sin])
