"""An OpenDRIVE map: the lane map, and the roads that its exact poses are evaluated from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from drivelab.maps.opendrive.lane_poses import poses_at
from drivelab.maps.opendrive.tables import RoadNetwork
from drivelab.types.lane_map import LaneMap


@dataclass(frozen=True, slots=True, eq=False)
class OpenDriveMap:
    """A map with its roads. Lanes of the map are called ROAD/SECTION/LANE, as the file counts them.

    Frame: that of the file (right-handed, y north). CARLA's world has y and yaw negated.
    """

    lane_map: LaneMap
    network: RoadNetwork
    rows: Mapping[str, int]  # of the map's lanes in the network's lane table

    def pose(self, road: str, lane: int, s: float) -> Float[np.ndarray, "3"] | None:
        """Pose (x [m], y [m], heading [rad]) in the middle of a lane, headed as its traffic.

        s counts from the road's start [m]. None where the road has no such lane at s; the end of
        the road is no longer part of it.
        """
        known = self.network.road_ids
        number = known.index(road) if road in known else -1
        poses, exist = self.poses(np.array([number]), np.array([lane]), np.array([s], float))
        return poses[0] if exist[0] else None

    def poses(
        self, road: Int[np.ndarray, " m"], lane: Int[np.ndarray, " m"], s: Float[np.ndarray, " m"]
    ) -> tuple[Float[np.ndarray, "m 3"], Bool[np.ndarray, " m"]]:
        """Poses as in `pose` for rows of roads, NaN where there is none, and whether there is."""
        network = self.network
        known = (road >= 0) & (road < len(network.road_ids)) & np.isfinite(s)
        safe = np.where(known, road, 0)
        known &= (s >= 0.0) & (s < network.length[safe])
        place = np.where(known, s, 0.0)
        row = network.lane_row(network.sections.find(safe, place), lane)
        exist = known & (row >= 0)
        poses = np.full((len(s), 3), np.nan)
        poses[exist] = poses_at(network, row[exist], s[exist])
        return poses, exist

    def s_range(self, lane: str) -> tuple[float, float]:
        """Where along its road a lane begins and ends [m], whichever way its traffic drives."""
        section = self.network.lane_section[self.rows[lane]]
        return float(self.network.sections.s[section]), float(self.network.section_end[section])
