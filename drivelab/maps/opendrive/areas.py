"""Areas of an OpenDRIVE map: what lies beside the lanes, junctions and crosswalks.

| lane type | area |
|---|---|
| parking | car park |
| sidewalk | walkway |
| shoulder, stop | drivable, unless a kerb separates it from every lane with traffic |
| all others (none, border, median, ...) | no area |

A junction is the union of its lanes with traffic and all that is paved beside them (shoulders and
parking lanes too), with the ground they enclose.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import numpy as np
import shapely
from jaxtyping import Bool, Float

from drivelab.maps.opendrive.geometry import reference_poses
from drivelab.maps.opendrive.lane_poses import beside
from drivelab.maps.opendrive.links import CYCLED, DRIVEN
from drivelab.maps.opendrive.shapes import lane_shapes, repaired, strip_polygons, with_area
from drivelab.maps.opendrive.stations import Stations
from drivelab.maps.opendrive.tables import Furniture, RoadNetwork, RoadObject
from drivelab.types.lane_map import Area, AreaKind

_PAVED = frozenset({"shoulder", "stop"})
_JOINED = DRIVEN | _PAVED | {CYCLED, "parking"}
_GAP = 1.0  # slits up to this width between the lanes of a junction belong to it [m]
_CROSSWALK = "crosswalk"


def lane_areas(network: RoadNetwork, furniture: Furniture, stations: Stations) -> list[Area]:
    """Car parks, walkways and drivable shoulders, one area a lane; ids are the lanes'."""
    paved = paved_lanes(network, furniture)
    kinds = {}
    road = network.lane_road.tolist()
    for row, kind in enumerate(network.lane_type):
        if network.junctions[road[row]] and kind in _JOINED:
            continue  # part of the intersection
        if kind == "parking":
            kinds[row] = AreaKind.CARPARK
        elif kind == "sidewalk":
            kinds[row] = AreaKind.WALKWAY
        elif kind in _PAVED and paved[row]:
            kinds[row] = AreaKind.DRIVABLE
    if not kinds:
        return []
    rows = np.array(list(kinds), np.int64)
    place = np.arange(len(rows))
    polygons = strip_polygons(lane_shapes(network, stations, rows), place, place)
    real = with_area(polygons)
    return [
        Area(lane_name(network, row), kinds[row], polygons[k], network.lane_type[row])
        for k, row in enumerate(rows.tolist())
        if real[k]
    ]


def lane_name(network: RoadNetwork, row: int) -> str:
    """Id of a lane in the map: ROAD/SECTION/LANE."""
    section = network.lane_section[row]
    road = network.road_ids[network.sections.owner[section]]
    return f"{road}/{network.section_number[section]}/{network.lane_id[row]}"


def paved_lanes(network: RoadNetwork, furniture: Furniture) -> Bool[np.ndarray, " n"]:
    """Lanes that a vehicle can reach from traffic lanes beside them without crossing a kerb."""
    reached = np.array([kind in DRIVEN for kind in network.lane_type], bool)
    joined = [kind in _JOINED for kind in network.lane_type]
    section, rank = network.lane_section.tolist(), network.lane_rank.tolist()
    rows = range(len(joined))
    for order in (pairwise(rows), pairwise(reversed(rows))):
        for before, row in order:
            if section[before] != section[row] or not (reached[before] and joined[row]):
                continue
            across_centre = network.lane_id[before] * network.lane_id[row] < 0
            inner = before if rank[before] < rank[row] else row
            reached[row] |= across_centre or not furniture.curb[inner]
    return reached


def junction_areas(
    network: RoadNetwork, furniture: Furniture, stations: Stations
) -> dict[str, Area]:
    """Intersections by junction id."""
    paved = paved_lanes(network, furniture)
    road = network.lane_road.tolist()
    rows = [
        row
        for row, kind in enumerate(network.lane_type)
        if network.junctions[road[row]] and paved[row]
    ]
    if not rows:
        return {}
    place = np.arange(len(rows))
    polygons = strip_polygons(lane_shapes(network, stations, np.array(rows)), place, place)
    members: dict[str, list[int]] = defaultdict(list)
    for k in np.flatnonzero(with_area(polygons)).tolist():
        members[network.junctions[road[rows[k]]]].append(k)
    return {
        name: Area(f"junction/{name}", AreaKind.INTERSECTION, _outline(polygons[places]))
        for name, places in members.items()
    }


def _outline(polygons: np.ndarray) -> shapely.Polygon | shapely.MultiPolygon:
    closed = shapely.buffer(polygons, _GAP / 2, quad_segs=1, join_style="mitre", mitre_limit=2.0)
    union = shapely.buffer(shapely.union_all(closed), -_GAP / 2, join_style="mitre")
    parts = [shapely.Polygon(part.exterior) for part in shapely.get_parts(union)]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def crosswalk_areas(network: RoadNetwork, furniture: Furniture) -> list[Area]:
    """Crosswalk objects; those without an outline are their length by their width."""
    objects = [thing for thing in furniture.objects if thing.type.lower() == _CROSSWALK]
    found = []
    for thing in objects:
        corners = object_corners(network, thing)
        if len(corners) < 3:
            continue
        polygon = repaired(np.array([shapely.Polygon(corners)], object))[0]
        if polygon.area > 0.0:
            found.append(Area(f"object/{thing.id}", AreaKind.CROSSWALK, polygon, thing.name))
    return found


def object_corners(network: RoadNetwork, thing: RoadObject) -> Float[np.ndarray, "k 2"]:
    """Outline of an object in the map frame, as the file lists it."""
    road = np.array([thing.road])
    if thing.by_road:
        s, t = np.array(thing.corners, float).T
        return beside(reference_poses(network.geometry, np.repeat(road, len(s)), s), t)
    half, side = thing.length / 2, thing.width / 2
    box = ((-half, -side), (half, -side), (half, side), (-half, side))
    u, v = np.array(thing.corners or box, float).T
    reference = reference_poses(network.geometry, road, np.array([thing.s]))
    origin = beside(reference, np.array([thing.t]))[0]
    angle = float(reference.heading[0]) + thing.heading
    cos, sin = np.cos(angle), np.sin(angle)
    return np.column_stack([origin[0] + cos * u - sin * v, origin[1] + sin * u + cos * v])
