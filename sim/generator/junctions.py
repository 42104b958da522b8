"""Junctions: arms that end at a common area, joined by connectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from drivelab.geometry.poses import wrap_angle
from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder, boundary, strip
from drivelab.sim.generator.roads import Road, road
from drivelab.sim.generator.shapes import Piece, trace
from drivelab.types import AreaKind

STRAIGHT_ON = 0.6  # heading change below which a way through is neither left nor right [rad]

Connect = Callable[[np.ndarray, np.ndarray], np.ndarray]  # poses of two lane ends -> path between


@dataclass(frozen=True, slots=True)
class Arm:
    """A road away from the junction: direction [rad], lanes per direction, course."""

    angle: float
    lanes: int
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True)
class Way:
    """One connector: from incoming lane number to outgoing lane number."""

    from_lane: int
    connector: str
    to_lane: int


@dataclass(frozen=True, slots=True)
class Junction:
    """Arms in counter-clockwise order; `ways[(a, b)]` lead from arm a to arm b, left to right."""

    name: str
    arms: tuple[Road, ...]  # `forward` leads away from the junction
    ways: Mapping[tuple[int, int], tuple[Way, ...]]
    turns: Mapping[tuple[int, int], float]  # heading change, positive left [rad]

    def through(self, a: int, b: int, number: int = 0) -> tuple[str, ...]:
        """All lanes from the far end of arm a to the far end of arm b."""
        way = self.ways[(a, b)][number]
        into = self.arms[a].backward.chains[way.from_lane]
        return (*into, way.connector, *self.arms[b].forward.chains[way.to_lane])

    def connectors_from(self, arm: int) -> tuple[str, ...]:
        """All connectors that leave an arm."""
        return tuple(
            way.connector for (a, _), ways in self.ways.items() if a == arm for way in ways
        )


def junction(
    builder: MapBuilder,
    name: str,
    arms: Sequence[Arm],
    *,
    half: float,
    connect: Connect,
    speed_limit: float,
    margin: float = 0.0,
    island: Float[np.ndarray, "n 2"] | None = None,
    lights: bool = False,
) -> Junction:
    """Build arms that begin `half` [m] from the origin, every way between them, and the area.

    `margin` [m] is asphalt beyond the outermost right-turn lanes; `island` a hole in the area.
    """
    roads = [_arm_road(builder, f"{name}{k}", arm, half, speed_limit) for k, arm in enumerate(arms)]
    return join_roads(
        builder,
        name,
        roads,
        [ArmEnd.of(arm.angle, arm.lanes, half) for arm in arms],
        connect=connect,
        speed_limit=speed_limit,
        margin=margin,
        island=island,
        lights=lights,
    )


def join_roads(
    builder: MapBuilder,
    name: str,
    roads: Sequence[Road],
    ends: Sequence[ArmEnd],
    *,
    connect: Connect,
    speed_limit: float,
    margin: float = 0.0,
    island: Float[np.ndarray, "n 2"] | None = None,
    lights: bool = False,
) -> Junction:
    """Join roads that end at a common area, listed counter-clockwise; `forward` leads away."""
    turns = {
        (a, b): float(wrap_angle(ends[b].angle - ends[a].angle - np.pi))
        for a in range(len(ends))
        for b in range(len(ends))
        if a != b
    }
    ways = {
        pair: _ways(
            builder,
            name,
            pair,
            roads,
            ends=ends,
            turn=turns[pair],
            connect=connect,
            speed_limit=speed_limit,
            lights=lights,
        )
        for pair in turns
    }
    builder.area(name, AreaKind.INTERSECTION, _outline(ends, connect, margin), hole=island)
    return Junction(name, tuple(roads), ways, turns)


def turn_label(angle: float) -> str:
    """What a connector that changes the heading by `angle` [rad] is called."""
    if abs(angle) < STRAIGHT_ON:
        return "straight"
    return "left" if angle > 0 else "right"


def _arm_road(builder: MapBuilder, name: str, arm: Arm, half: float, speed_limit: float) -> Road:
    start = half * np.array([np.cos(arm.angle), np.sin(arm.angle), 0.0]) + [0, 0, arm.angle]
    reference = trace(start, arm.pieces)
    return road(builder, name, reference, lanes=(arm.lanes, arm.lanes), speed_limit=speed_limit)


@dataclass(frozen=True, slots=True, eq=False)
class ArmEnd:
    """Where a road meets a junction: lane end poses, left to right as driven, and the edge."""

    angle: float  # away from the junction [rad]
    into: np.ndarray  # (lanes, 3)
    out: np.ndarray  # (lanes, 3)
    edge: np.ndarray  # (2 lanes + 1, 2), counter-clockwise

    @classmethod
    def of(
        cls, angle: float, lanes: int, half: float, middle: Float[np.ndarray, "2"] | None = None
    ) -> ArmEnd:
        """The end of a road with `lanes` per direction, `half` [m] from the junction's middle."""
        outward = np.array([np.cos(angle), np.sin(angle)])
        left = np.array([-outward[1], outward[0]])
        centre = half * outward if middle is None else middle + half * outward
        beside = LANE_WIDTH * (np.arange(lanes) + 0.5)[:, None]
        into = np.column_stack([centre + beside * left, np.full(lanes, wrap_angle(angle + np.pi))])
        out = np.column_stack([centre - beside * left, np.full(lanes, angle)])
        across = LANE_WIDTH * np.arange(-lanes, lanes + 1)[:, None]
        return cls(angle, into, out, centre + across * left)


def _ways(
    builder: MapBuilder,
    name: str,
    pair: tuple[int, int],
    roads: Sequence[Road],
    *,
    ends: Sequence[ArmEnd],
    turn: float,
    connect: Connect,
    speed_limit: float,
    lights: bool,
) -> tuple[Way, ...]:
    a, b = pair
    bend = len(ends) == 2  # no choice of a way: every lane goes on
    lanes = _lane_pairs(0.0 if bend else turn, len(ends[a].into), len(ends[b].out))
    shapes = [strip(connect(ends[a].into[i], ends[b].out[j])) for i, j in lanes]
    ids = builder.block(
        f"{name}{a}to{b}",
        shapes,
        speed_limit=speed_limit,
        intersection=name,
        lights=lights,
        turn=turn_label(turn),
    )
    for connector, (i, j) in zip(ids, lanes, strict=True):
        builder.link(roads[a].backward.last(i), connector)
        builder.link(connector, roads[b].forward.first(j))
    return tuple(Way(i, connector, j) for connector, (i, j) in zip(ids, lanes, strict=True))


def _lane_pairs(turn: float, into: int, out: int) -> list[tuple[int, int]]:
    if abs(turn) < STRAIGHT_ON:
        return [(i, i) for i in range(min(into, out))]
    return [(0, 0)] if turn > 0 else [(into - 1, out - 1)]


def _outline(ends: Sequence[ArmEnd], connect: Connect, margin: float) -> np.ndarray:
    ring = []
    for end, following in zip(ends, [*ends[1:], ends[0]], strict=True):
        curb = connect(end.into[-1], following.out[-1])
        ring += [end.edge, boundary(curb, -(LANE_WIDTH / 2 + margin))]
    points = np.concatenate(ring)
    apart = np.hypot(*(points - np.roll(points, 1, axis=0)).T) > 1e-6
    return points[apart]
