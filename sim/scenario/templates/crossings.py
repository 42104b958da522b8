"""Junctions of three and four arms: lights, stop signs, priority; roundabouts are elsewhere.

The ego comes from arm `own`, heading +x; the map begins at the far end of that arm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain as joined_lists

import numpy as np
from jaxtyping import Float

from drivelab.geometry.poses import compose, wrap_angle
from drivelab.sim.generator.junctions import Arm, Junction, junction, turn_label
from drivelab.sim.generator.map_builder import LANE_WIDTH, MapBuilder
from drivelab.sim.generator.roads import Road, roadside, shift
from drivelab.sim.generator.shapes import straight, turn
from drivelab.sim.scenario.templates.parameters import choice, count, limit, metres
from drivelab.sim.scenario.templates.street import PAVEMENT, across, numbered, zebra
from drivelab.sim.scenario.templates.template import Chain, RoadTemplate, TemplateKind
from drivelab.types import AreaKind

CORNER = 9.0  # from the outermost lane's edge to the arms' ends [m]
MARGIN = 0.8  # asphalt beyond the right-turn lanes [m]
ZEBRA = 3.0  # middle of a pedestrian crossing, inside the junction from an arm's end [m]

# arm -> direction away from the junction [rad]; counter-clockwise, the ego's first
FOUR_ARMS = {"own": np.pi, "right": 1.5 * np.pi, "opposite": 0.0, "left": 0.5 * np.pi}
Ways = Mapping[tuple[int, int], tuple[Chain, ...]]  # (from arm, to arm) -> chains, left to right
STRAIGHT_ON = {"own": "opposite", "opposite": "own", "left": "right", "right": "left"}


def _crossing(
    *, lanes: int, cross_lanes: int, control: str, arm: float, limit: float
) -> RoadTemplate:
    wide = {"own": lanes, "opposite": lanes, "left": cross_lanes, "right": cross_lanes}
    main = {"priority": ("own", "opposite"), "yield": ("left", "right")}
    return _built("crossing", wide, control=control, main=main, arm=arm, limit=limit)


def _t_junction(
    *, lanes: int, side_lanes: int, side: str, control: str, arm: float, limit: float
) -> RoadTemplate:
    missing = {"right": "left", "left": "right", "own": "opposite"}[side]
    through = [name for name in FOUR_ARMS if name not in (side, missing)]
    wide = {name: lanes if name in through else side_lanes for name in FOUR_ARMS if name != missing}
    main = {"priority": tuple(through)}
    return _built("t_junction", wide, control=control, main=main, arm=arm, limit=limit)


def _built(
    name: str,
    wide: Mapping[str, int],
    *,
    control: str,
    main: Mapping[str, tuple[str, ...]],
    arm: float,
    limit: float,
) -> RoadTemplate:
    """A junction whose arms have `wide` lanes per direction; `main` = arms with priority."""
    arms = [key for key in FOUR_ARMS if key in wide]
    half = max(wide.values()) * LANE_WIDTH + CORNER
    place = np.array([half + arm, 0.0, 0.0])
    builder = MapBuilder(place, rounded=False)
    made = junction(
        builder,
        "x",
        [Arm(FOUR_ARMS[key], wide[key], [(arm, 0.0, 0.0)]) for key in arms],
        half=half,
        connect=turn,
        speed_limit=limit,
        margin=MARGIN,
        lights=control == "lights",
    )
    crossings = {key: _walk_over(FOUR_ARMS[key], half, wide[key]) for key in arms}
    for key, path in crossings.items():
        zebra(builder, f"zebra_{key}", path)
    pavements = pave_arms(builder, wide, half=half, length=arm)
    enders = {
        key: tuple(chain[-1] for chain in made.arms[k].backward.chains)
        for k, key in enumerate(arms)
    }
    giving = [key for key in arms if control in main and key not in main[control]]
    return RoadTemplate(
        map=builder.build(name),
        chains=arm_chains(made.arms, ways_of(made), arms),
        routes=turn_routes(ways_of(made), arms),
        groups=_groups(made, arms) if control == "lights" else (),
        stop_signs=tuple(joined_lists(*enders.values())) if control == "stop" else (),
        yield_signs=tuple(joined_lists(*(enders[key] for key in giving))),
        crossings={key: compose(place, path) for key, path in crossings.items()},
        pavements={key: compose(place, path) for key, path in pavements.items()},
    )


def ways_of(made: Junction) -> Ways:
    """The ways through a junction as whole chains."""
    return {
        pair: tuple(made.through(*pair, number) for number in range(len(ways)))
        for pair, ways in made.ways.items()
    }


def arm_chains(roads: Sequence[Road], ways: Ways, arms: Sequence[str]) -> dict[str, Chain]:
    """Names for the lanes of all arms; `arms` are the names in the junction's order."""
    chains: dict[str, Chain] = {}
    for a, key in enumerate(arms):
        prefix = "" if key == "own" else f"{key}_"
        ahead = STRAIGHT_ON[key]
        if ahead in arms:
            chains |= numbered(prefix, ways[(a, arms.index(ahead))])
        elif key == "own":
            chains["0"] = ways[(a, arms.index("right"))][-1]
    for key, arm in zip(arms, roads, strict=True):
        chains |= numbered(f"{key}_in_", arm.backward.chains)
        chains |= numbered(f"{key}_out_", arm.forward.chains)
    return chains


def turn_routes(ways: Ways, arms: Sequence[str]) -> dict[str, tuple[Chain, ...]]:
    """All ways through a junction by where they lead, arm by arm, rightmost lane first."""
    routes: dict[str, list[Chain]] = {"straight": [], "left": [], "right": [], "u_turn": []}
    for (a, b), through in ways.items():
        angle = wrap_angle(FOUR_ARMS[arms[b]] - FOUR_ARMS[arms[a]] - np.pi)
        routes["u_turn" if a == b else turn_label(angle)] += reversed(through)
    return {label: tuple(chains) for label, chains in routes.items() if chains}


def _groups(made: Junction, arms: list[str]) -> tuple[tuple[str, ...], ...]:
    """Arms that face each other are green together; the ego's first."""
    groups: list[tuple[str, ...]] = []
    for pair in (("own", "opposite"), ("right", "left")):
        present = [arms.index(key) for key in pair if key in arms]
        groups.append(tuple(joined_lists(*(made.connectors_from(a) for a in present))))
    return tuple(groups)


def _walk_over(angle: float, half: float, lanes: int) -> Float[np.ndarray, "n 3"]:
    """A path over an arm, a little inside the junction, from the right of who drives in."""
    edge = lanes * LANE_WIDTH + MARGIN + PAVEMENT / 2
    inward = np.array([half * np.cos(angle), half * np.sin(angle), angle + np.pi])
    line = straight(inward, 2 * ZEBRA)
    return across(line, ZEBRA, right=-edge, left=edge)


def pave_arms(
    builder: MapBuilder, wide: Mapping[str, int], *, half: float, length: float
) -> dict[str, Float[np.ndarray, "n 3"]]:
    """Pavements along both sides of straight arms; the paths lead away from the junction.

    `KEY_in` lies beside the lanes that come in on arm KEY, `KEY_out` beside those that go out.
    """
    paths: dict[str, np.ndarray] = {}
    for key, lanes in wide.items():
        angle = FOUR_ARMS[key]
        line = straight(np.array([half * np.cos(angle), half * np.sin(angle), angle]), length)
        edge = lanes * LANE_WIDTH
        for side, edges in (
            ("in", (edge + PAVEMENT, edge)),
            ("out", (-edge, -edge - PAVEMENT)),
        ):
            roadside(builder, f"pavement_{key}_{side}", line, edges=edges, kind=AreaKind.WALKWAY)
            paths[f"{key}_{side}"] = shift(line, sum(edges) / 2)
    return paths


_ARM = metres(120.0, 40.0, 400.0, "length of the arms")

CROSSING = TemplateKind(
    "crossing",
    "four arms; groups: the ego's road, the cross road",
    {
        "lanes": count(2, 1, 3, "lanes per direction of the ego's road"),
        "cross_lanes": count(1, 1, 3, "lanes per direction of the cross road"),
        "control": choice(
            "lights",
            ("lights", "stop", "priority", "yield"),
            "lights, stop signs for all, or the ego's road has priority or has to yield",
        ),
        "arm": _ARM,
        "limit": limit(50),
    },
    _crossing,
)
T_JUNCTION = TemplateKind(
    "t_junction",
    "three arms",
    {
        "lanes": count(1, 1, 3, "lanes per direction of the road that goes on"),
        "side_lanes": count(1, 1, 2, "lanes per direction of the road that ends"),
        "side": choice(
            "right",
            ("right", "left", "own"),
            "where the ending road lies: on the ego's right, left, or the ego comes from it",
        ),
        "control": choice(
            "priority", ("lights", "stop", "priority"), "priority: the road that goes on has it"
        ),
        "arm": _ARM,
        "limit": limit(50),
    },
    _t_junction,
)
