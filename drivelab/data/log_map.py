"""Lane graph of a log -> `LaneMap` with derived blocks and areas (the `reallogs` mapping).

Logs such as Argoverse 2 and nuScenes store lanes and drivable polygons but no roadblocks. Here a
block is a set of lanes of one direction joined by neighbour ids or by running on top of each
other. Every block is an ordinary block, never a connector, so that its polygon counts as drivable
wherever NAVSIM's rules are applied; lanes inside intersections are told apart by
`AreaKind.INTERSECTION` areas instead. Parts of lanes that a block polygon cannot hold (a block
whose lanes do not touch) become areas of kind `AreaKind.DRIVABLE`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely

from drivelab.data.lane_shape import Beside, Side, beside, polygon_parts
from drivelab.geometry.poses import wrap_angle
from drivelab.types import Area, AreaKind, Block, Lane, LaneMap, Window

OVERLAP = 0.5  # lanes that share this part of the smaller one's area lie on top of each other
NEAR = 0.5  # lanes further apart than this are not compared [m]


@dataclass(frozen=True, slots=True, eq=False)
class LaneGraph:
    """What a reader knows: lanes without blocks, and which of them lie inside intersections."""

    name: str
    lanes: Mapping[str, Lane]
    intersection: Collection[str] = frozenset()
    drivable: Sequence[shapely.Polygon] = ()
    spare: Sequence[shapely.Polygon] = ()  # parts cut off self-crossing lanes; drivable as well
    areas: tuple[Area, ...] = ()  # crosswalks and other areas of the source
    find_neighbours: bool = False  # the source has no neighbour ids: derive them from geometry


def build_lane_map(graph: LaneGraph) -> LaneMap:
    """Close the lane graph, join lanes to blocks and collect the drivable areas."""
    lanes = close_graph(graph.lanes)
    pairs = _parallel_pairs(lanes)
    if graph.find_neighbours:
        lanes = _with_neighbours(lanes, pairs)
    lanes, members = _join(lanes, pairs)
    intersections = _intersection_areas(lanes, graph.intersection)
    blocks, cut_off = _blocks(lanes, members, intersections)
    drivable = [
        Area(f"drivable/{i}", AreaKind.DRIVABLE, polygon)
        for i, polygon in enumerate([*graph.drivable, *graph.spare, *cut_off])
    ]
    areas = (*intersections, *drivable, *graph.areas)
    return LaneMap(graph.name, lanes, blocks, areas, Window.CIRCLE)


def close_graph(lanes: Mapping[str, Lane]) -> dict[str, Lane]:
    """Drop ids that leave the map, make successor and predecessor lists answer each other.

    A neighbour is kept only when it runs in the same direction: logs also name the oncoming lane.
    """
    forward = {key: [s for s in lane.successors if s in lanes] for key, lane in lanes.items()}
    backward = {key: [p for p in lane.predecessors if p in lanes] for key, lane in lanes.items()}
    for key in lanes:
        for follower in forward[key]:
            if key not in backward[follower]:
                backward[follower].append(key)
    for key in lanes:
        for before in backward[key]:
            if key not in forward[before]:
                forward[before].append(key)
    return {
        key: replace(
            lane,
            successors=tuple(dict.fromkeys(forward[key])),
            predecessors=tuple(dict.fromkeys(backward[key])),
            left=_same_direction(lane, lanes.get(lane.left or "")),
            right=_same_direction(lane, lanes.get(lane.right or "")),
        )
        for key, lane in lanes.items()
    }


def _same_direction(lane: Lane, other: Lane | None) -> str | None:
    if other is None or abs(wrap_angle(_course(lane) - _course(other))) >= np.pi / 2:
        return None
    return other.id


def _course(lane: Lane) -> float:
    first, last = lane.centreline[0], lane.centreline[-1]
    return float(np.arctan2(last[1] - first[1], last[0] - first[0]))


def _parallel_pairs(lanes: Mapping[str, Lane]) -> dict[tuple[str, str], Beside]:
    """Pairs of lanes (in map order) that run beside or on top of each other."""
    ids = list(lanes)
    polygons = np.array([lanes[key].polygon for key in ids], dtype=object)
    first, second = shapely.STRtree(polygons).query(polygons, "dwithin", distance=NEAR)
    found = {}
    for i, j in sorted(zip(first.tolist(), second.tolist(), strict=True)):
        if i < j:
            relation = beside(lanes[ids[i]], lanes[ids[j]])
            if relation is not None:
                found[ids[i], ids[j]] = relation
    return found


def _with_neighbours(
    lanes: Mapping[str, Lane], pairs: Mapping[tuple[str, str], Beside]
) -> dict[str, Lane]:
    """Left and right neighbour ids from geometry; the one that runs along furthest wins."""
    best: dict[tuple[str, Side], tuple[float, str]] = {}
    opposite = {Side.LEFT: Side.RIGHT, Side.RIGHT: Side.LEFT}
    for (a, b), relation in pairs.items():
        if relation.side is Side.ON_TOP:
            continue
        for key, other, side in ((a, b, relation.side), (b, a, opposite[relation.side])):
            if relation.length > best.get((key, side), (0.0, ""))[0]:
                best[key, side] = (relation.length, other)
    return {
        key: replace(
            lane,
            left=best.get((key, Side.LEFT), (0.0, None))[1],
            right=best.get((key, Side.RIGHT), (0.0, None))[1],
        )
        for key, lane in lanes.items()
    }


def _join(
    lanes: Mapping[str, Lane], pairs: Mapping[tuple[str, str], Beside]
) -> tuple[dict[str, Lane], dict[str, list[str]]]:
    """Blocks = sets connected by "neighbour" and "on top"; a block is named by its first lane."""
    leader = {key: key for key in lanes}

    def find(key: str) -> str:
        while leader[key] != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for key, other in _links(lanes, pairs):
        leader[find(other)] = find(key)
    members: dict[str, list[str]] = {}
    for key in lanes:
        members.setdefault(find(key), []).append(key)
    named = {f"block/{keys[0]}": keys for keys in members.values()}
    block_of = {key: name for name, keys in named.items() for key in keys}
    return {key: replace(lane, block=block_of[key]) for key, lane in lanes.items()}, named


def _links(
    lanes: Mapping[str, Lane], pairs: Mapping[tuple[str, str], Beside]
) -> Iterable[tuple[str, str]]:
    for key, lane in lanes.items():
        yield from ((key, other) for other in (lane.left, lane.right) if other is not None)
    for (a, b), relation in pairs.items():
        if relation.side is Side.ON_TOP and _overlap(lanes[a], lanes[b]) >= OVERLAP:
            yield a, b


def _overlap(a: Lane, b: Lane) -> float:
    shared = float(shapely.intersection(a.polygon, b.polygon).area)
    return shared / min(float(a.polygon.area), float(b.polygon.area))


def _intersection_areas(lanes: Mapping[str, Lane], inside: Collection[str]) -> list[Area]:
    polygons = [lane.polygon for key, lane in lanes.items() if key in inside]
    parts = polygon_parts(shapely.union_all(polygons)) if polygons else []
    return [Area(f"intersection/{i}", AreaKind.INTERSECTION, part) for i, part in enumerate(parts)]


def _blocks(
    lanes: Mapping[str, Lane], members: Mapping[str, list[str]], intersections: Sequence[Area]
) -> tuple[dict[str, Block], list[shapely.Polygon]]:
    """Blocks with one polygon each, and the parts of their lanes that lie apart from it."""
    blocks: dict[str, Block] = {}
    cut_off: list[shapely.Polygon] = []
    for name, keys in members.items():
        parts = polygon_parts(shapely.union_all([lanes[key].polygon for key in keys]))
        cut_off += parts[1:]
        ahead = [lanes[s].block for key in keys for s in lanes[key].successors]
        behind = [lanes[p].block for key in keys for p in lanes[key].predecessors]
        blocks[name] = Block(
            name,
            tuple(keys),
            parts[0],
            successors=tuple(b for b in dict.fromkeys(ahead) if b != name),
            predecessors=tuple(b for b in dict.fromkeys(behind) if b != name),
            intersection=_containing(parts[0], intersections),
        )
    return blocks, cut_off


def _containing(polygon: shapely.Polygon, areas: Sequence[Area]) -> str | None:
    """The intersection area that covers the polygon, when one does."""
    for area in areas:
        if area.polygon.buffer(1e-6).covers(polygon):
            return area.id
    return None
