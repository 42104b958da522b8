"""An OpenDRIVE map: the lane map, and the roads that its exact poses are evaluated from."""

from __future__ import annotations

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

    def row(self, lane: str) -> int:
        """Row of a lane of the map in the network's lane table."""
        road, section, number = lane.rsplit("/", 2)
        first = np.searchsorted(self.network.sections.owner, self.network.road_ids.index(road))
        found = self.network.lane_row(np.array([first + int(section)]), np.array([int(number)]))
        return int(found[0])

    def s_range(self, lane: str) -> tuple[float, float]:
        """Where along its road a lane begins and ends [m], whichever way its traffic drives."""
        section = self.network.lane_section[self.row(lane)]
        return float(self.network.sections.s[section]), float(self.network.section_end[section])
