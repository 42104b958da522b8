"""What the ego can run into: the boxes of actors; the walls, trees and poles of the scene itself.

The scene itself is judged by HUGSIM's published rule (Zhou et al., arXiv 2412.01718): a collision
is more than 100 Gaussians of opacity above 0.8, ground left out, within the ego's box. RAD's
released threshold of 25000 names no unit (points, pixels, square metres) and cannot be applied to
another scene: it is not used.

The count depends on how finely a scene is made: a wall of few large Gaussians is not felt. Both
numbers are parameters. Scenes are taken to have one ground at each place; on a bridge, say where
the ground is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from drivelab.sim.splats.labels import GROUND
from drivelab.sim.splats.scene import Moment, SplatScene
from drivelab.types import PACIFICA, VehicleParameters

APART = 0.5  # a contact is over when there has been none for so long, as the world has it [s]
STANDING = 0.1  # slower than this counts as standing, as the world has it [m/s]
CELL = 1.0  # edge of the cells that points and ground are sorted into [m]
CHUNK = 256  # poses that are looked at together
_FARTHEST = 1 << 30  # cells; what lies beyond is sorted into the last one


@dataclass(frozen=True, slots=True)
class StaticCollision:
    """When the ego has run into the scene.

    Attributes:
        opacity: Gaussians of more than this can be hit.
        count: more of them than this within the ego's box are a collision.
        low: underside of the box above the ground [m]: kerbs and what lies about pass below.
        high: its roof above the ground [m].
    """

    opacity: float = 0.8
    count: int = 100
    low: float = 0.2
    high: float = 1.6

    def __post_init__(self) -> None:
        if not 0.0 <= self.opacity < 1.0 or self.count < 0 or not self.low < self.high:
            raise ValueError(f"{self}; expected opacity in 0..1, count from 0, low below high")


@dataclass(frozen=True, slots=True, eq=False)
class CollisionIndex:
    """What of a scene can be hit, sorted by cells of the map's ground plane.

    Attributes:
        rule: by which it was chosen.
        points: (n, 3) centres in the `map` frame [m], row by row of cells.
        cells: (n,) number of each one's cell, ascending.
        corner: (2,) x and y of the first cell [m].
        columns: cells of a row.
        ground: (g, 3) the ground in the `map` frame, one point a cell; (0, 3) if none is labelled.
        nearest: finds the nearest of `ground` by x and y, or None.
        level: height of the scene's origin [m], the ground where none is labelled.
    """

    rule: StaticCollision
    points: Float[np.ndarray, "n 3"]
    cells: Int[np.ndarray, " n"]
    corner: Float[np.ndarray, "2"]
    columns: int
    ground: Float[np.ndarray, "g 3"]
    nearest: Any
    level: float

    def __len__(self) -> int:
        return len(self.points)


def collision_points(
    scene: SplatScene, rule: StaticCollision = StaticCollision()
) -> CollisionIndex:
    """Sort what can be hit of a scene's static part, once for all questions."""
    found, labels = scene.static.gaussians, scene.static.labels
    where = np.asarray(scene.map_from_scene, float)
    means = np.asarray(found.means, float) @ where[:3, :3].T + where[:3, 3]
    ground = np.isin(labels, GROUND)
    points = means[~ground & (np.asarray(found.opacities) > rule.opacity)]
    corner = points[:, :2].min(0) if len(points) else np.zeros(2)
    column, row = _cell_of(points[:, :2], corner).T
    columns = int(column.max(initial=0)) + 1
    cells = row * columns + column
    order = np.argsort(cells, kind="stable")
    floor = _ground(means[ground])
    nearest = cKDTree(floor[:, :2]) if len(floor) else None
    return CollisionIndex(
        rule, points[order], cells[order], corner, columns, floor, nearest, float(where[2, 3])
    )


def actor_boxes(
    scene: SplatScene, moment: Moment
) -> tuple[tuple[str, ...], Float[np.ndarray, "n 5"]]:
    """Ids and boxes of the actors that are there: x, y, yaw, length, width in the `map` frame.

    Names that the scene has no actor for are passed over; boxes that lean are laid flat.
    """
    names = tuple(name for name in moment.poses if name in scene.actors)
    boxes = np.zeros((len(names), 5))
    for box, name in zip(boxes, names, strict=True):
        pose = np.asarray(scene.map_from_scene, float) @ moment.poses[name]
        box[:3] = pose[0, 3], pose[1, 3], np.arctan2(pose[1, 0], pose[0, 0])
        box[3:] = scene.actors[name].size[:2]
    return names, boxes


def hits(
    index: CollisionIndex,
    poses: Float[np.ndarray, "*t 3"],
    vehicle: VehicleParameters = PACIFICA,
    *,
    floor: Float[np.ndarray, "*t"] | None = None,
) -> Int[np.ndarray, "*t"]:
    """How many Gaussians lie within the ego's box at each pose.

    Args:
        index: of `collision_points`.
        poses: rear axle in the `map` frame: x [m], y [m], yaw [rad].
        vehicle: the ego's size.
        floor: height of the ground under each pose [m]; by default that of the nearest ground
            Gaussians.

    Returns:
        Counts, of the poses' leading shape. More than `index.rule.count` is a collision.
    """
    flat = np.asarray(poses, float).reshape(-1, 3)
    heights = _floor(index, flat, vehicle) if floor is None else np.ravel(floor)
    counts = np.zeros(len(flat), np.int64)
    for at in range(0, len(flat), CHUNK):
        part = slice(at, at + CHUNK)
        which, _ = _inside(index, flat[part], vehicle, heights[part])
        counts[part] = np.bincount(which, minlength=len(flat[part]))
    return counts.reshape(np.shape(poses)[:-1])


class StaticWatch:
    """Turns counts into collision events of the world's form, one step after the other."""

    def __init__(
        self, index: CollisionIndex, vehicle: VehicleParameters = PACIFICA, *, dt: float = 0.1
    ) -> None:
        self._index, self._vehicle, self._dt = index, vehicle, dt
        self._last: int | None = None  # step of the last contact

    def look(self, step: int, pose: Float[np.ndarray, "3"], speed: float) -> dict[str, Any] | None:
        """The event of a contact that begins in this step, else None.

        Args:
            step: number of the moment, ascending.
            pose: rear axle in the `map` frame.
            speed: of the ego [m/s].

        Returns:
            `kind`, `step`, `time`, `actor` ("": no track), `actor_kind` ("static"),
            `impact_speed`, `ego_speed`, `side`, `at_fault` as the world's own collisions have, and
            `count`, the Gaussians in the box. A contact is over after 0.5 s without one.
        """
        poses = np.asarray(pose, float).reshape(1, 3)
        heights = _floor(self._index, poses, self._vehicle)
        _, local = _inside(self._index, poses, self._vehicle, heights)
        if len(local) <= self._index.rule.count:
            return None
        last, self._last = self._last, step
        if last is not None and (step - last) * self._dt <= APART:
            return None
        return {
            "kind": "collision",
            "step": step,
            "time": round(step * self._dt, 6),
            "actor": "",
            "actor_kind": "static",
            "impact_speed": abs(float(speed)),
            "ego_speed": float(speed),
            "side": _side(local.mean(0), self._vehicle),
            "at_fault": abs(float(speed)) >= STANDING,
            "count": len(local),
        }


def collision_events(
    index: CollisionIndex,
    poses: Float[np.ndarray, "t 3"],
    speeds: Float[np.ndarray, " t"],
    vehicle: VehicleParameters = PACIFICA,
    *,
    dt: float = 0.1,
) -> tuple[dict[str, Any], ...]:
    """All contacts of a rollout with the scene, as `StaticWatch.look` tells them."""
    watch = StaticWatch(index, vehicle, dt=dt)

    def events() -> Iterator[dict[str, Any]]:
        for step, (pose, speed) in enumerate(zip(poses, speeds, strict=True)):
            event = watch.look(step, pose, float(speed))
            if event is not None:
                yield event

    return tuple(events())


def _inside(
    index: CollisionIndex, poses: np.ndarray, vehicle: VehicleParameters, floor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of a pose and a point in its box: the pose's number, the point ahead and left [m]."""
    cos, sin = np.cos(poses[:, 2]), np.sin(poses[:, 2])
    half = np.array([vehicle.length, vehicle.width]) / 2
    ahead = vehicle.rear_axle_to_center
    middle = poses[:, :2] + ahead * np.stack([cos, sin], 1)
    reach = np.stack([abs(cos) * half[0] + abs(sin) * half[1],
                      abs(sin) * half[0] + abs(cos) * half[1]], 1)  # fmt: skip
    first = _cell_of(middle - reach, index.corner)
    last = _cell_of(middle + reach, index.corner)
    # Cells of one row are one run of points: a box looks at as many runs as it has rows.
    count = int((last - first)[:, 1].max(initial=0)) + 1
    rows = first[:, 1:] + np.arange(count)
    left = np.clip(first[:, :1], 0, index.columns)
    right = np.clip(last[:, :1] + 1, 0, index.columns)
    begin = np.searchsorted(index.cells, rows * index.columns + left)
    end = np.searchsorted(index.cells, rows * index.columns + right)
    end = np.where(rows <= last[:, 1:], end, begin)
    lengths = (end - begin).ravel()
    which = np.repeat(np.repeat(np.arange(len(poses)), count), lengths)
    skipped = np.repeat(np.cumsum(lengths) - lengths, lengths)
    points = index.points[np.repeat(begin.ravel(), lengths) + np.arange(len(which)) - skipped]
    off = points[:, :2] - middle[which]
    local = np.stack([cos[which] * off[:, 0] + sin[which] * off[:, 1],
                      cos[which] * off[:, 1] - sin[which] * off[:, 0]], 1)  # fmt: skip
    up = points[:, 2] - floor[which]
    inside = (abs(local) <= half).all(1) & (up >= index.rule.low) & (up <= index.rule.high)
    return which[inside], local[inside]


def _floor(index: CollisionIndex, poses: np.ndarray, vehicle: VehicleParameters) -> np.ndarray:
    """Height of the ground under the middle of the ego's box at each pose [m]."""
    if index.nearest is None:
        return np.full(len(poses), index.level)
    ahead = np.stack([np.cos(poses[:, 2]), np.sin(poses[:, 2])], 1)
    _, near = index.nearest.query(poses[:, :2] + vehicle.rear_axle_to_center * ahead)
    heights: np.ndarray = index.ground[near, 2]
    return heights


def _ground(points: np.ndarray) -> np.ndarray:
    """The mean of the ground's points in each cell that has any."""
    if not len(points):
        return np.zeros((0, 3))
    cells = _cell_of(points[:, :2], points[:, :2].min(0))
    _, group, size = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    return np.stack([np.bincount(group, column) / size for column in points.T], 1)


def _cell_of(points: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Column and row of each point's cell."""
    cells: np.ndarray = np.floor((points - corner) / CELL).clip(-1, _FARTHEST).astype(np.int64)
    return cells


def _side(middle: np.ndarray, vehicle: VehicleParameters) -> str:
    """The side of the ego's box that what it hit lies nearest to, by the world's rule."""
    if abs(middle[0]) - (vehicle.length - vehicle.width) / 2 >= abs(middle[1]):
        return "front" if middle[0] > 0 else "rear"
    return "left" if middle[1] > 0 else "right"
