"""Centrelines, boundaries and polygons of all lanes of a map, computed in bulk."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Bool, Float, Int

from drivelab.maps.opendrive.geometry import reference_poses
from drivelab.maps.opendrive.lane_poses import beside, centre_poses, lane_edges
from drivelab.maps.opendrive.stations import Stations
from drivelab.maps.opendrive.tables import RoadNetwork

_HAIR = 1e-3  # half the width that lanes without width are given [m]


@dataclass(frozen=True, slots=True, eq=False)
class LaneShapes:
    """Polylines of n lanes in their direction of travel, end to end; lane i owns start[i:i+2]."""

    lane: Int[np.ndarray, " n"]  # rows of the lane table
    centre: Float[np.ndarray, "p 3"]
    height: Float[np.ndarray, " p"]  # of the road at the centreline's vertices [m]
    centre_start: Int[np.ndarray, " n1"]
    left: Float[np.ndarray, "q 2"]
    right: Float[np.ndarray, "q 2"]
    edge_start: Int[np.ndarray, " n1"]


def lane_shapes(
    network: RoadNetwork, stations: Stations, lane: Int[np.ndarray, " n"]
) -> LaneShapes:
    """Sample the given rows of the lane table at the stations of their sections."""
    section = network.lane_section[lane]
    backward = ~network.forward[lane]
    count = np.diff(stations.start)[section]
    start = np.concatenate([[0], np.cumsum(count)])
    place = np.arange(start[-1]) - np.repeat(start[:-1], count)
    turned = np.repeat(backward, count)
    place = np.where(turned, np.repeat(count, count) - 1 - place, place)
    station = np.repeat(stations.start[section], count) + place
    row, s = np.repeat(lane, count), stations.s[station]
    reference = reference_poses(network.geometry, network.lane_road[row], s)
    edges = lane_edges(network, row, s)
    corner = stations.corner[station]
    inner = beside(reference, edges.inner)[corner]
    outer = beside(reference, edges.outer)[corner]
    # Inner edges lie to the driver's left where traffic keeps to the right.
    left_hand = network.left_hand[network.lane_road[row[corner]]][:, None]
    corners = np.concatenate([[0], np.cumsum(corner)])
    return LaneShapes(
        lane,
        centre_poses(reference, edges, turned),
        network.elevation.cubic(network.lane_road[row], s)[0],
        start,
        np.where(left_hand, outer, inner),
        np.where(left_hand, inner, outer),
        corners[start],
    )


def strip_polygons(
    shapes: LaneShapes, leftmost: Int[np.ndarray, " b"], rightmost: Int[np.ndarray, " b"]
) -> np.ndarray:
    """Polygons from the left edge of one lane to the right edge of another of the same section.

    Arguments are places in `shapes`. Strips that cross themselves, as inside tight bends, are
    repaired and their largest part is kept; strips without area become a hair of 2 mm.
    """
    count = (shapes.edge_start[1:] - shapes.edge_start[:-1])[leftmost]
    size = 2 * count + 1
    start = np.concatenate([[0], np.cumsum(size)])
    owner = np.repeat(np.arange(len(count)), size)
    place = np.arange(start[-1]) - start[owner]
    count_here = count[owner]
    on_left = (place < count_here) | (place == 2 * count_here)
    forth = np.where(place == 2 * count_here, 0, place)
    back = 2 * count_here - 1 - place
    points = np.where(
        on_left[:, None],
        shapes.left[shapes.edge_start[leftmost][owner] + np.where(on_left, forth, 0)],
        shapes.right[shapes.edge_start[rightmost][owner] + np.where(on_left, 0, back)],
    )
    polygons = shapely.polygons(shapely.linearrings(points, indices=owner))
    return repaired(polygons)


def repaired(polygons: np.ndarray) -> np.ndarray:
    """The largest valid part of each polygon that crosses itself, its outline if it has no area."""
    broken = np.flatnonzero(~shapely.is_valid(polygons))
    for i in broken.tolist():
        parts = shapely.get_parts(shapely.make_valid(polygons[i]))
        parts = shapely.get_parts(parts)
        flat = [part for part in parts if part.geom_type == "Polygon" and part.area > 0.0]
        if flat:
            polygons[i] = max(flat, key=lambda part: float(part.area))
        else:
            polygons[i] = shapely.buffer(polygons[i].exterior, _HAIR)
    return polygons


def with_area(polygons: np.ndarray, least: float = 0.1) -> Bool[np.ndarray, " n"]:
    """Which polygons cover more than `least` [m^2]."""
    return np.asarray(shapely.area(polygons) > least)
