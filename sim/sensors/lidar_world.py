"""What lidar beams can meet of a splat scene: actors' boxes, the ground, what stands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import distance_transform_edt

from drivelab.kernels.raycast import Boxes, HeightGrid, Plane, Voxels, voxelise
from drivelab.sim.sensors.meshes import MeshCaster
from drivelab.sim.splats.labels import GROUND, NUMBER
from drivelab.sim.splats.scene import Moment, Splats, SplatScene

_BRIDGE = 2.0  # gaps in the ground up to this far from a splat of it are filled [m]
_LARGEST = 20.0  # standard deviation [m] of what still counts as a thing, not as a backdrop
KIND_LABELS = {  # of actors; whatever else drives or stands there is an obstacle
    "vehicle": NUMBER["vehicle"],
    "pedestrian": NUMBER["pedestrian"],
    "bicycle": NUMBER["bicycle"],
}


@dataclass(frozen=True, slots=True, eq=False)
class LidarWorld:
    """Everything in the frame of the scene.

    Attributes:
        ground: a plane (taken for road), a grid with labels, or None.
        voxels: of the static splats that stand up from the ground, or None.
        boxes: of the actors of one moment, or None.
        box_labels: (n,) numbers of `labels.LABELS` of the boxes.
        mesh: triangles, for scenes that have some (extra open3d).
    """

    ground: Plane | HeightGrid | None = None
    voxels: Voxels | None = None
    boxes: Boxes | None = None
    box_labels: UInt8[np.ndarray, " n"] = field(default_factory=lambda: np.zeros(0, np.uint8))
    mesh: MeshCaster | None = None


def lidar_world(
    scene: SplatScene, *, voxel: float = 0.2, min_opacity: float = 0.5, cell: float = 0.25
) -> LidarWorld:
    """The static part of a scene; built once, `with_actors` adds those of a moment.

    Args:
        scene: its static splats are used.
        voxel: edge of the cubes that splats fill [m].
        min_opacity: what is fainter returns nothing.
        cell: edge of the ground's cells [m].
    """
    return LidarWorld(
        ground_of(scene.static, cell=cell),
        standing(scene.static, voxel=voxel, min_opacity=min_opacity),
    )


def with_actors(
    world: LidarWorld, scene: SplatScene, moment: Moment, *, without: Collection[str] = ()
) -> LidarWorld:
    """The world at one moment, with the boxes of the actors that are there.

    Args:
        world: of `lidar_world`.
        scene: has the actors' sizes.
        moment: has their poses.
        without: ids of actors to leave out, such as the one that carries the lidar.
    """
    seen = [
        (scene.actors[name], pose)
        for name, pose in moment.poses.items()
        if name in scene.actors and name not in without
    ]
    poses, halves = np.zeros((len(seen), 4, 4)), np.zeros((len(seen), 3))
    for n, (actor, pose) in enumerate(seen):
        halves[n] = np.array(actor.size) / 2
        poses[n] = pose
        poses[n, :3, 3] += pose[:3, 2] * halves[n, 2]  # from the box's floor to its middle
    labels = [KIND_LABELS.get(actor.kind, NUMBER["obstacle"]) for actor, _ in seen]
    return replace(world, boxes=Boxes(poses, halves), box_labels=np.array(labels, np.uint8))


def standing(splats: Splats, *, voxel: float = 0.2, min_opacity: float = 0.5) -> Voxels | None:
    """Voxels of the opaque splats that are neither ground nor sky nor a backdrop; None of none."""
    g = splats.gaussians
    scales = np.asarray(g.scales)
    kept = (np.asarray(g.opacities) >= min_opacity) & (scales.max(-1, initial=0) <= _LARGEST)
    kept &= ~np.isin(splats.labels, [*GROUND, NUMBER["sky"]])
    if not kept.any():
        return None
    return voxelise(
        np.asarray(g.means)[kept], _rotations(np.asarray(g.quats)[kept]), scales[kept],
        np.asarray(g.opacities)[kept], splats.labels[kept], size=voxel,
    )  # fmt: skip


def ground_of(splats: Splats, *, cell: float = 0.25) -> HeightGrid | None:
    """Heights and labels of the splats that are ground; None where there are none.

    A corner's height is the mean of the splats nearest to it; corners without any take that of the
    nearest one up to 2 m away. A cell's label is that of its highest splat, so that markings count.
    """
    chosen = np.isin(splats.labels, GROUND)
    if not chosen.any():
        return None
    means = np.asarray(splats.gaussians.means, float)[chosen]
    order = means[:, 2].argsort(kind="stable")
    means, labels = means[order], splats.labels[chosen][order]
    low = np.floor(means[:, :2].min(0) / cell) * cell - cell
    size = np.ceil((means[:, :2].max(0) - low) / cell).astype(int) + 2
    at = np.rint((means[:, :2] - low) / cell).astype(int)
    corner = at[:, 0] * size[1] + at[:, 1]
    count = np.bincount(corner, minlength=int(size.prod())).reshape(size)
    total = np.bincount(corner, means[:, 2], minlength=int(size.prod())).reshape(size)
    heights = _bridged(total / np.maximum(count, 1), count > 0, cell)
    inside = np.floor((means[:, :2] - low) / cell).astype(int)
    cells = np.zeros(size - 1, np.uint8)
    known = np.zeros(size - 1, bool)
    cells[inside[:, 0], inside[:, 1]] = labels  # the last of several, which is the highest
    known[inside[:, 0], inside[:, 1]] = True
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    return HeightGrid(float(low[0]), float(low[1]), cell, heights, cells[tuple(nearest)])


def _bridged(
    heights: Float[np.ndarray, "nx ny"], known: Bool[np.ndarray, "nx ny"], cell: float
) -> Float[np.ndarray, "nx ny"]:
    away, nearest = distance_transform_edt(~known, return_indices=True)
    return np.where(away * cell <= _BRIDGE, heights[tuple(nearest)], np.nan)


def _rotations(quats: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 3 3"]:
    """Rotation matrices of quaternions wxyz of any length."""
    w, x, y, z = np.asarray(quats / np.linalg.norm(quats, axis=-1, keepdims=True), float).T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.moveaxis(np.array(rows), -1, 0)
