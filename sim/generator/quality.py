"""What a recorded drive must be to enter a split: safe, on the road, comfortable, lawful."""

from __future__ import annotations

import numpy as np
import shapely

from drivelab.geometry.boxes import box_corners, box_polygons
from drivelab.sim.generator.recording import Run
from drivelab.types import AreaKind, LaneMap

CLEARANCE = 0.3  # nobody may come closer to the ego [m]
OTHERS_CLEARANCE = 0.02  # nor two others to each other [m]
BRAKING, PUSHING, SIDEWAYS = 3.6, 2.2, 3.2  # largest accelerations [m/s^2]
ROOM_AHEAD = 150.0  # least distance from the ego's now to the end of its way [m]


def complaints(run: Run) -> list[str]:
    """Why the run is not good enough; empty when it is."""
    found = [*_contacts(run), *_road(run), *_motion(run), *_lights(run)]
    return found


def drivable_area(lane_map: LaneMap) -> np.ndarray:
    """Polygons that count as drivable in NAVSIM: blocks, intersections and car parks."""
    kinds = (AreaKind.INTERSECTION, AreaKind.CARPARK)
    blocks = [block.polygon for block in lane_map.blocks.values() if not block.connector]
    areas = [area.polygon for area in lane_map.areas if area.kind in kinds]
    return np.array([*blocks, *areas], dtype=object)


def _contacts(run: Run) -> list[str]:
    boxes = np.stack([step.boxes for step in run.steps])
    polygons = box_polygons(boxes)
    gaps = shapely.distance(polygons[:, :1], polygons[:, 1:])
    found = []
    if gaps.size and gaps.min() < CLEARANCE:
        step, other = np.unravel_index(np.argmin(gaps), gaps.shape)
        found.append(f"comes within {gaps.min():.2f} m of actor {other + 1} at step {step}")
    for step in range(0, len(polygons), 5):
        tree = shapely.STRtree(polygons[step, 1:])
        pairs = tree.query(polygons[step, 1:], "dwithin", distance=OTHERS_CLEARANCE)
        if (pairs[0] < pairs[1]).any():
            a, b = pairs[:, pairs[0] < pairs[1]][:, 0]
            return [*found, f"actors {a + 1} and {b + 1} touch at step {step}"]
    return found


def _road(run: Run) -> list[str]:
    area = drivable_area(run.log.map)
    corners = box_corners(np.stack([step.boxes[0] for step in run.steps]))
    inside = shapely.contains_properly(area[:, None, None], shapely.points(corners)[None]).any(
        axis=0
    )
    if inside.all():
        return []
    return [f"leaves the drivable area at step {int(np.argmin(inside.all(axis=1)))}"]


def _motion(run: Run) -> list[str]:
    pushed = np.array([step.ego_acceleration for step in run.steps])
    sideways = np.array([step.ego.speed * step.ego.yaw_rate for step in run.steps])
    found = []
    if pushed.min() < -BRAKING or pushed.max() > PUSHING:
        found.append(f"accelerates by {pushed.min():.1f} to {pushed.max():.1f} m/s^2")
    if np.abs(sideways).max() > SIDEWAYS:
        found.append(f"corners with {np.abs(sideways).max():.1f} m/s^2")
    return found


def _lights(run: Run) -> list[str]:
    """No red connector of the route under the ego, at any frame."""
    per_frame = (len(run.steps) - 1) // (len(run.log.ego) - 1)
    for frame, red in enumerate(run.log.red_lights):
        ego = box_polygons(run.steps[frame * per_frame].boxes[0])
        for connector in red:
            lane = run.log.map.lanes[connector]
            if lane.block in run.log.route and shapely.intersects(lane.polygon, ego):
                return [f"stands in the red connector {connector} at frame {frame}"]
    return []
