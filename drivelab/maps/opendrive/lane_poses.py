"""Where lanes lie beside their reference line, and the exact poses that follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from drivelab.geometry.poses import wrap_angle
from drivelab.maps.opendrive.geometry import ReferencePoses, reference_poses
from drivelab.maps.opendrive.tables import RoadNetwork


@dataclass(frozen=True, slots=True, eq=False)
class LaneEdges:
    """Offsets of lane edges to the left of the reference line [m], and their slopes over s."""

    inner: Float[np.ndarray, " m"]
    outer: Float[np.ndarray, " m"]
    inner_slope: Float[np.ndarray, " m"]
    outer_slope: Float[np.ndarray, " m"]
    bend: Float[np.ndarray, " m"]  # largest second derivative of an edge up to this lane [1/m]


def lane_edges(
    network: RoadNetwork, lane: Int[np.ndarray, " m"], s: Float[np.ndarray, " m"]
) -> LaneEdges:
    """Edges of lanes (rows of the lane table) at s: laneOffset plus the widths up to the lane."""
    rank, side = network.lane_rank[lane], np.where(network.lane_id[lane] < 0, -1.0, 1.0)
    inward = np.where(side < 0, -1, 1)  # the next lane towards the centre is the row before/after
    inner, outer = np.zeros((2, len(lane))), np.zeros((2, len(lane)))
    base = network.offset.cubic(network.lane_road[lane], s)
    bend = np.zeros(len(lane))
    for k in range(1, int(rank.max(initial=0)) + 1):
        here = np.flatnonzero(rank >= k)
        row = lane[here] + inward[here] * (rank[here] - k)
        cubic = network.width.cubic(row, s[here])
        inner[:, here] = outer[:, here]
        kept = np.where(network.lane_border[row], 0.0, outer[:, here])
        outer[:, here] = kept + np.where(network.lane_border[row], np.abs(cubic[:2]), cubic[:2])
        bend[here] += np.abs(cubic[2])
    return LaneEdges(
        base[0] + side * inner[0],
        base[0] + side * outer[0],
        base[1] + side * inner[1],
        base[1] + side * outer[1],
        np.abs(base[2]) + bend,
    )


def centre_poses(
    reference: ReferencePoses, edges: LaneEdges, backward: np.ndarray
) -> Float[np.ndarray, "m 3"]:
    """Poses at the lanes' middles, headed as their traffic drives.

    The heading is that of the middle line itself: atan2(dt/ds, 1 - curvature * t) against the
    reference line.
    """
    t = (edges.inner + edges.outer) / 2
    slope = (edges.inner_slope + edges.outer_slope) / 2
    turn = np.arctan2(slope, 1.0 - reference.curvature * t)
    heading = wrap_angle(reference.heading + turn + np.where(backward, np.pi, 0.0))
    xy = beside(reference, t)
    return np.column_stack([xy, heading])


def beside(reference: ReferencePoses, t: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m 2"]:
    """Points at an offset to the left of the reference line."""
    return np.column_stack(
        [reference.x - t * np.sin(reference.heading), reference.y + t * np.cos(reference.heading)]
    )


def poses_at(
    network: RoadNetwork, lane: Int[np.ndarray, " m"], s: Float[np.ndarray, " m"]
) -> Float[np.ndarray, "m 3"]:
    """Exact lane-centre poses (x, y, heading) of rows of the lane table at s."""
    reference = reference_poses(network.geometry, network.lane_road[lane], s)
    return centre_poses(reference, lane_edges(network, lane, s), ~network.forward[lane])


def carla_headings(
    network: RoadNetwork, lane: Int[np.ndarray, " m"], s: Float[np.ndarray, " m"]
) -> Float[np.ndarray, " m"]:
    """Headings [rad] of rows of the lane table as `carla.Map` computes them.

    CARLA takes the slope of the lane's middle line over s for an angle: it leaves out the
    arctangent and the curvature of the reference line. The difference is nothing on most lanes, but
    tens of degrees where a lane fans out within a few metres.
    """
    reference = reference_poses(network.geometry, network.lane_road[lane], s)
    edges = lane_edges(network, lane, s)
    slope = (edges.inner_slope + edges.outer_slope) / 2
    turned = np.where(network.forward[lane], 0.0, np.pi)
    return wrap_angle(reference.heading + slope + turned)
