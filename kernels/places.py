"""Which polygons hold which points of the ego, step by step; how far it is off all of them."""

from __future__ import annotations

from math import inf

import numpy as np
from jaxtyping import Bool, Float, UInt8
from numba import njit

from drivelab.kernels.ego_area import ego_ring
from drivelab.kernels.polygons import (
    polygon_contains,
    polygon_contains_mask,
    polygon_set_distance,
)
from drivelab.kernels.polylines import project_point

# Bits of a place: corners front-left, rear-left, rear-right, front-right; box centre; rear axle.
FRONT_LEFT, REAR_LEFT, REAR_RIGHT, FRONT_RIGHT, CENTER, REAR_AXLE = 1, 2, 4, 8, 16, 32
CORNERS = FRONT_LEFT | REAR_LEFT | REAR_RIGHT | FRONT_RIGHT


@njit(cache=True)
def place_masks(
    states: Float[np.ndarray, "t 11"], vehicle: Float[np.ndarray, "3"], polygons: tuple
) -> UInt8[np.ndarray, "t p"]:
    """For every state and polygon, the bits of the points that the polygon strictly contains."""
    bounds = polygons[2]
    steps, count = states.shape[0], bounds.shape[0]
    masks = np.zeros((steps, count), np.uint8)
    points = np.empty((6, 2))
    reach = vehicle[0] + vehicle[1] + vehicle[2]
    for t in range(steps):
        x, y = states[t, 0], states[t, 1]
        points[4, 0], points[4, 1] = ego_ring(states[t], vehicle, points[:4])
        points[5, 0], points[5, 1] = x, y
        for p in range(count):
            if bounds[p, 0] - reach > x or x > bounds[p, 2] + reach:
                continue
            if bounds[p, 1] - reach > y or y > bounds[p, 3] + reach:
                continue
            masks[t, p] = polygon_contains_mask(polygons, p, points)
    return masks


@njit(cache=True)
def points_held(points: Float[np.ndarray, "k 2"], polygons: tuple) -> Bool[np.ndarray, " k"]:
    """Whether any polygon strictly contains each point."""
    bounds = polygons[2]
    held = np.zeros(points.shape[0], np.bool_)
    for k in range(points.shape[0]):
        x, y = points[k, 0], points[k, 1]
        for p in range(bounds.shape[0]):
            if not (bounds[p, 0] < x < bounds[p, 2] and bounds[p, 1] < y < bounds[p, 3]):
                continue
            if polygon_contains(polygons, p, x, y):
                held[k] = True
                break
    return held


@njit(cache=True)
def off_distances(
    states: Float[np.ndarray, "t 11"],
    vehicle: Float[np.ndarray, "3"],
    polygons: tuple,
    drivable: Bool[np.ndarray, " p"],
    masks: UInt8[np.ndarray, "t p"],
) -> Float[np.ndarray, " t"]:
    """How far the worst corner of each state stands off every drivable polygon [m]; 0 inside."""
    bounds = polygons[2]
    steps, count = masks.shape
    out = np.zeros(steps)
    ring = np.empty((4, 2))
    for t in range(steps):
        held = 0
        for p in range(count):
            if drivable[p]:
                held |= masks[t, p]
        if held & CORNERS == CORNERS:
            continue
        ego_ring(states[t], vehicle, ring)
        for i in range(4):
            if held & (1 << i):
                continue
            x, y = ring[i, 0], ring[i, 1]
            nearest = inf
            for p in range(count):
                if not drivable[p]:
                    continue
                gap_x = max(bounds[p, 0] - x, 0.0, x - bounds[p, 2])
                gap_y = max(bounds[p, 1] - y, 0.0, y - bounds[p, 3])
                if gap_x * gap_x + gap_y * gap_y < nearest * nearest:
                    nearest = min(nearest, polygon_set_distance(polygons, p, x, y))
            out[t] = max(out[t], nearest)
    return out


@njit(cache=True)
def project_points(
    points: Float[np.ndarray, "n 2"],
    arc: Float[np.ndarray, " n"],
    bounds: Float[np.ndarray, "c 4"],
    query: Float[np.ndarray, "k 2"],
) -> Float[np.ndarray, "k 2"]:
    """Arc length of the nearest point of a polyline and the distance to it [m], point by point."""
    out = np.empty((query.shape[0], 2))
    for k in range(query.shape[0]):
        out[k] = project_point(points, arc, bounds, query[k, 0], query[k, 1])
    return out
