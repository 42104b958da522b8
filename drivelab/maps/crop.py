"""Cut a window about a line out of a large map."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.types.lane_map import Area, Block, Lane, LaneMap, TrafficControl


def crop_map(lane_map: LaneMap, line: Float[np.ndarray, "n columns"], radius: float) -> LaneMap:
    """The lanes, blocks and areas that come within `radius` [m] of a line, as a map of its own.

    Lanes and blocks that come near stay whole; links to what is left out are dropped, and a block
    keeps those of its lanes that stay. Areas end 2 `radius` from the line: some sources have one
    area for a whole town. The order is the map's.

    Args:
        lane_map: any map; it stays as it is.
        line: vertices, x and y first [m]; one vertex is a place.
        radius: [m]
    """
    xy = np.asarray(line, float)[:, :2]
    about = shapely.LineString(xy) if len(xy) > 1 else shapely.Point(xy[0])
    lanes = _near(lane_map.lanes, about, radius)
    blocks = _near(lane_map.blocks, about, radius)
    blocks |= {lane_map.lanes[name].block for name in lanes if lane_map.lanes[name].block}
    return replace(
        lane_map,
        lanes={
            name: _cut_lane(lane, lanes) for name, lane in lane_map.lanes.items() if name in lanes
        },
        blocks={
            name: _cut_block(block, lanes, blocks)
            for name, block in lane_map.blocks.items()
            if name in blocks
        },
        areas=tuple(_cut_areas(lane_map.areas, about, radius)),
        control=_cut_control(lane_map.control, lanes),
        cache={},
    )


def _near(
    members: Mapping[str, Lane] | Mapping[str, Block], about: shapely.Geometry, radius: float
) -> set[str]:
    polygons = np.array([member.polygon for member in members.values()], object)
    names = np.array(list(members), object)
    return set(names[shapely.dwithin(polygons, about, radius)]) if len(names) else set()


def _cut_areas(areas: tuple[Area, ...], about: shapely.Geometry, radius: float) -> Iterator[Area]:
    window = shapely.buffer(about, 2.0 * radius)
    for area in areas:
        if not shapely.dwithin(area.polygon, about, radius):
            continue
        if shapely.covers(window, area.polygon):
            yield area
            continue
        valid = area.polygon if area.polygon.is_valid else shapely.make_valid(area.polygon)
        parts = shapely.get_parts(shapely.intersection(valid, window))
        flat = [part for part in parts if part.geom_type == "Polygon"]
        if flat:
            yield replace(area, polygon=flat[0] if len(flat) == 1 else shapely.MultiPolygon(flat))


def _kept(names: Iterable[str], known: set[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in known)


def _cut_lane(lane: Lane, lanes: set[str]) -> Lane:
    return replace(
        lane,
        successors=_kept(lane.successors, lanes),
        predecessors=_kept(lane.predecessors, lanes),
        left=lane.left if lane.left in lanes else None,
        right=lane.right if lane.right in lanes else None,
    )


def _cut_block(block: Block, lanes: set[str], blocks: set[str]) -> Block:
    return replace(
        block,
        lanes=_kept(block.lanes, lanes),
        successors=_kept(block.successors, blocks),
        predecessors=_kept(block.predecessors, blocks),
    )


def _cut_control(control: TrafficControl, lanes: set[str]) -> TrafficControl:
    groups = {name: _kept(group, lanes) for name, group in control.signal_groups.items()}
    return TrafficControl(
        {name: group for name, group in groups.items() if group},
        _kept(control.stop_signs, lanes),
        _kept(control.yield_signs, lanes),
    )
