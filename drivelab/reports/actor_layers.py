"""The moving part of a picture: boxes of the other road users and the ego, with their trails."""

from __future__ import annotations

import numpy as np
import shapely
from jaxtyping import Float

from drivelab.geometry.boxes import box_corners, ego_boxes
from drivelab.reports.motion import tracks_at
from drivelab.reports.shapes import Path, Shape, line_path, polygon_path
from drivelab.reports.view import View
from drivelab.types import AGENT_KINDS, Scene

_SMALLEST_WITH_NOSE = 14.0  # [picture units]


def actor_layers(scene: Scene, view: View, seconds: float) -> list[Shape]:
    """Boxes at a time [s from the current moment]; a white stroke marks the front of agents."""
    poses, present = tracks_at(scene, seconds)
    seen = np.flatnonzero(present)
    corners = view.points(box_corners(np.column_stack([poses, scene.tracks.sizes])[seen]))
    shapes: list[Shape] = []
    noses = []
    for index, ring in zip(seen, corners, strict=True):
        kind = scene.tracks.kinds[index]
        role = kind if kind in AGENT_KINDS else "static"
        box = polygon_path(role, shapely.Polygon(ring), f"{kind} {scene.tracks.ids[index]}")
        if box is not None:
            shapes.append(box)
            if kind in AGENT_KINDS and np.ptp(ring, axis=0).max() > _SMALLEST_WITH_NOSE:
                noses.append(nose(ring))
    marks = line_path("nose", noses)
    return [*shapes, marks] if marks is not None else shapes


def trail_layers(scene: Scene, view: View) -> list[Shape]:
    """Where agents come from (thin line) and go to (dots) in the record."""
    past, future = [], {kind: list[np.ndarray]() for kind in AGENT_KINDS}
    tracks = scene.tracks
    for index, kind in enumerate(tracks.kinds):
        if kind not in AGENT_KINDS or not tracks.valid[scene.now, index]:
            continue
        past.append(_track_points(scene, view, index, slice(0, scene.now + 1)))
        future[kind].append(_track_points(scene, view, index, slice(scene.now, None)))
    paths = [line_path("past", past)]
    paths += [line_path(f"{kind}_future", lines) for kind, lines in future.items()]
    return [path for path in paths if path is not None]


def ego_layers(
    view: View, scene: Scene, pose: Float[np.ndarray, "3"], role: str = "ego"
) -> list[Shape]:
    """The ego's box with its rear axle at a map pose."""
    ring = view.points(box_corners(ego_boxes(pose, scene.vehicle)))
    box = polygon_path(role, shapely.Polygon(ring), "ego")
    mark = line_path("nose", [nose(ring)]) if role == "ego" else None
    return [path for path in (box, mark) if path is not None]


def nose(ring: Float[np.ndarray, "4 2"]) -> Float[np.ndarray, "3 2"]:
    """A chevron in the front half of a box (front-left, rear-left, rear-right, front-right)."""
    front_left, rear_left, rear_right, front_right = ring
    tip = 0.44 * (front_left + front_right) + 0.06 * (rear_left + rear_right)
    left = 0.66 * front_left + 0.22 * rear_left + 0.09 * front_right + 0.03 * rear_right
    right = 0.66 * front_right + 0.22 * rear_right + 0.09 * front_left + 0.03 * rear_left
    return np.stack([left, tip, right])


def _track_points(scene: Scene, view: View, index: int, frames: slice) -> np.ndarray:
    """Box centres while the track is there, in picture units."""
    there = scene.tracks.valid[frames, index]
    return view.points(scene.tracks.poses[frames, index, :2][there])


def ego_trail(view: View, poses: Float[np.ndarray, "t 3"], role: str) -> Path | None:
    """A path of rear-axle map poses."""
    return line_path(role, [view.points(poses[:, :2])])
