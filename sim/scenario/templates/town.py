"""A small town: k x k blocks of two-way streets, closed in itself, so that traffic never leaves.

Streets run along +x in rows and along +y in columns, both numbered from 0. Inner nodes are
crossings, border nodes T-junctions, corners bends.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain as joined_lists

import numpy as np
from jaxtyping import Float

from drivelab.sim.generator.junctions import ArmEnd, Connect, Junction, join_roads
from drivelab.sim.generator.map_builder import LANE_WIDTH
from drivelab.sim.generator.roads import Road, carriageway, reverse
from drivelab.sim.generator.shapes import straight, turn
from drivelab.sim.scenario.templates.crossings import CORNER, MARGIN, ZEBRA
from drivelab.sim.scenario.templates.parameters import choice, count, limit, metres
from drivelab.sim.scenario.templates.street import PAVEMENT, Roadside, across, new_map, zebra
from drivelab.sim.scenario.templates.template import Chain, RoadTemplate, TemplateKind

EAST, NORTH, WEST, SOUTH = range(4)  # arms of a node, counter-clockwise
STEP = {EAST: (1, 0), NORTH: (0, 1), WEST: (-1, 0), SOUTH: (0, -1)}
OPPOSITE = {EAST: WEST, WEST: EAST, NORTH: SOUTH, SOUTH: NORTH}
Node = tuple[int, int]  # column, row


class _Town:
    """Streets and nodes while they are laid."""

    def __init__(self, blocks: int, block: float, lanes: int, limit: float) -> None:
        self.blocks, self.block, self.lanes, self.limit = blocks, block, lanes, limit
        self.half = lanes * LANE_WIDTH + CORNER
        self.builder = new_map()
        self.arms: dict[Node, dict[int, Road]] = {}
        self.pavements: dict[str, np.ndarray] = {}

    @property
    def nodes(self) -> list[Node]:
        """All nodes, row by row."""
        side = range(self.blocks + 1)
        return [(i, j) for j in side for i in side]

    def place(self, node: Node) -> Float[np.ndarray, "2"]:
        """The middle of a node; the ego's street begins at the origin."""
        return self.block * (np.array(node) - np.array([0, self.blocks // 2])) - [self.half, 0.0]

    def lay_streets(self) -> None:
        """Every street between two nodes, with pavements."""
        for node in self.nodes:
            for arm in (EAST, NORTH):
                far = (node[0] + STEP[arm][0], node[1] + STEP[arm][1])
                if max(far) <= self.blocks:
                    self._street(node, far, arm)

    def _street(self, node: Node, far: Node, arm: int) -> None:
        heading = arm * np.pi / 2
        start = self.place(node) + self.half * np.array(STEP[arm])
        line = straight(np.array([*start, heading]), self.block - 2 * self.half)
        name = f"s{node[0]}{node[1]}{'en'[arm]}"
        made = [
            carriageway(self.builder, f"{name}{way}", path, self.lanes, speed_limit=self.limit)
            for way, path in (("f", line), ("b", reverse(line)))
        ]
        self.arms.setdefault(node, {})[arm] = Road(made[0], made[1])
        self.arms.setdefault(far, {})[OPPOSITE[arm]] = Road(made[1], made[0])
        edge = self.lanes * LANE_WIDTH
        sides = Roadside(self.builder, line, right=-edge, left=edge, name=name)
        self.pavements |= {f"{name}_{side}": path for side, path in sides.pavements().items()}

    def join(self, node: Node, *, lights: bool, connect: Connect) -> tuple[Junction, list[int]]:
        """Join the streets that meet at a node; returns its arms in order, too."""
        arms = sorted(self.arms[node])
        middle = self.place(node)
        ends = [ArmEnd.of(arm * np.pi / 2, self.lanes, self.half, middle) for arm in arms]
        made = join_roads(
            self.builder,
            f"x{node[0]}{node[1]}",
            [self.arms[node][arm] for arm in arms],
            ends,
            connect=connect,
            speed_limit=self.limit,
            margin=MARGIN,
            lights=lights,
        )
        return made, arms


def _grid_town(
    *, blocks: int, block: float, lanes: int, control: str, limit: float
) -> RoadTemplate:
    town = _Town(blocks, block, lanes, limit)
    town.lay_streets()
    connect = _remembered(town)
    joined: dict[Node, tuple[Junction, list[int]]] = {}
    for node in town.nodes:
        lit = _control(town, node, control) == "lights"
        joined[node] = town.join(node, lights=lit, connect=connect)
    signs = {node: _control(town, node, control) for node in town.nodes}
    crossings = _crossings(town)
    chains = _through_streets(town, joined)
    middle = blocks // 2
    named = {}
    for number in range(lanes):
        named[f"{number}"] = chains[f"east_{middle}_{number}"]
        named[f"opposite_{number}"] = chains[f"west_{middle}_{number}"]
    order = sorted(town.nodes, key=lambda node: (node != (1, middle), node[1], node[0]))
    groups = _groups([joined[node] for node in order if signs[node] == "lights"])
    return RoadTemplate(
        map=town.builder.build("grid_town"),
        chains=named | chains,
        groups=groups,
        stop_signs=_ends(joined, signs, "stop"),
        yield_signs=_ends(joined, signs, "yield"),
        crossings=crossings,
        pavements=town.pavements,
    )


def _remembered(town: _Town) -> Connect:
    """Turns of all nodes look alike: each is drawn once about a node's middle, then moved."""
    drawn: dict[tuple[float, ...], np.ndarray] = {}
    pitch = town.block
    first = town.place((0, 0))

    def connect(start: np.ndarray, end: np.ndarray) -> np.ndarray:
        node = np.rint((start[:2] - first) / pitch)
        middle = first + pitch * node
        near, far = start.copy(), end.copy()
        near[:2] -= middle
        far[:2] -= middle
        key = tuple(np.round(np.concatenate([near, far]), 6))
        if key not in drawn:
            drawn[key] = turn(near, far)
        path = drawn[key].copy()
        path[:, :2] += middle
        path[0, :2], path[-1, :2] = start[:2], end[:2]
        return path

    return connect


def _control(town: _Town, node: Node, control: str) -> str:
    """What rules at a node: lights, stop or yield signs, or nothing in a bend."""
    arms = len(town.arms[node])
    if arms == 2:
        return "none"
    if control == "mixed":
        return "lights" if arms == 4 else "yield"
    return control


def _ends(
    joined: dict[Node, tuple[Junction, list[int]]], signs: dict[Node, str], sign: str
) -> tuple[str, ...]:
    """Lanes that end at a sign: all of a node, or for yield signs the street that ends there."""
    found: list[str] = []
    for node, (made, arms) in joined.items():
        if signs[node] != sign:
            continue
        for arm, built in zip(arms, made.arms, strict=True):
            if sign == "stop" or OPPOSITE[arm] not in arms:
                found += [chain[-1] for chain in built.backward.chains]
    return tuple(found)


def _groups(lit: Sequence[tuple[Junction, list[int]]]) -> tuple[tuple[str, ...], ...]:
    """Signal groups of the nodes with lights: along x, then along y."""
    groups: list[tuple[str, ...]] = []
    for made, arms in lit:
        for pair in ((EAST, WEST), (NORTH, SOUTH)):
            members = [arms.index(arm) for arm in pair if arm in arms]
            groups.append(tuple(joined_lists(*(made.connectors_from(a) for a in members))))
    return tuple(groups)


def _through_streets(
    town: _Town, joined: dict[Node, tuple[Junction, list[int]]]
) -> dict[str, Chain]:
    """Every street from border to border: `east_ROW_LANE`, `north_COLUMN_LANE` and so on."""
    chains: dict[str, Chain] = {}
    last = town.blocks
    for word, heading in (("east", EAST), ("west", WEST), ("north", NORTH), ("south", SOUTH)):
        along = range(last) if heading in (EAST, NORTH) else range(last, 0, -1)
        for line in range(last + 1):
            for lane in range(town.lanes):
                chain: Chain = ()
                for k in along:
                    node = (k, line) if heading in (EAST, WEST) else (line, k)
                    chain += _onward(joined[node], heading, lane, first=not chain)
                chains[f"{word}_{line}_{town.lanes - 1 - lane}"] = chain
    return chains


def _onward(node: tuple[Junction, list[int]], heading: int, lane: int, *, first: bool) -> Chain:
    """The street that leaves a node, with the connector before it unless it is the first."""
    made, arms = node
    b = arms.index(heading)
    street = made.arms[b].forward.chains[lane]
    if first:
        return street
    return (made.ways[(arms.index(OPPOSITE[heading]), b)][lane].connector, *street)


def _crossings(town: _Town) -> dict[str, Float[np.ndarray, "n 3"]]:
    """A pedestrian crossing over every street, a little before each of its ends."""
    paths = {}
    edge = town.lanes * LANE_WIDTH
    walk = edge + PAVEMENT / 2
    for node in town.nodes:
        for arm in town.arms[node]:
            start = town.place(node) + town.half * np.array(STEP[arm])
            line = straight(np.array([*start, arm * np.pi / 2]), 2 * ZEBRA)
            path = across(line, ZEBRA, right=-walk, left=walk)
            name = f"x{node[0]}{node[1]}{'enws'[arm]}"
            zebra(town.builder, f"zebra_{name}", path)
            paths[name] = path
    return paths


GRID_TOWN = TemplateKind(
    "grid_town",
    "k x k blocks of streets that nobody can leave; lane 0 is the street in the middle row",
    {
        "blocks": count(2, 1, 5, "blocks in a row"),
        "block": metres(100.0, 60.0, 300.0, "from one node to the next"),
        "lanes": count(1, 1, 2, "lanes per direction"),
        "control": choice(
            "mixed",
            ("mixed", "lights", "stop"),
            "at nodes; mixed: crossings have lights, streets that end at another yield",
        ),
        "limit": limit(40),
    },
    _grid_town,
)
