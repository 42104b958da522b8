"""Refuse maps whose objects do not fit together, once per map, before anything asks them."""

from __future__ import annotations

import numpy as np

from drivelab.errors import DataError
from drivelab.types.lane_map import Lane, LaneMap

_CHECKED = "checked"


def check_map(lane_map: LaneMap) -> None:
    """Lanes have finite centrelines and sane limits, blocks name lanes that exist.

    Raises:
        DataError: names the map, the lane or block, and what was expected.
    """
    if lane_map.cache.get(_CHECKED):
        return
    for lane in lane_map.lanes.values():
        _check_lane(lane_map.name, lane)
    for block in lane_map.blocks.values():
        missing = [name for name in block.lanes if name not in lane_map.lanes]
        if missing:
            raise DataError(
                f"the block names the lane {missing[0]!r}, which the map does not have",
                where=f"map {lane_map.name}, block {block.id}",
            )
    lane_map.cache[_CHECKED] = True


def _check_lane(name: str, lane: Lane) -> None:
    where = f"map {name}, lane {lane.id}"
    line = lane.centreline
    if line.ndim != 2 or line.shape[1] != 3 or not len(line) or not np.isfinite(line).all():
        raise DataError(
            f"the centreline has shape {line.shape} or numbers that are not finite; expected "
            "(n, 3) with n >= 1: x, y, heading",
            where=where,
        )
    limit = lane.speed_limit
    if limit is not None and not (np.isfinite(limit) and limit > 0.0):
        raise DataError(
            f"the speed limit is {limit}; expected more than 0 m/s, or None where it is unknown",
            where=where,
        )
