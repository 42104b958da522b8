"""Lane and block polygons from lane boundaries: one rule for the generator and for its files."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.types import Lane


def lane_ring(
    left: Float[np.ndarray, "n 2"], right: Float[np.ndarray, "m 2"]
) -> Float[np.ndarray, "k 2"]:
    """Closed ring of a lane: along the left boundary, back along the right one."""
    return np.concatenate([left, right[::-1], left[:1]])


def block_ring(lanes: Sequence[Lane]) -> Float[np.ndarray, "k 2"]:
    """Closed ring of a block whose lanes are listed from left to right.

    The ends run through the corners of all lanes, so that blocks that adjoin with other lane
    counts share vertices and leave no sliver between them.
    """
    lefts = [boundary for lane in lanes if (boundary := lane.left_boundary) is not None]
    rights = [boundary for lane in lanes if (boundary := lane.right_boundary) is not None]
    end = _edge([line[-1] for line in lefts] + [line[-1] for line in rights])
    start = _edge([line[0] for line in lefts] + [line[0] for line in rights])
    ring = np.concatenate([lefts[0][:-1], end, rights[-1][-2:0:-1], start[::-1]])
    return np.concatenate([ring, ring[:1]]) if (ring[0] != ring[-1]).any() else ring


def block_polygon(lanes: Sequence[Lane]) -> shapely.Polygon:
    """The block as a shapely polygon."""
    return shapely.Polygon(block_ring(lanes))


def _edge(corners: Sequence[Float[np.ndarray, "2"]]) -> Float[np.ndarray, "k 2"]:
    """Corners from the first (leftmost) outwards, each once."""
    x0, y0 = corners[0].tolist()
    points = dict.fromkeys(tuple(corner.tolist()) for corner in corners)
    return np.array(sorted(points, key=lambda point: math.hypot(point[0] - x0, point[1] - y0)))
