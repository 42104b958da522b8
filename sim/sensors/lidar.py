"""Lidar sweeps by ray casting: beams, echoes, losses, intensity.

An echo's strength is s = reflectivity x cosine of the incidence; the reflectivity belongs to the
label of what was met. Intensity is 255 s (`material`) or exp(-attenuation x range) as CARLA's
(`attenuation`). An echo is lost with the probability

    1 - (1 - dropout) exp(-fade (range / max_range)^2 / s)

which grows with range, on dark surfaces and at grazing incidence. The form and the reflectivities
are ours and nominal: plausible, not measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Float32

from drivelab.kernels.raycast import BOX, GROUND, MESH, SPLAT, HeightGrid, Hits, cast
from drivelab.sim.sensors.draws import draws_for
from drivelab.sim.sensors.lidar_world import LidarWorld
from drivelab.sim.sensors.specs import LidarSpec
from drivelab.sim.splats.labels import LABELS, NUMBER

REFLECTIVITY = {
    "void": 0.3, "road": 0.15, "marking": 0.6, "crosswalk": 0.5, "kerb": 0.3, "pavement": 0.25,
    "terrain": 0.3, "building": 0.4, "vegetation": 0.35, "pole": 0.45, "sign": 0.9,
    "traffic_light": 0.3, "vehicle": 0.5, "pedestrian": 0.35, "bicycle": 0.35, "obstacle": 0.5,
    "sky": 0.0,
}  # fmt: skip
_TABLE = np.array([REFLECTIVITY[name] for name in LABELS], np.float32)
_FAINTEST = 1e-3  # strength below which nothing changes any more


def sweep(
    lidars: Iterable[LidarSpec],
    world: LidarWorld,
    scene_from_ego: Float[np.ndarray, "4 4"],
    *,
    scene: str,
    frame: int,
) -> Float32[np.ndarray, "n 6"]:
    """One merged sweep of all lidars.

    Args:
        lidars: of the rig.
        world: what there is to meet.
        scene_from_ego: pose of the ego frame in the frame of the scene.
        scene: the scene's id; with the lidar's name and `frame` it seeds noise and losses.
        frame: number of the frame.

    Returns:
        (n, 6) x, y, z [m], intensity, ring, lidar id in the ego frame, as `SensorData.lidar` has
        them; lidar by lidar, around from its x axis to the left, from ring 0 up.
    """
    clouds = [_one(spec, world, scene_from_ego, (scene, frame)) for spec in lidars]
    return np.concatenate(clouds) if clouds else np.zeros((0, 6), np.float32)


@lru_cache(maxsize=64)
def directions_of(spec: LidarSpec) -> Float[np.ndarray, "n 3"]:
    """Unit vectors of the beams in the lidar's frame: azimuth by azimuth, rings from 0 up."""
    around = np.arange(spec.azimuths) * (2 * np.pi / spec.azimuths)
    azimuth, elevation = np.meshgrid(around, spec.elevations, indexing="ij")
    level = np.cos(elevation)
    beams = [level * np.cos(azimuth), level * np.sin(azimuth), np.sin(elevation)]
    return np.stack(beams, -1).reshape(-1, 3)


def labels_of(hits: Hits, world: LidarWorld) -> np.ndarray:
    """(n,) what each ray met, numbers of `labels.LABELS`; void where it met nothing."""
    labels = np.zeros(len(hits.kinds), np.uint8)
    tables = {BOX: world.box_labels}
    if isinstance(world.ground, HeightGrid):
        tables[GROUND] = world.ground.labels.ravel()
    elif world.ground is not None:
        tables[GROUND] = np.array([NUMBER["road"]], np.uint8)
    if world.voxels is not None:
        tables[SPLAT] = world.voxels.labels
    if world.mesh is not None:
        tables[MESH] = world.mesh.labels
    for kind, table in tables.items():
        met = hits.kinds == kind
        labels[met] = table[hits.indices[met]]
    return labels


def loss(
    ranges: Float[np.ndarray, " n"], strength: Float[np.ndarray, " n"], spec: LidarSpec
) -> Float[np.ndarray, " n"]:
    """Probability that an echo is lost, see above."""
    fading = spec.fade * (ranges / spec.max_range) ** 2 / np.maximum(strength, _FAINTEST)
    return 1 - (1 - spec.dropout) * np.exp(-fading)


def _one(
    spec: LidarSpec, world: LidarWorld, scene_from_ego: np.ndarray, place: tuple[str, int]
) -> np.ndarray:
    scene_from_lidar = scene_from_ego @ spec.ego_from_lidar
    beams = directions_of(spec)
    turned = beams @ scene_from_lidar[:3, :3].T
    origin = scene_from_lidar[:3, 3]
    hits = cast(
        origin, turned, max_range=spec.max_range, boxes=world.boxes, ground=world.ground,
        voxels=world.voxels,
    )  # fmt: skip
    if world.mesh is not None:
        hits = world.mesh.nearer(hits, origin, turned)
    strength = _TABLE[labels_of(hits, world)] * hits.cosines
    ranges, kept = _measured(hits.distances, strength, spec, place)
    points = (beams * ranges[:, None])[kept] @ spec.ego_from_lidar[:3, :3].T
    cloud = np.empty((len(points), 6), np.float32)
    cloud[:, :3] = points + spec.ego_from_lidar[:3, 3]
    if spec.intensity == "attenuation":
        cloud[:, 3] = np.exp(-spec.attenuation * ranges[kept])
    else:
        cloud[:, 3] = np.rint(255 * strength[kept])
    cloud[:, 4] = np.flatnonzero(kept) % len(spec.elevations)
    cloud[:, 5] = spec.id
    return cloud


def _measured(
    distances: np.ndarray, strength: np.ndarray, spec: LidarSpec, place: tuple[str, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Noisy ranges, never beyond the lidar's; which echoes come back."""
    draws = draws_for(place[0], spec.name, place[1])
    kept = np.isfinite(distances) & (distances <= spec.max_range)
    ranges = np.where(kept, distances, 0.0)
    if spec.dropout or spec.fade:
        kept &= draws.random(len(ranges)) >= loss(ranges, strength, spec)
    if spec.range_noise:
        ranges = ranges + spec.range_noise * draws.standard_normal(len(ranges))
    return np.minimum(ranges, spec.max_range), kept & (ranges >= max(spec.min_range, 0.0))
