"""Where something stands: on a lane, at a pose of the map, or beside the ego's start."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from drivelab.sim.scenario.part import Part
from drivelab.sim.scenario.units import Degrees, LaneName, Metres, about, unit

Pose = Annotated[list[float], Meta(min_length=2, max_length=3), unit("m, m, deg")]
Point = Annotated[list[float], Meta(min_length=2, max_length=2), unit("m")]


class Place(Part, frozen=True, kw_only=True):
    """One of: `lane` and `s`; `pose`; `ahead` (and `left`)."""

    lane: Annotated[
        LaneName | None,
        about("a lane chain of the map template (0 = rightmost of the ego's road) or a lane id"),
    ] = None
    s: Annotated[Metres | None, about("distance along that lane from its start")] = None
    offset: Annotated[Metres, about("to the left of the lane's centreline")] = 0.0
    heading_deg: Annotated[
        Degrees, about("turned to the left from the lane's (or the ego's) heading")
    ] = 0.0
    pose: Annotated[
        Pose | None, about("[x, y] or [x, y, yaw in degrees] in the frame of the map")
    ] = None
    ahead: Annotated[Metres | None, about("in front of the ego's place at the start")] = None
    left: Annotated[Metres, about("to the left of the ego's place at the start")] = 0.0
