"""Roads without junctions: straight, bent, rural, narrow with parking bays."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.errors import ConfigError
from drivelab.geometry.polyline import arc_lengths
from drivelab.sim.generator.map_builder import LANE_WIDTH
from drivelab.sim.generator.shapes import Piece, straight, trace
from drivelab.sim.scenario.templates.parameters import choice, count, degrees, limit, metres
from drivelab.sim.scenario.templates.street import (
    ORIGIN,
    PAVEMENT,
    SHOULDER,
    VERGE,
    Roadside,
    across,
    lay_road,
    new_map,
    numbered,
)
from drivelab.sim.scenario.templates.template import RoadTemplate, TemplateKind
from drivelab.types import AreaKind

EASE = 0.4  # share of a bend's length over which its curvature builds up, at each end
SMALLEST = 5.0  # radius of the innermost edge of a bend [m]
RUN_OUT = 160.0  # straight road behind the last bend [m]


def _straight(*, lanes: int, opposite: int, length: float, limit: float) -> RoadTemplate:
    line = straight(ORIGIN, length)
    return _open_road("straight", line, lanes=(lanes, opposite), limit=limit)


def _curve(
    *,
    lanes: int,
    opposite: int,
    radius: float,
    angle_deg: float,
    bend: str,
    lead: float,
    limit: float,
) -> RoadTemplate:
    side = 1.0 if bend == "left" else -1.0
    pieces = [(lead, 0.0, 0.0), *_bend(side / radius, np.deg2rad(angle_deg))]
    line = trace(ORIGIN, [*pieces, (RUN_OUT, 0.0, 0.0)])
    return _open_road(
        "curve",
        line,
        lanes=(lanes, opposite),
        limit=limit,
    )


def _s_curve(
    *, lanes: int, opposite: int, radius: float, angle_deg: float, lead: float, limit: float
) -> RoadTemplate:
    angle = np.deg2rad(angle_deg)
    bends = [*_bend(1.0 / radius, angle), (12.0, 0.0, 0.0), *_bend(-1.0 / radius, angle)]
    line = trace(ORIGIN, [(lead, 0.0, 0.0), *bends, (RUN_OUT, 0.0, 0.0)])
    return _open_road(
        "s_curve",
        line,
        lanes=(lanes, opposite),
        limit=limit,
    )


def _two_way(*, length: float, limit: float, radius: float) -> RoadTemplate:
    line = trace(
        ORIGIN,
        [
            (0.45 * length, 0.0, 0.0),
            (0.15 * length, 0.0, 1.0 / radius),
            (0.15 * length, 1.0 / radius, 0.0),
            (0.25 * length, 0.0, 0.0),
        ],
    )
    builder = new_map()
    built = lay_road(builder, "road", line, lanes=(1, 1), speed_limit=limit)
    sides = Roadside(builder, line, right=-LANE_WIDTH, left=LANE_WIDTH)
    for side in ("right", "left"):
        sides.strip(side, VERGE, AreaKind.DRIVABLE, "verge")
    return RoadTemplate(
        map=builder.build("two_way"),
        chains=numbered("", built.forward.chains) | numbered("opposite_", built.backward.chains),
        crossings={"middle": across(line, length / 2, right=-5.5, left=5.5)},
    )


def _narrow_street(*, length: float, width: float, limit: float) -> RoadTemplate:
    line = straight(ORIGIN, length)
    builder = new_map()
    built = lay_road(builder, "road", line, lanes=(1, 1), speed_limit=limit, width=width)
    sides = Roadside(builder, line, right=-width, left=width)
    parking = {side: sides.bays(side) for side in ("right", "left")}
    kerb = sides.edge["left"]
    pavements = sides.pavements()
    out = kerb + PAVEMENT / 2
    return RoadTemplate(
        map=builder.build("narrow_street"),
        chains=numbered("", built.forward.chains) | numbered("opposite_", built.backward.chains),
        crossings={"middle": across(line, length / 2, right=-out, left=out)},
        pavements=pavements,
        parking=parking,
    )


def _open_road(
    name: str,
    line: Float[np.ndarray, "n 3"],
    *,
    lanes: tuple[int, int],
    limit: float,
) -> RoadTemplate:
    """A road with a hard shoulder on the ego's side and pavements on both."""
    _check_bends(name, line, lanes)
    builder = new_map()
    built = lay_road(builder, "road", line, lanes=lanes, speed_limit=limit)
    sides = Roadside(builder, line, right=-lanes[0] * LANE_WIDTH, left=lanes[1] * LANE_WIDTH)
    parking = {"shoulder": _along_shoulder(sides)}
    right, left = sides.edge["right"], sides.edge["left"]
    pavements = sides.pavements()
    middle = float(arc_lengths(line)[-1]) / 2
    return RoadTemplate(
        map=builder.build(name),
        chains=numbered("", built.forward.chains) | numbered("opposite_", built.backward.chains),
        crossings={
            "middle": across(line, middle, right=right - PAVEMENT / 2, left=left + PAVEMENT / 2)
        },
        pavements=pavements,
        parking=parking,
    )


def _check_bends(name: str, line: Float[np.ndarray, "n 3"], lanes: tuple[int, int]) -> None:
    """The inner edge of a bend must keep a radius of its own.

    Raises:
        ConfigError: the lanes would turn about a point on the road.
    """
    bend = np.diff(line[:, 2]) / np.hypot(*np.diff(line[:, :2], axis=0).T)
    room = np.where(bend > 0, lanes[1], lanes[0]) * LANE_WIDTH + SHOULDER + PAVEMENT
    tight = np.abs(bend) * (room + SMALLEST) > 1.0
    if tight.any():
        raise ConfigError(
            f"map template {name!r}: a radius of {1.0 / np.abs(bend).max():.0f} m is too small for "
            f"{lanes[0]} + {lanes[1]} lanes; ask for at least {room[tight].max() + SMALLEST:.0f} m"
        )


def _along_shoulder(sides: Roadside) -> Float[np.ndarray, "k 3"]:
    """Places on the hard shoulder where a car may stand, 12 m apart."""
    path = sides.path("right", sides.strip("right", SHOULDER, AreaKind.DRIVABLE, "shoulder"))
    return path[6:-6:6]


def _bend(curvature: float, angle: float) -> list[Piece]:
    """Clothoid, arc, clothoid through an angle [rad]."""
    ease = EASE * angle / abs(curvature)
    arc = angle / abs(curvature) - ease
    return [(ease, 0.0, curvature), (arc, curvature, curvature), (ease, curvature, 0.0)]


_LANES = count(2, 1, 5, "lanes of the ego's direction")
_OPPOSITE = count(1, 0, 5, "lanes of the other direction, 0 = one way")
_ANGLE = degrees(70.0, 10.0, 150.0, "change of heading")

STRAIGHT = TemplateKind(
    "straight",
    "a straight road with a hard shoulder",
    {
        "lanes": count(3, 1, 5, "lanes of the ego's direction"),
        "opposite": _OPPOSITE,
        "length": metres(400.0, 60.0, 2000.0, "length"),
        "limit": limit(50),
    },
    _straight,
)
CURVE = TemplateKind(
    "curve",
    "one bend: clothoid, arc, clothoid",
    {
        "lanes": _LANES,
        "opposite": _OPPOSITE,
        "radius": metres(60.0, 20.0, 500.0, "radius of the dividing line"),
        "angle_deg": _ANGLE,
        "bend": choice("left", ("left", "right"), "where it bends to"),
        "lead": metres(100.0, 20.0, 500.0, "straight road before the bend"),
        "limit": limit(50),
    },
    _curve,
)
S_CURVE = TemplateKind(
    "s_curve",
    "a bend to the left, then one to the right",
    {
        "lanes": _LANES,
        "opposite": _OPPOSITE,
        "radius": metres(50.0, 20.0, 500.0, "radius of the dividing line in both bends"),
        "angle_deg": degrees(50.0, 10.0, 120.0, "change of heading in each bend"),
        "lead": metres(90.0, 20.0, 500.0, "straight road before the first bend"),
        "limit": limit(50),
    },
    _s_curve,
)
TWO_WAY = TemplateKind(
    "two_way",
    "a rural road, one lane each way, with a long bend behind its middle",
    {
        "length": metres(600.0, 200.0, 2000.0, "length"),
        "limit": limit(80),
        "radius": metres(250.0, 120.0, 2000.0, "smallest radius of the bend"),
    },
    _two_way,
)
NARROW_STREET = TemplateKind(
    "narrow_street",
    "one narrow lane each way between parking bays and pavements",
    {
        "length": metres(300.0, 60.0, 1000.0, "length"),
        "width": metres(3.0, 2.7, 3.5, "width of a lane"),
        "limit": limit(30),
    },
    _narrow_street,
)
