"""Flat rows -> checked tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.errors import DataError
from drivelab.maps.opendrive.geometry import MAX_TURN, PARAMETERS
from drivelab.maps.opendrive.tables import (
    Connection,
    Furniture,
    Link,
    Records,
    RoadNetwork,
    RoadObject,
    Shape,
    Signal,
)
from drivelab.maps.opendrive.xml_rows import UNITS, XmlRows, limit

SPEED_SIGN = "274"

_LARGEST = 1e30  # steep cubics of short pieces occur; beyond this, powers overflow
_ABSURD = f"holds a number that is not finite or beyond {_LARGEST:g}"
_LENGTH_SLACK = 0.1  # how far the pieces of a plan view may miss the road's length [m]
_SHAPES = {
    "line": Shape.LINE,
    "arc": Shape.ARC,
    "spiral": Shape.SPIRAL,
    "poly3": Shape.POLY,
    "paramPoly3": Shape.POLY,
}


def build_tables(rows: XmlRows) -> tuple[RoadNetwork, Furniture]:
    """Sort, number and check the rows of a file.

    Raises:
        DataError: no roads, a road without geometry or sections, numbers that are not finite,
            lanes named twice; names the file, the road and the element.
    """
    if not rows.roads:
        raise DataError("found no <road>; expected <OpenDRIVE> with at least one", file=rows.file)
    _check(rows)
    section_order, sections = _section_table(rows)
    lane_rows, lane_of_row = _lane_order(rows, section_order)
    network = _network(rows, sections, lane_rows, lane_of_row, section_order)
    return network, _furniture(rows, lane_rows, lane_of_row)


def _check(rows: XmlRows) -> None:
    pieces = [(g[0], *(v for v in g[1:] if not isinstance(v, str))) for g in rows.geometry]
    tables: tuple[tuple[str, Sequence[tuple[int | float, ...]]], ...] = (
        ("geometry", pieces),
        ("laneOffset", rows.offsets),
        ("elevation", rows.elevations),
        ("laneSection", rows.sections),
    )
    for element, table in tables:
        flat = np.array([number for row in table for number in row[1:]], float)
        if not _sane(flat).all():
            bad = next(row for row in table if not _sane(np.array(row[1:])).all())
            _fail(rows, int(bad[0]), element, _ABSURD)
    for element, table in (("width", rows.widths), ("border", rows.borders)):
        flat = np.array(table, float)
        if not _sane(flat).all():
            bad = table[int(np.argmin(_sane(flat).all(1)))]
            road = rows.sections[rows.lanes[int(bad[0])][0]][0]
            _fail(rows, road, element, _ABSURD)
    seen: set[str] = set()
    for number, (name, _, length, _) in enumerate(rows.roads):
        if not np.isfinite(length) or length <= 0.0:
            _fail(rows, number, "road", f"its length is {length}; expected more than 0 m")
        if name in seen:
            _fail(rows, number, "road", "a road of this id was read before")
        seen.add(name)
    _check_geometry(rows)
    has_section = {section[0] for section in rows.sections}
    for number in range(len(rows.roads)):
        if number not in has_section:
            _fail(rows, number, "lanes", "has no <laneSection>; expected at least one")


def _sane(values: Float[np.ndarray, "*shape"]) -> Bool[np.ndarray, "*shape"]:
    return np.abs(values) <= _LARGEST


def _check_geometry(rows: XmlRows) -> None:
    reach = np.zeros(len(rows.roads))
    for piece in rows.geometry:
        road, s, length, shape = piece[0], piece[1], piece[5], piece[6]
        if not shape:
            known = ", ".join(f"<{name}>" for name in _SHAPES)
            _fail(rows, road, "geometry", f"at s = {s} holds no shape; expected one of {known}")
        turn = max((abs(k) for k in piece[7:9]), default=0.0) * length
        if length < 0.0 or (shape in ("arc", "spiral") and turn > MAX_TURN):
            problem = f"at s = {s} has length {length} m and turns by up to {turn:.3g} rad"
            _fail(rows, road, "geometry", f"{problem}; expected 0 or more, at most {MAX_TURN}")
        reach[road] = max(reach[road], s + length)
    for number, road_row in enumerate(rows.roads):
        if reach[number] < road_row[2] - _LENGTH_SLACK:
            _fail(
                rows,
                number,
                "planView",
                f"its geometry ends at s = {reach[number]:.3f} m; expected it to reach the "
                f"road's length of {road_row[2]:.3f} m",
            )


def _fail(rows: XmlRows, road: int, element: str, problem: str) -> NoReturn:
    raise DataError(problem, file=rows.file, where=f"road {rows.roads[road][0]}, <{element}>")


def _section_table(rows: XmlRows) -> tuple[Int[np.ndarray, " c"], Records]:
    """Place of each section as read, and the sections in order."""
    table = np.array(rows.sections, float)
    order = np.lexsort((table[:, 1], table[:, 0]))
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    return place, Records.build([tuple(row) for row in table.tolist()], 0)


def _lane_order(
    rows: XmlRows, section_order: Int[np.ndarray, " c"]
) -> tuple[list[list[Any]], Int[np.ndarray, " l"]]:
    """Lanes without centre lanes in order, and the row of each lane as read (-1: centre)."""
    keyed = [
        (int(section_order[lane[0]]), -lane[1], number)
        for number, lane in enumerate(rows.lanes)
        if lane[1] != 0
    ]
    keyed.sort()
    row_of = np.full(len(rows.lanes), -1)
    for row, (section, negative, number) in enumerate(keyed):
        if row and keyed[row - 1][:2] == (section, negative):
            road = rows.sections[rows.lanes[number][0]][0]
            _fail(rows, road, "lane", f"the lane {-negative} stands twice in one section")
        row_of[number] = row
    return [rows.lanes[number] for _, _, number in keyed], row_of


def _network(
    rows: XmlRows,
    sections: Records,
    lanes: list[list[Any]],
    lane_of_row: Int[np.ndarray, " l"],
    section_order: Int[np.ndarray, " c"],
) -> RoadNetwork:
    length = np.array([road[2] for road in rows.roads])
    last = np.append(sections.owner[1:] != sections.owner[:-1], True)
    end = np.where(last, length[sections.owner], np.append(sections.s[1:], 0.0))
    first = np.searchsorted(sections.owner, sections.owner)
    lane_section = section_order[np.array([lane[0] for lane in lanes], np.int64)]
    lane_id = np.array([lane[1] for lane in lanes], np.int64)
    with_width = {int(row[0]) for row in rows.widths}
    left_hand = np.array([road[3] for road in rows.roads])
    lane_road = sections.owner[lane_section]
    border = {int(lane_of_row[int(r[0])]) for r in rows.borders if int(r[0]) not in with_width}
    cubics = rows.widths + [row for row in rows.borders if int(row[0]) not in with_width]
    return RoadNetwork(
        road_ids=tuple(road[0] for road in rows.roads),
        junctions=tuple(road[1] for road in rows.roads),
        length=length,
        left_hand=left_hand,
        geometry=Records.build([_piece(piece) for piece in rows.geometry], PARAMETERS),
        offset=Records.build(rows.offsets, 4),
        elevation=Records.build(rows.elevations, 4),
        sections=sections,
        section_end=np.maximum(end, sections.s),
        section_number=np.arange(len(first)) - first,
        lane_section=lane_section,
        lane_id=lane_id,
        lane_rank=_ranks(lane_section, lane_id),
        lane_type=tuple(lane[2] for lane in lanes),
        lane_border=np.isin(np.arange(len(lanes)), list(border)),
        width=Records.build(_renumber(cubics, lane_of_row), 4),
        lane_road=lane_road,
        forward=(lane_id < 0) ^ left_hand[lane_road],
    )


def _piece(piece: list[Any]) -> tuple[int | float, ...]:
    """Geometry as (road, s, x, y, heading, length, shape, p0..p7, p unit per unit of curve)."""
    road, s, x, y, heading, length, name, *found = piece
    shape = _SHAPES[name]
    reach = 0.0
    if name == "poly3":
        found, reach = [0.0, 1.0, 0.0, 0.0, *found], -1.0  # ends where the arc length is used up
    elif name == "paramPoly3":
        *found, by_length = found
        reach = length if by_length else 1.0
    values = [*found, *[0.0] * (8 - len(found))]
    return (road, s, x, y, heading, length, float(shape), *values, reach)


def _ranks(section: Int[np.ndarray, " n"], lane: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Count lanes from the centre outwards on each side, from 1; ids may leave gaps."""
    side = section * 2 + (lane < 0)
    start = np.searchsorted(side, side)
    stop = np.searchsorted(side, side, side="right")
    here = np.arange(len(lane))
    return np.where(lane < 0, here - start + 1, stop - here)


def _renumber(
    rows: Iterable[tuple[int | float, ...]], row_of: Int[np.ndarray, " l"]
) -> list[tuple[int | float, ...]]:
    return [(float(row_of[int(row[0])]), *row[1:]) for row in rows if row_of[int(row[0])] >= 0]


def _furniture(
    rows: XmlRows,
    lanes: list[list[Any]],
    row_of: Int[np.ndarray, " l"],
) -> Furniture:
    up, down, kerb = (np.zeros(len(lanes), bool) for _ in range(3))
    for lane, place, to_up, to_down, is_kerb in rows.marks:
        row = row_of[lane]
        if row >= 0:
            up[row] |= to_up
            down[row] |= to_down
            kerb[row] |= is_kerb and place == 0.0
    links = {
        end: {road: Link(*link) for road, link in found.items()}
        for end, found in rows.road_links.items()
    }
    return Furniture(
        predecessors=links["predecessor"],
        successors=links["successor"],
        lane_predecessor=np.array([lane[3] for lane in lanes], np.int64),
        lane_successor=np.array([lane[4] for lane in lanes], np.int64),
        change_up=up,
        change_down=down,
        curb=kerb,
        lane_speed=Records.build(_renumber(rows.lane_speeds, row_of), 1),
        road_speed=Records.build(rows.road_speeds, 1),
        connections=tuple(_connection(found) for found in rows.connections),
        signals=tuple(_signal(rows, found) for found in rows.signals),
        objects=tuple(_object(rows, found) for found in rows.objects if _is_used(found)),
        controllers={name: tuple(dict.fromkeys(ids)) for name, ids in rows.controllers.items()},
        junction_controllers={name: tuple(ids) for name, ids in rows.junctions.items()},
    )


def _connection(found: dict[str, Any]) -> Connection:
    return Connection(
        junction=found["junction"],
        incoming=found.get("incomingRoad", ""),
        connecting=found.get("connectingRoad", ""),
        contact=found.get("contactPoint", ""),
        lanes=tuple(found["lanes"]),
    )


def _number(rows: XmlRows, found: dict[str, Any], key: str, default: float = 0.0) -> float:
    text = found.get(key)
    try:
        value = default if text in (None, "") else float(text)
    except ValueError:
        value = float("inf")
    if np.isinf(value) or (np.isnan(value) and not np.isnan(default)):
        problem = f"{key} is {text!r}; expected a finite number"
        _fail(rows, found["road"], f"signal or object {found.get('id', '')}", problem)
    return value


def _signal(rows: XmlRows, found: dict[str, Any]) -> Signal:
    lanes: Sequence[tuple[int, int]] = found["lanes"]
    if found.get("type") == SPEED_SIGN and found.get("unit", "") not in UNITS:
        problem = f"its unit is {found['unit']!r}; expected one of {sorted(UNITS)}"
        _fail(rows, found["road"], f"signal {found.get('id', '')}", problem)
    return Signal(
        id=found.get("id", ""),
        road=found["road"],
        s=_number(rows, found, "s"),
        t=_number(rows, found, "t"),
        orientation=found.get("orientation", "none"),
        lanes=tuple((min(pair), max(pair)) for pair in lanes),
        reference=found["reference"],
        name=found.get("name", ""),
        type=found.get("type", ""),
        subtype=found.get("subtype", ""),
        value=_number(rows, found, "value", float("nan")),
        unit=found.get("unit", ""),
        heading=_number(rows, found, "hOffset"),
        width=_number(rows, found, "width"),
    )


def _is_used(found: dict[str, Any]) -> bool:
    """Whether the lane map needs an object: towns have tens of thousands of parking spaces."""
    name, kind = found.get("name", "").lower(), found.get("type", "").lower()
    return kind in ("crosswalk", "stopline") or name.startswith(("stopline", "sp"))


def _object(rows: XmlRows, found: dict[str, Any]) -> RoadObject:
    if not np.isfinite(found["corners"]).all():
        _fail(rows, found["road"], f"object {found.get('id', '')}", "a corner is not finite")
    return RoadObject(
        id=found.get("id", ""),
        road=found["road"],
        name=found.get("name", ""),
        type=found.get("type", ""),
        s=_number(rows, found, "s"),
        t=_number(rows, found, "t"),
        heading=_number(rows, found, "hdg"),
        orientation=found.get("orientation", "none"),
        length=_number(rows, found, "length"),
        width=_number(rows, found, "width"),
        corners=tuple(found["corners"]),
        by_road=found["by_road"],
    )


def sign_limit(signal: Signal) -> float:
    """The speed limit on a sign [m/s]; signs without a unit count in km/h, as in CARLA."""
    if not signal.value > 0.0:
        return float("nan")
    return limit({"max": str(signal.value), "unit": signal.unit or "km/h"})
