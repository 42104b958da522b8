"""What a recorded drive must be to enter a split: safe, on the road, comfortable, lawful."""

from __future__ import annotations

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.boxes import box_corners, box_polygon, box_polygons, ego_boxes
from drivelab.kernels.tracker import track_proposals
from drivelab.sim.generator.recording import FRAME_DT, Run
from drivelab.sim.generator.world import DT
from drivelab.types import PACIFICA, AreaKind, LaneMap

CLEARANCE = 0.45  # nobody may come closer to the ego [m]
OTHERS_CLEARANCE = 0.02  # nor two others to each other [m]
BRAKING, PUSHING, SIDEWAYS = 3.6, 2.2, 3.6  # largest accelerations [m/s^2]
FORESIGHT = (3, 6, 9, 11)  # steps over which nobody may be hit without steering or braking
TRACKED_POSES = 8  # of the record after now that are tracked: 4 s
BEHIND = 2.4  # who is seen at a larger angle from the rear axle is behind [rad]


def complaints(run: Run) -> list[str]:
    """Why the run is not good enough; empty when it is."""
    return [
        *_contacts(run),
        *_threats(run),
        *_road(run),
        *_tracked(run),
        *_motion(run),
        *_lights(run),
    ]


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
        when, other = np.unravel_index(np.argmin(gaps), gaps.shape)
        found.append(f"comes within {gaps.min():.2f} m of actor {other} at step {when}")
    for step in range(0, len(polygons), 5):
        tree = shapely.STRtree(polygons[step, 1:])
        pairs = tree.query(polygons[step, 1:], "dwithin", distance=OTHERS_CLEARANCE)
        if (pairs[0] < pairs[1]).any():
            a, b = pairs[:, pairs[0] < pairs[1]][:, 0]
            return [*found, f"actors {a} and {b} touch at step {step}"]
    return found


def _threats(run: Run) -> list[str]:
    """Boxes that the ego would touch within about a second at its present velocity."""
    boxes = np.stack([step.boxes for step in run.steps])
    speed = np.array([step.ego.speed for step in run.steps])
    ego = boxes[:, 0].copy()
    heading = np.column_stack([np.cos(ego[:, 2]), np.sin(ego[:, 2])])
    rear = ego[:, :2] - PACIFICA.rear_axle_to_center * heading
    for later in FORESIGHT:
        moved = ego[:-later].copy()
        moved[:, :2] += (speed[:-later] * later * DT)[:, None] * heading[:-later]
        others = boxes[later:, 1:]
        hit = shapely.intersects(box_polygons(moved)[:, None], box_polygons(others))
        to_other = others[..., :2] - rear[:-later, None]
        ahead = (to_other * heading[:-later, None]).sum(-1)
        hit &= ahead > np.cos(BEHIND) * np.linalg.norm(to_other, axis=-1)
        hit &= (speed[:-later] > 0.05)[:, None]
        if hit.any():
            step, other = np.argwhere(hit)[0]
            return [f"would hit actor {other} {later * DT:.1f} s after step {step}"]
    return []


def _road(run: Run) -> list[str]:
    corners = box_corners(np.stack([step.boxes[0] for step in run.steps]))
    step = _first_off_road(corners, drivable_area(run.log.map))
    return [] if step is None else [f"leaves the drivable area at step {step}"]


def _tracked(run: Run) -> list[str]:
    """The record, driven again by the tracker of the scores, has to stay on the road as well.

    The tracker begins every scene with straight wheels, which costs it up to a metre in a bend.
    """
    log, area = run.log, drivable_area(run.log.map)
    for start in log.starts:
        now = start + log.now
        plan = log.ego.poses[now : now + TRACKED_POSES + 1].copy()
        plan[:, 2] = np.unwrap(plan[:, 2])
        knots = np.arange(len(plan)) * FRAME_DT
        query = np.arange(round(knots[-1] / DT) + 1) * DT
        dense = np.column_stack([np.interp(query, knots, column) for column in plan.T])
        states = track_proposals(dense[None], log.ego.state(now), PACIFICA.wheel_base)[0]
        step = _first_off_road(box_corners(ego_boxes(states[:, :3], PACIFICA)), area)
        if step is not None:
            return [f"tracked from frame {now}, it leaves the drivable area at step {step}"]
    return []


def _first_off_road(corners: Float[np.ndarray, "t 4 2"], area: np.ndarray) -> int | None:
    """The first step at which a corner is in no polygon of the area."""
    inside = shapely.contains_properly(area[:, None, None], shapely.points(corners)[None])
    good = inside.any(axis=0).all(axis=1)
    return None if good.all() else int(np.argmin(good))


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
        ego = box_polygon(run.steps[frame * per_frame].boxes[0])
        for connector in red:
            lane = run.log.map.lanes[connector]
            if lane.block in run.log.route and shapely.intersects(lane.polygon, ego):
                return [f"stands in the red connector {connector} at frame {frame}"]
    return []
