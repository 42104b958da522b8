"""Scenes with rendered sensors for one look: only what the lidar can reach is made solid.

A bench's stage makes the whole street solid, for all that is to be driven on it. Features are built
of one moment, so that the echoes come out the same from a third of the work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from drivelab.sim.sensors.lidar_world import LidarWorld, lidar_world
from drivelab.sim.sensors.rendered import rendered, stage_of_scene
from drivelab.sim.sensors.rendering import Rendering
from drivelab.sim.sensors.specs import Rig
from drivelab.sim.sensors.stage import Stage
from drivelab.sim.splats.labels import GROUND, NUMBER
from drivelab.sim.splats.scene import Splats, SplatScene
from drivelab.types import Scene

MARGIN = 3.0  # around what the lidar reaches; gaps of the ground are bridged from within it [m]
SPREAD = 1.5  # standard deviations of a splat that count as solid
SOLID = 0.5  # opacity from which on it does
LARGEST = 20.0  # standard deviation of what still counts as a thing [m]


@dataclass(frozen=True, slots=True, eq=False)
class _Solids:
    """Which static splats the lidar can meet above the ground, and how far each reaches [m]."""

    chosen: Bool[np.ndarray, " n"]
    around: Float[np.ndarray, "n 3"]


def with_rendered_sensors(scene: Scene, rendering: Rendering) -> Scene:
    """The scene, able to be looked at in its present; sensors of its own win.

    Pictures are drawn, and echoes cast, when they are asked for.
    """
    if scene.sensors is not None:
        return scene
    stage = stage_of_scene(scene, rendering)
    if stage.rig.lidars:
        ego = stage.from_map(scene.ego.poses[scene.now])[:3, 3]
        stage.lidar_world = near_world(stage, ego, lidar_reach(stage.rig))
    return replace(scene, sensors=rendered(scene, stage))


def lidar_reach(rig: Rig) -> float:
    """From the ego to the farthest echo of any lidar of the rig [m]."""
    return max(
        float(np.hypot(*spec.ego_from_lidar[:2, 3])) + spec.max_range
        for spec in rig.lidars.values()
    )


def near_world(stage: Stage, ego: Float[np.ndarray, "3"], reach: float) -> LidarWorld:
    """What lidar beams meet of the street up to `reach` [m] from the ego.

    The splats that bound the whole street stay, so that its cubes stand where those of the whole
    world stand: beams meet the same.
    """
    street = stage.scene
    solids = _solids(street.static)
    means = np.asarray(street.static.gaussians.means, float)
    away = np.hypot(means[:, 0] - ego[0], means[:, 1] - ego[1])
    kept = away - solids.around[:, :2].max(axis=1) <= reach + MARGIN
    if solids.chosen.any():
        for bound in (means - solids.around, -means - solids.around):
            kept[np.where(solids.chosen[:, None], bound, np.inf).argmin(axis=0)] = True
    return lidar_world(_with_static(street, kept))


def _solids(splats: Splats) -> _Solids:
    """By the rules of `sim.sensors.lidar_world`."""
    g = splats.gaussians
    scales = np.asarray(g.scales, float)
    chosen = (np.asarray(g.opacities) >= SOLID) & (scales.max(-1, initial=0) <= LARGEST)
    chosen &= ~np.isin(splats.labels, [*GROUND, NUMBER["sky"]])
    return _Solids(chosen, _extents(np.asarray(g.quats, float), SPREAD * scales))


def _extents(
    quats: Float[np.ndarray, "n 4"], halves: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 3"]:
    """How far ellipsoids reach along x, y and z."""
    w, x, y, z = (quats / np.linalg.norm(quats, axis=-1, keepdims=True)).T
    a, b, c = (halves**2).T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    squares = [row[0] ** 2 * a + row[1] ** 2 * b + row[2] ** 2 * c for row in rows]
    return np.sqrt(np.stack(squares, axis=-1))


def _with_static(street: SplatScene, kept: Bool[np.ndarray, " n"]) -> SplatScene:
    g = street.static.gaussians
    part = replace(
        g, means=g.means[kept], quats=g.quats[kept], scales=g.scales[kept],
        opacities=g.opacities[kept], sh=g.sh[kept],
    )  # fmt: skip
    return replace(street, static=Splats(part, street.static.labels[kept]))
