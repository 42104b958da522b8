"""The blocks that a driven path passes, as the nuPlan devkit finds them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from drivelab.maps.index import Layer, objects_at
from drivelab.types import LaneMap


def route_of_path(lane_map: LaneMap, points: Float[np.ndarray, "n 2"]) -> tuple[str, ...]:
    """Block ids under a path of rear-axle points, in driving order.

    A point inside the last block changes nothing. Otherwise the blocks that follow the last one are
    asked first, then the roads, then the connectors; several connectors stay candidates until a
    later point decides between them.
    """
    route: list[str] = []
    candidates: tuple[str, ...] = ()
    for point in points:
        roads = objects_at(lane_map, Layer.ROADBLOCK, point)
        links = objects_at(lane_map, Layer.ROADBLOCK_CONNECTOR, point)
        here = {*roads, *links}
        if route and not candidates and route[-1] in here:
            continue
        if route and not candidates:
            candidates = lane_map.blocks[route[-1]].successors
        candidates = tuple(name for name in candidates if name in here)
        if not candidates:
            candidates = tuple(roads[:1]) or tuple(links)
        if len(candidates) == 1:
            route.append(candidates[0])
            candidates = ()
    return tuple(route)
