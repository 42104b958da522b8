"""OpenDRIVE files -> lane maps.

What becomes of lanes: driving, bidirectional, entry, exit, on- and off-ramps are lanes of kind
"vehicle"; biking lanes are of kind "bicycle"; other types become areas or nothing (see `areas`).
Lanes of one direction of a lane section are a block; lanes of roads in a junction are connectors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from drivelab.errors import DataError
from drivelab.geometry.polyline import arc_lengths
from drivelab.geometry.poses import wrap_angle
from drivelab.maps.opendrive.areas import crosswalk_areas, junction_areas, lane_areas, lane_name
from drivelab.maps.opendrive.control import Governed, StopPlaces, governed_lanes, stop_places
from drivelab.maps.opendrive.lane_groups import Beside, LaneGroup, lane_groups, neighbours
from drivelab.maps.opendrive.limits import speed_limits
from drivelab.maps.opendrive.links import CYCLED, lane_successors, reversed_links
from drivelab.maps.opendrive.network_map import OpenDriveMap
from drivelab.maps.opendrive.shapes import LaneShapes, lane_shapes, strip_polygons
from drivelab.maps.opendrive.stations import Stations, place_stations
from drivelab.maps.opendrive.table_build import build_tables
from drivelab.maps.opendrive.tables import Furniture, RoadNetwork
from drivelab.maps.opendrive.xml_rows import read_rows
from drivelab.types.lane_map import Area, Block, Lane, LaneMap, TrafficControl

READER_VERSION = 1  # raise it whenever the same file gives another map: caches depend on it
_STRAIGHT = np.deg2rad(35.0)  # as CARLA's route planner
_U_TURN = np.deg2rad(150.0)


def read_opendrive(file: str | Path, name: str = "") -> OpenDriveMap:
    """Read an .xodr file; the map is called `name` or by the file's stem.

    Raises:
        DataError: the file cannot be read, is not OpenDRIVE, or does not fit together.
    """
    path = Path(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", file=path) from error
    return parse_opendrive(content, name or path.name.split(".")[0], file=str(path))


def parse_opendrive(content: bytes, name: str, *, file: str = "") -> OpenDriveMap:
    """Read OpenDRIVE from bytes; `file` is what messages call it.

    Raises:
        DataError: not OpenDRIVE, or something in it does not fit together.
    """
    network, furniture = build_tables(read_rows(content, file or name))
    successors = lane_successors(network, furniture, file or name)
    stations = place_stations(network, file or name)
    groups = lane_groups(network)
    rows = np.array([row for group in groups for row in group.rows], np.int64)
    if not len(rows):
        raise DataError("has no lane with traffic; expected type 'driving'", file=file or name)
    draft = _Draft(
        network,
        furniture,
        successors,
        groups,
        neighbours(network, furniture, groups),
        lane_shapes(network, stations, rows),
        {row: lane_name(network, row) for row in rows.tolist()},
        {row: place for place, row in enumerate(rows.tolist())},
    )
    rows_of = {draft.names[row]: row for row in rows.tolist()}
    return OpenDriveMap(_lane_map(draft, stations, name), network, rows_of)


@dataclass(frozen=True, slots=True, eq=False)
class _Draft:
    """All that lanes and blocks are put together from; lanes are named by rows of the table."""

    network: RoadNetwork
    furniture: Furniture
    successors: Mapping[int, Sequence[int]]
    groups: Sequence[LaneGroup]
    beside: Mapping[int, Beside]
    shapes: LaneShapes
    names: Mapping[int, str]
    place: Mapping[int, int]  # in `shapes`

    def junction(self, row: int) -> str:
        return self.network.junctions[self.network.lane_road[row]]

    def known(self, rows: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.names[row] for row in rows)


def _lane_map(draft: _Draft, stations: Stations, name: str) -> LaneMap:
    network, furniture = draft.network, draft.furniture
    governed = governed_lanes(network, furniture, draft.successors)
    stops = stop_places(network, furniture, governed, draft.successors)
    lanes = _lanes(draft, governed, stops)
    junctions = junction_areas(network, furniture, stations)
    blocks = _blocks(draft, lanes, junctions)
    areas = (
        *junctions.values(),
        *lane_areas(network, furniture, stations),
        *stops.areas,
        *crosswalk_areas(network, furniture),
    )
    control = TrafficControl(
        {group: draft.known(rows) for group, rows in governed.groups.items()},
        draft.known(governed.stop),
        draft.known(governed.give_way),
    )
    return LaneMap(name, lanes, blocks, areas, control=control)


def _lanes(draft: _Draft, governed: Governed, stops: StopPlaces) -> dict[str, Lane]:
    shapes, network = draft.shapes, draft.network
    rows = shapes.lane.tolist()
    places = np.arange(len(rows))
    polygons = strip_polygons(shapes, places, places)
    lit = {row for members in governed.groups.values() for row in members}
    predecessors = reversed_links(draft.successors)
    limits = speed_limits(network, draft.furniture, draft.successors, _lengths(shapes))
    block_of = {row: (g.id, k) for g in draft.groups for k, row in enumerate(g.rows)}
    lanes = {}
    for place, row in enumerate(rows):
        centre, left, right = _lines(shapes, place)
        beside = draft.beside[row]
        junction = draft.junction(row)
        lanes[draft.names[row]] = Lane(
            id=draft.names[row],
            centreline=centre,
            polygon=polygons[place],
            connector=bool(junction),
            block=block_of[row][0],
            speed_limit=limits[row],
            successors=draft.known(draft.successors[row]),
            predecessors=draft.known(predecessors[row]),
            left=None if beside.left is None else draft.names[beside.left],
            right=None if beside.right is None else draft.names[beside.right],
            left_boundary=left,
            right_boundary=right,
            kind="bicycle" if network.lane_type[row] == CYCLED else "vehicle",
            stop_lines=stops.of_lane.get(row, ()),
            has_traffic_lights=row in lit,
            index=block_of[row][1],
            turn=_turn(centre) if junction else "",
            heights=shapes.height[slice(*shapes.centre_start[place : place + 2])],
            change_left=beside.change_left,
            change_right=beside.change_right,
        )
    return lanes


def _lines(shapes: LaneShapes, place: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    corners = slice(*shapes.edge_start[place : place + 2])
    centre = slice(*shapes.centre_start[place : place + 2])
    return shapes.centre[centre], shapes.left[corners], shapes.right[corners]


def _lengths(shapes: LaneShapes) -> dict[int, float]:
    s = arc_lengths(shapes.centre)
    ends = s[shapes.centre_start[1:] - 1] - s[shapes.centre_start[:-1]]
    return dict(zip(shapes.lane.tolist(), ends.tolist(), strict=True))


def _turn(centre: Float[np.ndarray, "n 3"]) -> str:
    """What a connector does, by how far its heading turns from end to end."""
    turn = float(wrap_angle(np.diff(centre[:, 2])).sum())
    if abs(turn) < _STRAIGHT:
        return "straight"
    if abs(turn) > _U_TURN:
        return "u_turn"
    return "left" if turn > 0.0 else "right"


def _blocks(
    draft: _Draft, lanes: Mapping[str, Lane], junctions: Mapping[str, Area]
) -> dict[str, Block]:
    ends: Int[np.ndarray, "b 2"] = np.array(
        [[draft.place[group.rows[0]], draft.place[group.rows[-1]]] for group in draft.groups]
    )
    polygons = strip_polygons(draft.shapes, ends[:, 0], ends[:, 1])
    blocks = {}
    for group, polygon in zip(draft.groups, polygons.tolist(), strict=True):
        members = [lanes[draft.names[row]] for row in group.rows]
        junction = draft.junction(group.rows[0])
        after = dict.fromkeys(lanes[n].block for lane in members for n in lane.successors)
        before = dict.fromkeys(lanes[n].block for lane in members for n in lane.predecessors)
        blocks[group.id] = Block(
            id=group.id,
            lanes=tuple(lane.id for lane in members),
            polygon=polygon,
            connector=bool(junction),
            successors=tuple(after),
            predecessors=tuple(before),
            intersection=junctions[junction].id if junction in junctions else None,
        )
    return blocks
