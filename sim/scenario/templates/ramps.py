"""Roads whose number of lanes changes: on-ramp, off-ramp, lane drop, highway.

Where a lane joins or leaves its neighbour over a taper, all lanes of the taper are connectors of
one junction, so that traffic knows who has to wait: the lane that ends has a yield sign.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder, strip
from drivelab.sim.generator.roads import (
    Carriageway,
    carriageway,
    lane_beside,
    reverse,
    roadside,
)
from drivelab.sim.generator.shapes import straight, trace, turn
from drivelab.sim.scenario.templates.parameters import count, limit, metres
from drivelab.sim.scenario.templates.street import SHOULDER, VERGE, new_map, numbered
from drivelab.sim.scenario.templates.template import Chain, RoadTemplate, TemplateKind
from drivelab.types import AreaKind

TAPER = 60.0  # length over which a lane joins or leaves its neighbour [m]
RAMP = ((8.0, 0.0, 0.0), (20.0, 0.0, 1.0), (6.0, 1.0, 1.0), (20.0, 1.0, 0.0))  # share of RAMP_BEND
RAMP_BEND = 0.014  # largest curvature of a ramp [1/m]
RAMP_LIMIT = 16.7  # speed limit of a highway's ramps [m/s]
RUN_OUT = 300.0  # road behind the last change [m]
MEDIAN = 4.0  # between the directions of a highway [m]


class _Line:
    """Draws a straight one-way road along +x, piece by piece; lanes left to right."""

    def __init__(self, builder: MapBuilder, lanes: int, speed_limit: float) -> None:
        self.builder, self.speed_limit = builder, speed_limit
        self.lanes, self.x, self.pieces = lanes, 0.0, 0
        self.chains: list[Chain] = [() for _ in range(lanes)]
        self.yields: list[str] = []

    @property
    def edge(self) -> float:
        """The right edge, to the left of the x axis [m]."""
        return -self.lanes * LANE_WIDTH

    def run(self, length: float) -> None:
        """Go straight on with all lanes."""
        self._pave(length, self.lanes)
        line = straight(np.array([self.x, 0.0, 0.0]), length)
        name = f"main{self.pieces}_"
        built = carriageway(self.builder, name, line, self.lanes, speed_limit=self.speed_limit)
        self._add(list(built.chains))
        self.x += length

    def gain(self) -> None:
        """A lane more: the rightmost one splits over a taper."""
        side = self._taper(-(self.lanes - 0.5) * LANE_WIDTH, -(self.lanes + 0.5) * LANE_WIDTH)
        parent = self.chains[-1]
        self._add([(lane,) for lane in side[:-1]])
        self.builder.link(parent[-1], side[-1])
        self.chains.append((*parent, side[-1]))
        self.lanes += 1
        self.x += TAPER

    def drop(self) -> Callable[[], Chain]:
        """A lane less: the rightmost one joins its neighbour over a taper.

        What comes back is called when the road is finished, and gives the whole chain.
        """
        self.lanes -= 1
        side = self._taper(-(self.lanes + 0.5) * LANE_WIDTH, -(self.lanes - 0.5) * LANE_WIDTH)
        ending = self.chains.pop()
        self._add([(lane,) for lane in side[:-1]])
        self.builder.link(ending[-1], side[-1])
        self.yields.append(ending[-1])
        self.x += TAPER

        def joined() -> Chain:
            road = self.chains[-1]
            rest = road[road.index(side[-2]) + 1 :]
            self.builder.link(side[-1], rest[0])
            return (*ending, side[-1], *rest)

        return joined

    def _pave(self, length: float, lanes: int) -> None:
        """Hard shoulder on the right of so many lanes, a margin on the left, from here on."""
        line = straight(np.array([self.x, 0.0, 0.0]), length)
        edge = -self.lanes * LANE_WIDTH
        outer = -lanes * LANE_WIDTH - SHOULDER
        for name, edges in (("shoulder", (edge, outer)), ("margin", (VERGE, 0.0))):
            roadside(
                self.builder, f"{name}{self.pieces}", line, edges=edges, kind=AreaKind.DRIVABLE
            )

    def _taper(self, from_y: float, to_y: float) -> tuple[str, ...]:
        """The straight lanes of a taper and, last, the one that changes its place."""
        self._pave(TAPER, self.lanes + 1)
        whole = straight(np.array([self.x, 0.0, 0.0]), TAPER)
        edges = (0.0, -(self.lanes + 1) * LANE_WIDTH)
        name = f"taper{self.pieces}"
        roadside(self.builder, name, whole, edges=edges, kind=AreaKind.INTERSECTION)
        count = self.lanes
        shapes = [lane_beside(whole, -i * LANE_WIDTH) for i in range(count)]
        start, end = np.array([self.x, from_y, 0.0]), np.array([self.x + TAPER, to_y, 0.0])
        shapes.append(strip(turn(start, end, spacing=2.0)))
        self.pieces += 1
        return self.builder.block(
            name, shapes, speed_limit=self.speed_limit, intersection=name, turn="straight"
        )

    def _add(self, rows: list[Chain]) -> None:
        for number, lanes in enumerate(rows):
            if self.chains[number]:
                self.builder.link(self.chains[number][-1], lanes[0])
            self.chains[number] = (*self.chains[number], *lanes)
        self.pieces += 1


def _lay_ramp(line: _Line, *, length: float, on: bool, speed_limit: float) -> Carriageway:
    """A ramp that touches the road's right edge here, with verges on both sides."""
    name = "ramp_on" if on else "ramp_off"
    course = _ramp_line(line.x, line.edge, length=length, on=on)
    for side, edges in (("left", (VERGE, 0.0)), ("right", (-LANE_WIDTH, -LANE_WIDTH - VERGE))):
        roadside(line.builder, f"{name}_{side}", course, edges=edges, kind=AreaKind.DRIVABLE)
    return carriageway(line.builder, name, course, 1, speed_limit=speed_limit)


def _ramp_line(x: float, y: float, *, length: float, on: bool) -> Float[np.ndarray, "n 3"]:
    """Left edge of a ramp that touches the road's right edge at (x, y)."""
    course = [(part, a * RAMP_BEND, b * RAMP_BEND) for part, a, b in RAMP]
    run = (length - sum(part for part, _, _ in RAMP), 0.0, 0.0)
    if on:
        return reverse(trace(np.array([x, y, np.pi]), [*course, run]))
    mirrored = [(part, -a, -b) for part, a, b in course]
    return trace(np.array([x, y, 0.0]), [*mirrored, run])


def _add_on_ramp(line: _Line, *, ramp: float, speed_limit: float) -> Chain:
    """A ramp comes in from the right and is the rightmost lane from here on; returns it."""
    built = _lay_ramp(line, length=ramp, on=True, speed_limit=speed_limit)
    line.chains.append(built.chains[0])
    line.lanes += 1
    return built.chains[0]


def _end_off_ramp(line: _Line, *, ramp: float, speed_limit: float) -> Chain:
    """The rightmost lane leaves as a ramp; returns its whole chain."""
    leaving = line.chains.pop()
    line.lanes -= 1
    built = _lay_ramp(line, length=ramp, on=False, speed_limit=speed_limit)
    line.builder.link(leaving[-1], built.first(0))
    return (*leaving, *built.chains[0])


def _merge(
    *, lanes: int, lead: float, accelerating: float, ramp: float, ramp_limit: float, limit: float
) -> RoadTemplate:
    builder = new_map()
    line = _Line(builder, lanes, limit)
    line.run(lead)
    _add_on_ramp(line, ramp=ramp, speed_limit=ramp_limit)
    line.run(accelerating)
    joined = line.drop()
    line.run(RUN_OUT)
    on_ramp = joined()
    return RoadTemplate(
        map=builder.build("merge"),
        chains=numbered("", line.chains) | {"ramp_0": on_ramp},
        yield_signs=tuple(line.yields),
    )


def _exit(
    *, lanes: int, lead: float, slowing: float, ramp: float, ramp_limit: float, limit: float
) -> RoadTemplate:
    builder = new_map()
    line = _Line(builder, lanes, limit)
    line.run(lead)
    line.gain()
    line.run(slowing)
    off_ramp = _end_off_ramp(line, ramp=ramp, speed_limit=ramp_limit)
    line.run(RUN_OUT)
    return RoadTemplate(
        map=builder.build("exit"), chains=numbered("", line.chains) | {"ramp_0": off_ramp}
    )


def _lane_drop(*, lanes: int, lead: float, limit: float) -> RoadTemplate:
    builder = new_map()
    line = _Line(builder, lanes, limit)
    line.run(lead)
    joined = line.drop()
    line.run(RUN_OUT)
    ending = joined()
    return RoadTemplate(
        map=builder.build("lane_drop"),
        chains=numbered("", [*line.chains, ending]),
        yield_signs=tuple(line.yields),
    )


def _highway(
    *, lanes: int, opposite: int, lead: float, between: float, limit: float
) -> RoadTemplate:
    builder = new_map()
    line = _Line(builder, lanes, limit)
    line.run(lead)
    line.gain()
    line.run(120.0)
    off_ramp = _end_off_ramp(line, ramp=180.0, speed_limit=RAMP_LIMIT)
    line.run(between)
    _add_on_ramp(line, ramp=180.0, speed_limit=RAMP_LIMIT)
    line.run(180.0)
    joined = line.drop()
    line.run(RUN_OUT)
    chains = numbered("", line.chains) | {"ramp_0": off_ramp, "ramp_1": joined()}
    if opposite:
        back = reverse(straight(np.array([0.0, MEDIAN, 0.0]), line.x))
        built = carriageway(builder, "back", back, opposite, speed_limit=limit)
        chains |= numbered("opposite_", built.chains)
    return RoadTemplate(map=builder.build("highway"), chains=chains, yield_signs=tuple(line.yields))


_LEAD = metres(200.0, 60.0, 1000.0, "road before the first taper or ramp")
_RAMP = metres(180.0, 80.0, 500.0, "length of the ramp")

MERGE = TemplateKind(
    "merge",
    "an on-ramp with an acceleration lane; ramp_0 is the ramp and the lane it joins",
    {
        "lanes": count(2, 1, 4, "lanes of the road"),
        "lead": _LEAD,
        "accelerating": metres(90.0, 20.0, 400.0, "length of the acceleration lane"),
        "ramp": _RAMP,
        "ramp_limit": limit(50, "speed limit of the ramp"),
        "limit": limit(60),
    },
    _merge,
)
EXIT = TemplateKind(
    "exit",
    "an off-ramp with a deceleration lane; ramp_0 leaves lane 0 and takes it",
    {
        "lanes": count(2, 1, 4, "lanes of the road"),
        "lead": _LEAD,
        "slowing": metres(90.0, 20.0, 400.0, "length of the deceleration lane"),
        "ramp": _RAMP,
        "ramp_limit": limit(50, "speed limit of the ramp"),
        "limit": limit(60),
    },
    _exit,
)
LANE_DROP = TemplateKind(
    "lane_drop",
    "lane 0 ends and joins lane 1, as before a work zone",
    {
        "lanes": count(2, 2, 5, "lanes before the drop"),
        "lead": _LEAD,
        "limit": limit(50),
    },
    _lane_drop,
)
HIGHWAY = TemplateKind(
    "highway",
    "an interchange: ramp_0 leaves, ramp_1 comes in behind it",
    {
        "lanes": count(3, 2, 4, "lanes of the ego's direction"),
        "opposite": count(3, 0, 4, "lanes of the other direction, behind the median"),
        "lead": metres(300.0, 60.0, 2000.0, "road before the exit"),
        "between": metres(360.0, 340.0, 1000.0, "road between exit and entrance"),
        "limit": limit(100),
    },
    _highway,
)
