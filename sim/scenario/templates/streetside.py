"""Places along a street: pedestrian crossing, bus bay, parking rows, turning circle."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.sim.generator.junctions import ArmEnd
from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder, boundary, strip
from drivelab.sim.generator.roads import Road, lane_beside, link_chain, reverse, roadside
from drivelab.sim.generator.shapes import straight
from drivelab.sim.scenario.templates.parameters import choice, count, limit, metres
from drivelab.sim.scenario.templates.ring import Ring
from drivelab.sim.scenario.templates.street import (
    ORIGIN,
    PAVEMENT,
    Roadside,
    across,
    lay_road,
    new_map,
    numbered,
    zebra,
)
from drivelab.sim.scenario.templates.template import Chain, RoadTemplate, TemplateKind
from drivelab.types import AreaKind

ZEBRA_PIECE = 6.0  # length of the connectors under a pedestrian crossing [m]
BUS_LANE = 3.0  # width of a bus bay [m]
BUS_TAPER = 18.0  # over which it widens and narrows [m]
BUS_MARGIN = 5.0  # of road behind it [m]
NOSE_IN = 5.2  # depth of a parking bay across the road [m]
BAY_SPACING = 2.6  # between cars that are parked side by side [m]
CIRCLE_MARGIN = 1.5  # asphalt beyond the outer edge of a turning circle's lane [m]


def _crosswalk(
    *, lanes: int, opposite: int, control: str, lead: float, behind: float, limit: float
) -> RoadTemplate:
    builder = new_map()
    before = _stretch(builder, "a", 0.0, lead, (lanes, opposite), limit)
    after = _stretch(builder, "b", lead + ZEBRA_PIECE, behind, (lanes, opposite), limit)
    lit = control == "lights"
    line = straight(np.array([lead, 0.0, 0.0]), ZEBRA_PIECE)
    edges = (opposite * LANE_WIDTH, -lanes * LANE_WIDTH)
    roadside(builder, "zebra_ground", line, edges=edges, kind=AreaKind.INTERSECTION)
    over = [_over(builder, "zf", line, lanes, limit, lit)]
    ahead = _joined(builder, before.forward.chains, over[0], after.forward.chains)
    back: list[Chain] = []
    if opposite:
        over.append(_over(builder, "zb", reverse(line), opposite, limit, lit))
        back = _joined(builder, after.backward.chains, over[1], before.backward.chains)
    whole = straight(ORIGIN, lead + ZEBRA_PIECE + behind)
    sides = Roadside(builder, whole, right=-lanes * LANE_WIDTH, left=opposite * LANE_WIDTH)
    right, left = (sides.edge[side] for side in ("right", "left"))
    pavements = sides.pavements()
    path = across(
        whole, lead + ZEBRA_PIECE / 2, right=right - PAVEMENT / 2, left=left + PAVEMENT / 2
    )
    zebra(builder, "zebra", path)
    return RoadTemplate(
        map=builder.build("crosswalk"),
        chains=numbered("", ahead) | numbered("opposite_", back),
        groups=(tuple(lane for lanes in over for lane in lanes),) if lit else (),
        crossings={"zebra": path},
        pavements=pavements,
    )


def _bus_stop(*, lanes: int, opposite: int, at: float, length: float, limit: float) -> RoadTemplate:
    needed = at + 10.0 + BUS_TAPER + BUS_MARGIN
    if length < needed:
        raise ConfigError(
            f"map template 'bus_stop': a length of {length:g} m is too small for a bay at {at:g} "
            f"m; ask for at least {needed:g} m, or move the bay (at)"
        )
    builder = new_map()
    line = straight(ORIGIN, length)
    built = lay_road(builder, "road", line, lanes=(lanes, opposite), speed_limit=limit)
    edge = -lanes * LANE_WIDTH
    outer = edge - BUS_LANE
    stand = np.array([at, (edge + outer) / 2, 0.0])
    ends = (at - 10.0 - BUS_TAPER, at - 10.0, at + 10.0, at + 10.0 + BUS_TAPER)
    ring = [(ends[0], edge), (ends[1], outer), (ends[2], outer), (ends[3], edge)]
    builder.area("bay", AreaKind.CARPARK, np.array(ring))
    for name, corner in (("before", 0.0), ("behind", length)):
        near, far = (ends[:2]) if name == "before" else (ends[3], ends[2])
        kerb = [(corner, edge), (near, edge), (far, outer), (corner, outer)]
        builder.area(f"kerb_{name}", AreaKind.WALKWAY, np.array(kerb))
    sides = Roadside(builder, line, right=outer, left=opposite * LANE_WIDTH)
    left = sides.edge["left"]
    pavements = sides.pavements()
    return RoadTemplate(
        map=builder.build("bus_stop"),
        chains=numbered("", built.forward.chains) | numbered("opposite_", built.backward.chains),
        crossings={
            "before_bus": across(
                line, at + 9.5, right=outer - PAVEMENT / 2, left=left + PAVEMENT / 2
            )
        },
        pavements=pavements,
        parking={"bay": stand[None]},
    )


def _parking_row(*, lanes: int, opposite: int, length: float, limit: float) -> RoadTemplate:
    builder = new_map()
    line = straight(ORIGIN, length)
    built = lay_road(builder, "road", line, lanes=(lanes, opposite), speed_limit=limit)
    edge = -lanes * LANE_WIDTH
    sides = Roadside(builder, line, right=edge, left=opposite * LANE_WIDTH)
    middle = sides.strip("right", NOSE_IN, AreaKind.CARPARK, "row")
    right, left = (sides.edge[side] for side in ("right", "left"))
    pavements = sides.pavements()
    places = np.arange(BAY_SPACING, length - BAY_SPACING, BAY_SPACING)
    row = np.column_stack([places, np.full(len(places), middle), np.full(len(places), -np.pi / 2)])
    return RoadTemplate(
        map=builder.build("parking_row"),
        chains=numbered("", built.forward.chains) | numbered("opposite_", built.backward.chains),
        crossings={
            "middle": across(line, length / 2, right=right - PAVEMENT / 2, left=left + PAVEMENT / 2)
        },
        pavements=pavements,
        parking={"right": row},
    )


def _turning_circle(*, length: float, radius: float, limit: float) -> RoadTemplate:
    builder = new_map()
    line = straight(ORIGIN, length)
    built = lay_road(builder, "road", line, lanes=(1, 1), speed_limit=limit)
    around = _lay_circle(builder, radius, x=length, speed_limit=limit)
    link_chain(builder, (built.forward.last(0), *around, built.backward.first(0)))
    pavements = Roadside(builder, line, right=-LANE_WIDTH, left=LANE_WIDTH).pavements()
    way = (*built.forward.chains[0], *around, *built.backward.chains[0])
    return RoadTemplate(
        map=builder.build("turning_circle"),
        chains={
            "0": way,
            "own_in_0": built.forward.chains[0],
            "own_out_0": built.backward.chains[0],
            "opposite_0": built.backward.chains[0],
        },
        routes={"u_turn": (way,)},
        pavements=pavements,
    )


def _lay_circle(builder: MapBuilder, radius: float, *, x: float, speed_limit: float) -> Chain:
    """A circle at the end of a street at x [m]: onto the ring, round it, off it."""
    ring = Ring.of(radius, radius)
    centre = np.array([x + ring.half, 0.0, 0.0])
    paths = (
        ring.entry(np.pi),
        ring.arc(np.pi + ring.apart, np.pi - ring.apart),
        ring.exit(np.pi),
    )
    around = tuple(
        builder.block(
            name,
            [strip(path + centre)],
            speed_limit=speed_limit,
            intersection="circle",
            turn="u_turn",
        )[0]
        for name, path in zip(("circle_on", "circle_round", "circle_off"), paths, strict=True)
    )
    whole = np.concatenate([paths[0][:-1], paths[1], paths[2][1:]]) + centre
    rim = boundary(whole, -(LANE_WIDTH / 2 + CIRCLE_MARGIN))
    edge = ArmEnd.of(np.pi, 1, ring.half, centre[:2]).edge
    builder.area("circle", AreaKind.INTERSECTION, np.concatenate([edge, rim]))
    return around


def _stretch(
    builder: MapBuilder, name: str, x: float, length: float, lanes: tuple[int, int], limit: float
) -> Road:
    line = straight(np.array([x, 0.0, 0.0]), length)
    return lay_road(builder, name, line, lanes=lanes, speed_limit=limit)


def _over(
    builder: MapBuilder,
    name: str,
    line: Float[np.ndarray, "n 3"],
    lanes: int,
    limit: float,
    lights: bool,
) -> tuple[str, ...]:
    """Connectors under a pedestrian crossing, left to right, so that lights can hang on them."""
    shapes = [lane_beside(line, -i * LANE_WIDTH) for i in range(lanes)]
    return builder.block(
        name, shapes, speed_limit=limit, intersection="zebra", lights=lights, turn="straight"
    )


def _joined(
    builder: MapBuilder,
    before: tuple[Chain, ...],
    over: tuple[str, ...],
    after: tuple[Chain, ...],
) -> list[Chain]:
    chains = []
    for first, middle, last in zip(before, over, after, strict=True):
        link_chain(builder, (first[-1], middle, last[0]))
        chains.append((*first, middle, *last))
    return chains


_LANES = count(1, 1, 3, "lanes of the ego's direction")
_OPPOSITE = count(1, 0, 3, "lanes of the other direction")

CROSSWALK = TemplateKind(
    "crosswalk",
    "a pedestrian crossing away from junctions, with lights or without",
    {
        "lanes": _LANES,
        "opposite": _OPPOSITE,
        "control": choice("zebra", ("zebra", "lights"), "lights for the cars, or none"),
        "lead": metres(150.0, 40.0, 500.0, "road before the crossing"),
        "behind": metres(150.0, 40.0, 500.0, "road behind it"),
        "limit": limit(50),
    },
    _crosswalk,
)
BUS_STOP = TemplateKind(
    "bus_stop",
    "a street with a bus bay on the right",
    {
        "lanes": _LANES,
        "opposite": _OPPOSITE,
        "at": metres(150.0, 60.0, 500.0, "middle of the bay along the road"),
        "length": metres(350.0, 120.0, 1000.0, "length"),
        "limit": limit(50),
    },
    _bus_stop,
)
PARKING_ROW = TemplateKind(
    "parking_row",
    "a street with cars parked side by side on the right, noses to the kerb",
    {
        "lanes": _LANES,
        "opposite": _OPPOSITE,
        "length": metres(250.0, 60.0, 600.0, "length"),
        "limit": limit(30),
    },
    _parking_row,
)
TURNING_CIRCLE = TemplateKind(
    "turning_circle",
    "a street that ends in a circle; lane 0 goes round it and comes back",
    {
        "length": metres(150.0, 40.0, 500.0, "length of the street"),
        "radius": metres(10.0, 7.0, 20.0, "radius of the lane round the circle"),
        "limit": limit(30),
    },
    _turning_circle,
)
