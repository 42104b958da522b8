"""OpenDRIVE maps as plain arrays: what the cache keeps on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import shapely

from drivelab.maps.opendrive.network_map import OpenDriveMap
from drivelab.maps.opendrive.tables import Records, RoadNetwork
from drivelab.types.lane_map import Area, AreaKind, Block, Lane, LaneMap, TrafficControl

Arrays = dict[str, np.ndarray]
_LANE_FIELDS = (
    "id",
    "connector",
    "block",
    "speed_limit",
    "successors",
    "predecessors",
    "left",
    "right",
    "kind",
    "stop_lines",
    "has_traffic_lights",
    "index",
    "turn",
    "change_left",
    "change_right",
)
_BLOCK_FIELDS = ("id", "lanes", "connector", "successors", "predecessors", "intersection")
_TEXTS = ("road_ids", "junctions", "lane_type")
_NUMBERS = (
    "length",
    "left_hand",
    "section_end",
    "section_number",
    "lane_section",
    "lane_id",
    "lane_rank",
    "lane_border",
    "lane_road",
    "forward",
)
_RECORDS = ("geometry", "offset", "elevation", "sections", "width")


def pack_map(found: OpenDriveMap) -> Arrays:
    """A map as arrays of numbers; ids, links and the like are one MessagePack entry, "header"."""
    lane_map, network = found.lane_map, found.network
    lanes, blocks = list(lane_map.lanes.values()), list(lane_map.blocks.values())
    header = {
        "name": lane_map.name,
        "lanes": [[getattr(lane, name) for name in _LANE_FIELDS] for lane in lanes],
        "blocks": [[getattr(block, name) for name in _BLOCK_FIELDS] for block in blocks],
        "areas": [(area.id, area.kind.value, area.detail) for area in lane_map.areas],
        "groups": dict(lane_map.control.signal_groups),
        "stop_signs": lane_map.control.stop_signs,
        "yield_signs": lane_map.control.yield_signs,
        **{name: getattr(network, name) for name in _TEXTS},
    }
    arrays = {"header": np.frombuffer(msgspec.msgpack.encode(header), np.uint8)}
    arrays |= {name: getattr(network, name) for name in _NUMBERS}
    arrays["rows"] = np.array([found.rows[lane.id] for lane in lanes], np.int64)
    for name in _RECORDS:
        records: Records = getattr(network, name)
        arrays[f"{name}/owner"], arrays[f"{name}/s"] = records.owner, records.s
        arrays[f"{name}/values"], arrays[f"{name}/span"] = records.values, np.array(records.span)
    arrays |= _joined("centre", [lane.centreline for lane in lanes])
    arrays |= _joined("height", [lane.heights for lane in lanes])
    arrays |= _joined("left", [lane.left_boundary for lane in lanes])
    arrays |= _joined("right", [lane.right_boundary for lane in lanes])
    shapes = [thing.polygon for things in (lanes, blocks, lane_map.areas) for thing in things]
    texts = shapely.to_wkb(np.array(shapes, object)).tolist()
    return arrays | _joined("polygons", [np.frombuffer(text, np.uint8) for text in texts])


def unpack_map(arrays: Mapping[str, np.ndarray]) -> OpenDriveMap:
    """The map that `pack_map` packed.

    Raises:
        KeyError, ValueError, IndexError, TypeError, msgspec.MsgspecError, shapely.GEOSException:
            the arrays are not those of a packed map.
    """
    header = msgspec.msgpack.decode(arrays["header"].tobytes())
    shapes = shapely.from_wkb([part.tobytes() for part in _parts("polygons", arrays)])
    first, second = len(header["lanes"]), len(header["lanes"]) + len(header["blocks"])
    lanes = _lanes(header["lanes"], arrays, shapes[:first])
    blocks = {}
    for record, polygon in zip(header["blocks"], shapes[first:second], strict=True):
        fields = _fields(_BLOCK_FIELDS, record)
        blocks[fields["id"]] = Block(polygon=polygon, **fields)
    areas = tuple(
        Area(name, AreaKind(kind), polygon, detail)
        for (name, kind, detail), polygon in zip(header["areas"], shapes[second:], strict=True)
    )
    control = TrafficControl(
        {group: tuple(ids) for group, ids in header["groups"].items()},
        tuple(header["stop_signs"]),
        tuple(header["yield_signs"]),
    )
    return OpenDriveMap(
        LaneMap(header["name"], lanes, blocks, areas, control=control),
        _network(header, arrays),
        dict(zip(lanes, arrays["rows"].tolist(), strict=True)),
    )


def _lanes(
    records: Sequence[Sequence[Any]], arrays: Mapping[str, np.ndarray], polygons: np.ndarray
) -> dict[str, Lane]:
    lines = (_parts(name, arrays) for name in ("centre", "height", "left", "right"))
    lanes = {}
    for record, polygon, centre, height, left, right in zip(records, polygons, *lines, strict=True):
        fields = _fields(_LANE_FIELDS, record)
        lanes[fields["id"]] = Lane(
            centreline=centre,
            polygon=polygon,
            left_boundary=left,
            right_boundary=right,
            heights=height,
            **fields,
        )
    return lanes


def _fields(names: Sequence[str], record: Sequence[Any]) -> dict[str, Any]:
    return {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in zip(names, record, strict=True)
    }


def _network(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> RoadNetwork:
    fields: dict[str, Any] = {name: tuple(header[name]) for name in _TEXTS}
    fields |= {name: arrays[name] for name in _NUMBERS}
    for name in _RECORDS:
        owner, s, values = (arrays[f"{name}/{part}"] for part in ("owner", "s", "values"))
        span = float(arrays[f"{name}/span"])
        fields[name] = Records(owner, s, values, span, owner * span + s)
    return RoadNetwork(**fields)


def _joined(name: str, parts: Sequence[Any]) -> Arrays:
    counts = np.array([len(part) for part in parts], np.int64)
    return {name: np.concatenate(parts), f"{name}/start": np.concatenate([[0], np.cumsum(counts)])}


def _parts(name: str, arrays: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    flat = arrays[name]
    return [flat[start:stop] for start, stop in pairwise(arrays[f"{name}/start"].tolist())]
