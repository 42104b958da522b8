"""Roundabouts: one ring lane of its own pieces, so that who is inside has priority.

Every arm has an entry onto the ring and an exit from it. All are connectors of one junction; the
approaching lanes have yield signs.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drivelab.errors import ConfigError
from drivelab.geometry.poses import compose
from drivelab.sim.generator.junctions import ArmEnd
from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder, boundary, strip
from drivelab.sim.generator.roads import Road, road
from drivelab.sim.generator.shapes import straight
from drivelab.sim.scenario.templates.crossings import (
    FOUR_ARMS,
    arm_chains,
    pave_arms,
    turn_routes,
)
from drivelab.sim.scenario.templates.parameters import limit, metres
from drivelab.sim.scenario.templates.ring import Ring
from drivelab.sim.scenario.templates.template import Chain, RoadTemplate, TemplateKind
from drivelab.types import AreaKind

MARGIN = 1.6  # asphalt beyond the ring lane, inside and outside [m]
BETWEEN = 0.04  # of the ring between an entry and the next exit, at least [rad]
JUNCTION = "o"


def _roundabout(
    *, radius: float, flare: float, arm: float, limit: float, ring_limit: float
) -> RoadTemplate:
    ring = Ring.of(radius, flare)
    _check_room(ring)
    place = np.array([ring.half + arm, 0.0, 0.0])
    builder = MapBuilder(place, rounded=False)
    angles = list(FOUR_ARMS.values())
    roads = [_arm(builder, k, angle, ring.half, arm, limit) for k, angle in enumerate(angles)]
    pieces = _lay_ring(builder, ring, angles, speed_limit=ring_limit)
    _link_ring(builder, roads, pieces)
    _pave(builder, ring, angles)
    arms = list(FOUR_ARMS)
    pavements = pave_arms(builder, dict.fromkeys(arms, 1), half=ring.half, length=arm)
    ways = _ways(roads, pieces)
    return RoadTemplate(
        map=builder.build("roundabout"),
        chains=arm_chains(roads, ways, arms) | {"ring": pieces.around(0)},
        routes=turn_routes(ways, arms),
        yield_signs=tuple(built.backward.last(0) for built in roads),
        pavements={key: compose(place, path) for key, path in pavements.items()},
    )


def _check_room(ring: Ring) -> None:
    """Between the end of an entry and the next exit there must be some ring left.

    Raises:
        ConfigError: entry and exit would cross on their way.
    """
    widest = np.pi / len(FOUR_ARMS) - BETWEEN / 2.0
    if ring.apart > widest:
        least = (LANE_WIDTH / 2.0 + ring.flare) / np.sin(widest) - ring.flare
        raise ConfigError(
            f"map template 'roundabout': a radius of {ring.radius:g} m is too small for entries "
            f"that bend with {ring.flare:g} m; ask for at least {least:.1f} m, or a smaller flare"
        )


@dataclass(frozen=True, slots=True)
class _Pieces:
    """Lane ids by arm: onto the ring, off it, past the arm, and on to the next arm's exit."""

    entry: tuple[str, ...]
    exit: tuple[str, ...]
    past: tuple[str, ...]
    on: tuple[str, ...]

    def around(self, arm: int) -> Chain:
        """Once round the ring from where arm's entry has reached it."""
        order = [(arm + k) % len(self.on) for k in range(len(self.on))]
        return tuple(
            lane for k in order for lane in (self.on[k], self.past[(k + 1) % len(self.on)])
        )


def _arm(
    builder: MapBuilder, number: int, angle: float, half: float, length: float, limit: float
) -> Road:
    line = straight(np.array([half * np.cos(angle), half * np.sin(angle), angle]), length)
    return road(builder, f"{JUNCTION}{number}", line, lanes=(1, 1), speed_limit=limit)


def _lay_ring(
    builder: MapBuilder, ring: Ring, angles: list[float], *, speed_limit: float
) -> _Pieces:
    def lay(name: str, path: np.ndarray, turn: str) -> str:
        return builder.block(
            f"{JUNCTION}_{name}",
            [strip(path)],
            speed_limit=speed_limit,
            intersection=JUNCTION,
            turn=turn,
        )[0]

    count, apart = len(angles), ring.apart
    onward = [(angle + apart, angles[(k + 1) % count] - apart) for k, angle in enumerate(angles)]
    return _Pieces(
        entry=tuple(lay(f"entry{k}", ring.entry(a), "right") for k, a in enumerate(angles)),
        exit=tuple(lay(f"exit{k}", ring.exit(a), "right") for k, a in enumerate(angles)),
        past=tuple(
            lay(f"past{k}", ring.arc(a - apart, a + apart), "left") for k, a in enumerate(angles)
        ),
        on=tuple(lay(f"on{k}", ring.arc(*span), "left") for k, span in enumerate(onward)),
    )


def _link_ring(builder: MapBuilder, roads: list[Road], pieces: _Pieces) -> None:
    for k, arm in enumerate(roads):
        before = pieces.on[k - 1]
        for lane, follower in (
            (arm.backward.last(0), pieces.entry[k]),
            (pieces.entry[k], pieces.on[k]),
            (before, pieces.past[k]),
            (before, pieces.exit[k]),
            (pieces.past[k], pieces.on[k]),
            (pieces.exit[k], arm.forward.first(0)),
        ):
            builder.link(lane, follower)


def _ways(roads: list[Road], pieces: _Pieces) -> dict[tuple[int, int], tuple[Chain, ...]]:
    """From every arm to every arm, its own included."""
    count = len(roads)
    ways: dict[tuple[int, int], tuple[Chain, ...]] = {}
    for a in range(count):
        for steps in range(1, count + 1):
            b = (a + steps) % count
            inside = pieces.around(a)[: 2 * steps - 1]
            into, out = roads[a].backward.chains[0], roads[b].forward.chains[0]
            ways[(a, b)] = ((*into, pieces.entry[a], *inside, pieces.exit[b], *out),)
    return ways


def _pave(builder: MapBuilder, ring: Ring, angles: list[float]) -> None:
    """The asphalt about the ring, with the island as its hole."""
    outline = []
    for k, angle in enumerate(angles):
        following = angles[(k + 1) % len(angles)]
        curb = np.concatenate(
            [
                ring.entry(angle)[:-1],
                ring.arc(angle + ring.apart, following - ring.apart),
                ring.exit(following)[1:],
            ]
        )
        end = ArmEnd.of(angle, 1, ring.half)
        outline += [end.edge, boundary(curb, -(LANE_WIDTH / 2 + MARGIN))]
    circle = np.linspace(0.0, 2.0 * np.pi, 73)[:-1]
    island = (ring.radius - LANE_WIDTH / 2 - MARGIN) * np.column_stack(
        [np.cos(circle), np.sin(circle)]
    )
    builder.area(JUNCTION, AreaKind.INTERSECTION, np.concatenate(outline), hole=island)


ROUNDABOUT = TemplateKind(
    "roundabout",
    "four arms, one ring lane; who comes in gives way",
    {
        "radius": metres(17.0, 13.0, 40.0, "radius of the ring lane"),
        "flare": metres(15.0, 8.0, 30.0, "radius of the bends at entries and exits"),
        "arm": metres(120.0, 40.0, 400.0, "length of the arms"),
        "limit": limit(50, "speed limit of the arms"),
        "ring_limit": limit(28, "speed limit on the ring"),
    },
    _roundabout,
)
