"""Impossible starts: boxes that overlap, an ego off the road."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.boxes import box_polygon, box_polygons
from drivelab.maps.index import Layer, layer_ids, layer_polygons, objects_meeting
from drivelab.sim.scenario.problems import Fault, Path
from drivelab.sim.world.episode import ActorSpec, Replay
from drivelab.types import LaneMap

TOUCH = 1e-4  # overlaps below this are touching boxes [m^2]
OFF_ROAD = 0.05  # of the ego's box may stick out [m^2]
SNAP = 0.03  # gaps between neighbouring areas that do not count [m]
# What the world counts as drivable, see drivelab.maps.drivable.
_GROUND = (
    Layer.LANE,
    Layer.LANE_CONNECTOR,
    Layer.ROADBLOCK,
    Layer.INTERSECTION,
    Layer.CARPARK,
    Layer.DRIVABLE,
)


def start_faults(
    lane_map: LaneMap,
    ego: Float[np.ndarray, "5"],
    actors: Sequence[ActorSpec],
    owners: Mapping[str, Path],
) -> list[Fault]:
    """Everything that no world can start from.

    Args:
        lane_map: the map.
        ego: box (x, y, yaw, length, width).
        actors: everybody else.
        owners: path in the text of everybody by id.
    """
    return [*_ground_faults(lane_map, ego), *_overlap_faults(ego, actors, owners)]


def _ground_faults(lane_map: LaneMap, ego: Float[np.ndarray, "5"]) -> list[Fault]:
    box = box_polygon(ego)
    ground = [shapely.Polygon()]
    for layer in _GROUND:
        names = set(objects_meeting(lane_map, layer, box))
        if names:
            shapes = zip(layer_ids(lane_map, layer), layer_polygons(lane_map, layer), strict=True)
            ground += [shapely.make_valid(shape) for name, shape in shapes if name in names]
    outside = shapely.difference(box, shapely.union_all(ground).buffer(SNAP)).area
    if outside <= OFF_ROAD:
        return []
    share = min(outside / box.area, 1.0)
    return [Fault(("ego",), f"{share:.0%} of its box is off the road at the start")]


def _overlap_faults(
    ego: Float[np.ndarray, "5"], actors: Sequence[ActorSpec], owners: Mapping[str, Path]
) -> list[Fault]:
    standing = [actor for actor in actors if not isinstance(actor.motion, Replay)]
    rows = [ego, *(np.array([*actor.pose, *actor.size]) for actor in standing)]
    names = ["ego", *(actor.id for actor in standing)]
    boxes = box_polygons(np.array(rows))
    first, second = shapely.STRtree(boxes).query(boxes, "intersects")
    faults = []
    for i, j in sorted(zip(first.tolist(), second.tolist(), strict=True)):
        if i >= j or names[j] == f"{names[i]}.door":
            continue
        if shapely.intersection(boxes[i], boxes[j]).area > TOUCH:
            text = f"`{names[j]}` overlaps `{names[i]}` at the start; move one of them"
            faults.append(Fault(owners[names[j]], text))
    return faults
