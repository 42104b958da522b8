"""nuPlan GeoPackage -> LaneMap.

Names: a block is nuPlan's lane group (roadblock), a connector block its lane group connector. A
connector starts where traffic leaves `exit_lane_fid` and ends where it enters `entry_lane_fid`.
"""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from drivelab.data.geopackage import Layer
from drivelab.data.nuplan.lanes import build_lanes, grouped, identifier
from drivelab.data.nuplan.layers import CityLayers, find_city, read_city
from drivelab.errors import DataError
from drivelab.types import Area, AreaKind, Block, Lane, LaneMap, Window

STOP_KINDS = ("pedestrian_crossing", "stop_sign", "traffic_light", "turn_stop", "yield", "unknown")
INTERSECTION_KINDS = (
    "default",
    "traffic_light",
    "stop_sign",
    "lane_branch",
    "lane_merge",
    "pass_through",
)
_AREA_LAYERS = (
    (AreaKind.INTERSECTION, "intersections", "intersection_type_fid", INTERSECTION_KINDS),
    (AreaKind.CARPARK, "carpark_areas", "", ()),
    (AreaKind.GENERIC, "generic_drivable_areas", "", ()),
    (AreaKind.ROAD_SEGMENT, "road_segments", "", ()),
    (AreaKind.STOP, "stop_polygons", "stop_polygon_type_fid", STOP_KINDS),
    (AreaKind.CROSSWALK, "crosswalks", "", ()),
    (AreaKind.WALKWAY, "walkways", "", ()),
)
_KEPT_MAPS = 4  # there are four cities
_maps: OrderedDict[tuple[str, int, int], LaneMap] = OrderedDict()
_lock = Lock()


def load_nuplan_map(maps_root: str | Path, location: str) -> LaneMap:
    """Read one city of a nuPlan maps folder; nothing is written there and no other city is opened.

    The last four maps are kept for the process, keyed by file, time of change and size, so that all
    scenes of a city share one map and its index.
    """
    file, _ = find_city(Path(maps_root), location)
    try:
        stat = file.stat()
    except OSError as error:
        raise DataError(f"the map of {location} is missing: {error.strerror}", file=file) from error
    key = (str(file.resolve()), stat.st_mtime_ns, stat.st_size)
    with _lock:
        if key not in _maps:
            _maps[key] = build_lane_map(read_city(Path(maps_root), location))
            while len(_maps) > _KEPT_MAPS:
                _maps.popitem(last=False)
        _maps.move_to_end(key)
        return _maps[key]


def build_lane_map(city: CityLayers) -> LaneMap:
    """Join the layers of a city to lanes, blocks and areas, each in the order of its table."""
    areas = tuple(_areas(city))
    lanes = build_lanes(city, {area.id: area for area in areas if area.kind is AreaKind.STOP})
    return LaneMap(city.location, lanes, _blocks(city, lanes), areas, Window.SQUARE)


def _areas(city: CityLayers) -> list[Area]:
    areas = []
    for kind, layer_name, column, names in _AREA_LAYERS:
        layer = city[layer_name]
        codes = layer.columns[column] if column else [None] * len(layer)
        for fid, polygon, code in zip(layer.ids, layer.geometries, codes, strict=True):
            if polygon is not None:
                areas.append(Area(str(fid), kind, polygon, _detail(code, names)))
    return areas


def _detail(code: object, names: tuple[str, ...]) -> str:
    number = identifier(code)
    if not number or not names:
        return ""
    return names[int(number)] if int(number) < len(names) else f"type {number}"


def _blocks(city: CityLayers, lanes: dict[str, Lane]) -> dict[str, Block]:
    links = city["lane_group_connectors"]
    start = [identifier(value) for value in links.columns["from_lane_group_fid"]]
    end = [identifier(value) for value in links.columns["to_lane_group_fid"]]
    names = [str(fid) for fid in links.ids]
    leaving, arriving = grouped(start, names), grouped(end, names)
    inside = grouped([lane.block for lane in lanes.values()], list(lanes))
    groups = city["lane_groups_polygons"]
    blocks: dict[str, Block] = {}
    for fid, polygon in zip(groups.ids, groups.geometries, strict=True):
        name = str(fid)
        blocks[name] = Block(
            name,
            inside.get(name, ()),
            polygon,
            successors=leaving.get(name, ()),
            predecessors=arriving.get(name, ()),
        )
    for row, name in enumerate(names):
        if name in blocks:
            raise DataError(
                f"lane group connector {name} has the id of a lane group",
                file=city.file,
                where="lane_group_connectors",
            )
        blocks[name] = Block(
            name,
            inside.get(name, ()),
            links.geometries[row],
            connector=True,
            successors=(end[row],) if end[row] else (),
            predecessors=(start[row],) if start[row] else (),
            intersection=identifier(links.columns["intersection_fid"][row]) or None,
        )
    _check_polygons(blocks, groups, links, city.file)
    return blocks


def _check_polygons(blocks: dict[str, Block], groups: Layer, links: Layer, file: Path) -> None:
    for block in blocks.values():
        if block.polygon is None:
            layer = links if block.connector else groups
            raise DataError("no polygon", file=file, where=f"{layer.name} fid {block.id}")
